#include "formats/graphdef/saved_model.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/error.h"
#include "formats/graphdef/graphdef_encode.h"
#include "formats/graphdef/graphdef_flatten.h"
#include "formats/graphdef/graphdef_reader.h"
#include "formats/graphdef/graphdef_tensor.h"
#include "formats/graphdef/tensor_bundle.h"
#include "wire/protobuf_cursor.h"
#include "wire/protobuf_patch.h"

namespace visionpress {
namespace graphdef {
namespace {

namespace saved_field {
constexpr std::uint32_t kMetaGraph = 2;
constexpr std::uint32_t kMetaInfo = 1;
constexpr std::uint32_t kGraph = 2;
constexpr std::uint32_t kSignature = 5;
constexpr std::uint32_t kTag = 4;
constexpr std::uint32_t kInputs = 1;
constexpr std::uint32_t kOutputs = 2;
constexpr std::uint32_t kTensorName = 1;
constexpr std::uint32_t kTensorType = 2;
constexpr std::uint32_t kTensorShape = 3;
}  // namespace saved_field

/// TrackableObjectGraph. source: tensorflow/core/protobuf/trackable_object_graph.proto.
namespace object_field {
constexpr std::uint32_t kNode = 1;
constexpr std::uint32_t kAttribute = 2;
constexpr std::uint32_t kFullName = 2;
constexpr std::uint32_t kCheckpointKey = 3;
constexpr const char* kBundleKey = "_CHECKPOINTABLE_OBJECT_GRAPH";
}  // namespace object_field

/// The keys by the variables' full names, as far as the saved objects state them; ambiguous names
/// are left out.
Result<std::map<std::string, std::string, std::less<>>> read_object_keys(
    const TensorBundle& bundle) {
  std::map<std::string, std::string, std::less<>> keys;
  const BundleTensor* objects = bundle.find(object_field::kBundleKey);
  if (objects == nullptr) return keys;
  VP_ASSIGN_OR_RETURN(const Bytes text, view_text_scalar(*objects));
  VP_ASSIGN_OR_RETURN(const ProtobufMessage graph, ProtobufMessage::read_file(text));
  VP_ASSIGN_OR_RETURN(const auto nodes, graph.read_messages(object_field::kNode));
  std::set<std::string> ambiguous;
  for (const ProtobufMessage& node : nodes) {
    VP_ASSIGN_OR_RETURN(const auto attributes, node.read_messages(object_field::kAttribute));
    for (const ProtobufMessage& attribute : attributes) {
      VP_ASSIGN_OR_RETURN(std::string name, attribute.read_text(object_field::kFullName));
      VP_ASSIGN_OR_RETURN(std::string key, attribute.read_text(object_field::kCheckpointKey));
      const auto [known, is_new] = keys.try_emplace(std::move(name), key);
      if (!is_new && known->second != key) ambiguous.insert(known->first);
    }
  }
  for (const std::string& name : ambiguous) keys.erase(name);
  return keys;
}

constexpr const char* kNotRewritten =
    "a SavedModel is not rewritten; convert it to TensorFlow Lite, or freeze it to a .pb file "
    "first";

/// A frozen graph that owns its bytes.
class SavedModel : public SourceModel {
 public:
  SavedModel(ByteBuffer frozen, std::unique_ptr<SourceModel> inner)
      : frozen_(std::move(frozen)), inner_(std::move(inner)) {}

  [[nodiscard]] const Graph& graph() const override { return inner_->graph(); }
  [[nodiscard]] Result<void> check_rewritable() const override {
    return fail(ErrorKind::Unsupported, "{}", kNotRewritten);
  }
  [[nodiscard]] Form adapt(std::size_t index, const Form& wish) const override {
    return inner_->adapt(index, wish);
  }
  [[nodiscard]] std::string why_not(std::size_t /*index*/, const Form& /*form*/,
                                    const RewriteOptions& /*options*/) const override {
    return kNotRewritten;
  }
  [[nodiscard]] Result<FilePieces> rewrite(std::span<const WeightEdit> /*edits*/,
                                           const RewriteOptions& /*options*/) const override {
    return fail(ErrorKind::Unsupported, "{}", kNotRewritten);
  }

 private:
  ByteBuffer frozen_;
  std::unique_ptr<SourceModel> inner_;  ///< borrows from frozen_
};

/// One input or output of a signature.
struct SignatureTensor {
  std::string key = {};     ///< the signature's name for it
  std::string tensor = {};  ///< "node:0"
  std::uint64_t dtype = 0;
  Bytes shape = {};  ///< a TensorShapeProto
};

struct Signature {
  std::string name = {};
  std::vector<SignatureTensor> inputs = {};  ///< by key
  std::vector<SignatureTensor> outputs = {};
};

Result<std::vector<SignatureTensor>> read_tensors(const ProtobufMessage& signature,
                                                  std::uint32_t field) {
  std::vector<SignatureTensor> tensors;
  VP_ASSIGN_OR_RETURN(const auto entries, signature.read_messages(field));
  for (const ProtobufMessage& entry : entries) {
    SignatureTensor tensor;
    VP_ASSIGN_OR_RETURN(tensor.key, entry.read_text(node_field::kAttrKey));
    VP_ASSIGN_OR_RETURN(const auto info, entry.read_message(node_field::kAttrValue));
    if (!info || !info->has(saved_field::kTensorName)) {
      return fail_at(ErrorKind::Unsupported, entry.offset(), "\"{}\" is no dense tensor",
                     tensor.key);
    }
    VP_ASSIGN_OR_RETURN(tensor.tensor, info->read_text(saved_field::kTensorName));
    VP_ASSIGN_OR_RETURN(tensor.dtype, info->read_uint(saved_field::kTensorType));
    VP_ASSIGN_OR_RETURN(const auto shape, info->read_message(saved_field::kTensorShape));
    if (shape) tensor.shape = shape->content();
    tensors.push_back(std::move(tensor));
  }
  std::sort(tensors.begin(), tensors.end(),
            [](const auto& a, const auto& b) { return a.key < b.key; });
  return tensors;
}

/// The graph to run: tagged "serve", else the only one.
Result<ProtobufMessage> choose_meta_graph(const ProtobufMessage& saved) {
  VP_ASSIGN_OR_RETURN(const auto graphs, saved.read_messages(saved_field::kMetaGraph));
  if (graphs.empty()) return fail(ErrorKind::Malformed, "the SavedModel has no graph");
  for (const ProtobufMessage& graph : graphs) {
    VP_ASSIGN_OR_RETURN(const auto info, graph.read_message(saved_field::kMetaInfo));
    if (!info) continue;
    VP_ASSIGN_OR_RETURN(const auto tags, info->read_texts(saved_field::kTag));
    if (std::find(tags.begin(), tags.end(), "serve") != tags.end()) return graph;
  }
  if (graphs.size() == 1) return graphs.front();
  return fail(ErrorKind::Unsupported, "the SavedModel has {} graphs, none of which is tagged serve",
              graphs.size());
}

Result<Signature> choose_signature(const ProtobufMessage& meta_graph) {
  VP_ASSIGN_OR_RETURN(const auto entries, meta_graph.read_messages(saved_field::kSignature));
  std::vector<Signature> signatures;
  for (const ProtobufMessage& entry : entries) {
    Signature signature;
    VP_ASSIGN_OR_RETURN(signature.name, entry.read_text(node_field::kAttrKey));
    if (signature.name.starts_with("__saved_model_")) continue;
    VP_ASSIGN_OR_RETURN(const auto value, entry.read_message(node_field::kAttrValue));
    if (!value) continue;
    VP_ASSIGN_OR_RETURN(signature.inputs, read_tensors(*value, saved_field::kInputs));
    VP_ASSIGN_OR_RETURN(signature.outputs, read_tensors(*value, saved_field::kOutputs));
    if (signature.name == "serving_default") return signature;
    signatures.push_back(std::move(signature));
  }
  if (signatures.size() == 1) return signatures.front();
  std::vector<std::string> names;
  names.reserve(signatures.size());
  for (const Signature& signature : signatures) names.push_back(signature.name);
  if (names.empty()) return fail(ErrorKind::Unsupported, "the SavedModel has no signature");
  return fail(ErrorKind::Unsupported,
              "the SavedModel has the signatures {} and none is called serving_default",
              fmt::join(names, ", "));
}

Result<std::optional<ProtobufMessage>> find_attr(const FlatNode& node, std::string_view wanted) {
  VP_ASSIGN_OR_RETURN(const auto attrs, node.message.read_messages(node_field::kAttr));
  for (const ProtobufMessage& attr : attrs) {
    VP_ASSIGN_OR_RETURN(const std::string key, attr.read_text(node_field::kAttrKey));
    if (key == wanted) return attr.read_message(node_field::kAttrValue);
  }
  return std::nullopt;
}

bool is_variable(const FlatNode& node) {
  return node.op == "VarHandleOp" || node.op == "VariableV2" || node.op == "Variable";
}

/// Whether the operator's output equals its first input, for finding values and variables.
bool only_passes_on(const FlatNode& node) {
  return node.op == "ReadVariableOp" || node.op == "PlaceholderWithDefault";
}

/// Reads the texts of a Const of strings.
Result<std::vector<std::string>> read_texts(const FlatNode& node) {
  VP_ASSIGN_OR_RETURN(const auto value, find_attr(node, "value"));
  if (value) {
    VP_ASSIGN_OR_RETURN(const auto tensor, value->read_message(attr_field::kTensor));
    if (tensor) return tensor->read_texts(tensor_field::kString);
  }
  return fail(ErrorKind::Malformed, "node \"{}\" has no value", node.name);
}

/// Converts a SavedModel to a frozen graph.
class Freezer {
 public:
  /// model: outlives the freezer.
  Freezer(FlatGraph graph, Signature signature, const ModelFiles& model)
      : graph_(std::move(graph)),
        signature_(std::move(signature)),
        files_(model.files),
        variables_(std::string(folder_of(model.entry)) + "variables/variables") {}

  /// versions: the GraphDef's field, with its tag; may be empty.
  Result<ByteBuffer> freeze(Bytes versions) {
    VP_RETURN_IF_ERROR(find_keys());
    for (const SignatureTensor& input : signature_.inputs) {
      VP_ASSIGN_OR_RETURN(const TensorName tensor, graph_.resolve(input.tensor));
      add_placeholder(tensor.node, input);
    }
    std::vector<TensorName> outputs;
    for (const SignatureTensor& output : signature_.outputs) {
      VP_ASSIGN_OR_RETURN(const TensorName tensor, find_value(output.tensor));
      VP_RETURN_IF_ERROR(add_needed(tensor.node));
      outputs.push_back(tensor);
    }
    for (std::size_t i = 0; i < outputs.size(); ++i) add_output(signature_.outputs[i], outputs[i]);
    append(frozen_, versions);
    return std::move(frozen_);
  }

 private:
  /// Limits the total work: many readers may each have to walk the same long chain of nodes that
  /// pass a value on.
  Result<void> count_step(std::string_view input) const {
    constexpr std::size_t kMostSteps = 1'000'000;  // takes seconds
    if (++steps_ <= kMostSteps) return {};
    return fail(ErrorKind::Malformed, "\"{}\" lies behind too many nodes that pass values on",
                input);
  }

  /// The tensor that holds the value of `input`. Follows calls and reads of variables.
  Result<TensorName> find_value(std::string_view input) const {
    VP_ASSIGN_OR_RETURN(TensorName tensor, graph_.resolve(input));
    for (std::size_t step = 0; step <= graph_.nodes().size(); ++step) {
      const FlatNode* node = graph_.find(tensor.node);
      if (node == nullptr) {
        return fail(ErrorKind::Malformed, "the graph has no node \"{}\"", tensor.node);
      }
      const bool passes = only_passes_on(*node) && !made_.contains(node->name);
      if (!passes || node->inputs.empty()) return tensor;
      VP_RETURN_IF_ERROR(count_step(input));
      VP_ASSIGN_OR_RETURN(tensor, graph_.resolve(node->inputs[0]));
    }
    return fail(ErrorKind::Malformed, "\"{}\" reads itself", input);
  }

  /// Like find_value, but follows copies too; null if the graph has no such node.
  Result<std::pair<const FlatNode*, int>> find_origin(std::string_view input) const {
    VP_ASSIGN_OR_RETURN(TensorName tensor, graph_.resolve(input));
    const FlatNode* node = graph_.find(tensor.node);
    for (std::size_t step = 0; node != nullptr && step <= graph_.nodes().size(); ++step) {
      if (node->op != "Identity" || node->inputs.empty()) break;
      VP_RETURN_IF_ERROR(count_step(input));
      VP_ASSIGN_OR_RETURN(tensor, graph_.resolve(node->inputs[0]));
      node = graph_.find(tensor.node);
    }
    return std::pair(node, tensor.output);
  }

  /// Finds each variable's key in the bundle from the restore operations that TensorFlow runs when
  /// it loads the model.
  Result<void> find_keys() {
    std::map<const FlatNode*, std::vector<std::string>> names_of;
    for (const FlatNode& node : graph_.nodes()) {
      const bool assigns = node.op == "AssignVariableOp" || node.op == "Assign";
      if (!assigns || node.inputs.size() < 2) continue;
      VP_ASSIGN_OR_RETURN(const auto variable, find_origin(node.inputs[0]));
      VP_ASSIGN_OR_RETURN(const auto value, find_origin(node.inputs[1]));
      const FlatNode* restore = value.first;
      if (variable.first == nullptr || restore == nullptr || restore->op != "RestoreV2" ||
          restore->inputs.size() < 2) {
        continue;
      }
      VP_ASSIGN_OR_RETURN(const auto names, find_origin(restore->inputs[1]));
      if (names.first == nullptr || names.first->op != "Const") continue;
      const auto [cached, is_new] = names_of.try_emplace(names.first);
      if (is_new) {
        VP_ASSIGN_OR_RETURN(cached->second, read_texts(*names.first));
      }
      const std::vector<std::string>& keys = cached->second;
      const auto index = static_cast<std::size_t>(value.second);
      if (index < keys.size()) keys_[variable.first->name] = keys[index];
    }
    return {};
  }

  void add_node(const ByteBuffer& content, Bytes tail = {}) {
    append_length_prefix(frozen_, graph_field::kNode, content.size() + tail.size());
    append(frozen_, content);
    append(frozen_, tail);
  }

  void add_placeholder(const std::string& name, const SignatureTensor& input) {
    if (!made_.insert(name).second) return;
    ByteBuffer node;
    append_text(node, node_field::kName, name);
    append_text(node, node_field::kOp, "Placeholder");
    append_type_attr(node, "dtype", static_cast<DataType>(input.dtype));
    ByteBuffer shape;
    append_message(shape, attr_field::kShape, input.shape);
    append_attr(node, "shape", shape);
    add_node(node);
  }

  void add_output(const SignatureTensor& output, const TensorName& tensor) {
    // A node with the output's name and no other reader already is the output.
    if (tensor.node == output.key && tensor.output == 0 && !read_.contains(tensor.node)) return;
    std::string name = output.key;
    while (made_.contains(name)) name += "_output";
    made_.insert(name);
    ByteBuffer node;
    append_text(node, node_field::kName, name);
    append_text(node, node_field::kOp, "Identity");
    append_text(node, node_field::kInput, spell(tensor));
    append_type_attr(node, "T", static_cast<DataType>(output.dtype));
    add_node(node);
  }

  static std::string spell(const TensorName& tensor) {
    return tensor.output == 0 ? tensor.node : fmt::format("{}:{}", tensor.node, tensor.output);
  }

  /// Adds a node after all nodes that it reads. Does not recurse, because a file may nest to any
  /// depth.
  Result<void> add_needed(const std::string& name) {
    struct Visit {
      const FlatNode* node;
      std::size_t next = 0;                  ///< of the node's inputs
      std::vector<std::string> inputs = {};  ///< as they are in the frozen graph
    };
    std::vector<Visit> path;
    const auto enter = [&](const std::string& wanted) -> Result<void> {
      if (made_.contains(wanted)) return {};
      const FlatNode* node = graph_.find(wanted);
      if (node == nullptr) {
        return fail(ErrorKind::Malformed, "the graph has no node \"{}\"", wanted);
      }
      if (!entered_.insert(wanted).second) {
        return fail(ErrorKind::Malformed, "node \"{}\" needs its own result", wanted);
      }
      path.push_back({node});
      return {};
    };
    VP_RETURN_IF_ERROR(enter(name));
    while (!path.empty()) {
      Visit& visit = path.back();
      if (!is_variable(*visit.node) && visit.next < visit.node->inputs.size()) {
        VP_ASSIGN_OR_RETURN(const TensorName tensor, find_value(visit.node->inputs[visit.next]));
        ++visit.next;
        visit.inputs.push_back(spell(tensor));
        read_.insert(tensor.node);
        VP_RETURN_IF_ERROR(enter(tensor.node));
        continue;
      }
      made_.insert(visit.node->name);
      if (is_variable(*visit.node)) {
        VP_RETURN_IF_ERROR(add_variable(*visit.node));
      } else {
        copy_node(*visit.node, visit.inputs);
      }
      path.pop_back();
    }
    return {};
  }

  void copy_node(const FlatNode& node, const std::vector<std::string>& inputs) {
    ByteBuffer copy;
    append_text(copy, node_field::kName, node.name);
    append_text(copy, node_field::kOp, node.op);
    for (const std::string& input : inputs) append_text(copy, node_field::kInput, input);
    for (const ProtobufField& field : node.message.fields()) {
      if (field.number == node_field::kAttr) append_message(copy, node_field::kAttr, field.content);
    }
    add_node(copy);
  }

  /// The key of a variable: from the restore operations, else by its name in the bundle or among
  /// the saved objects.
  Result<std::string> find_key(const FlatNode& node) const {
    const auto restored = keys_.find(node.name);
    if (restored != keys_.end()) return restored->second;
    if (bundle_->find(node.name) != nullptr) return node.name;
    std::string name = node.name;
    VP_ASSIGN_OR_RETURN(const auto shared, find_attr(node, "shared_name"));
    if (shared && shared->has(attr_field::kText)) {
      VP_ASSIGN_OR_RETURN(name, shared->read_text(attr_field::kText));
    }
    const auto saved = object_keys_.find(name);
    return saved == object_keys_.end() ? node.name : saved->second;
  }

  /// Adds a variable as a constant with the same name.
  Result<void> add_variable(const FlatNode& node) {
    if (!bundle_) {
      VP_ASSIGN_OR_RETURN(bundle_, TensorBundle::open(files_, variables_));
      auto keys = read_object_keys(*bundle_);
      if (!keys) {
        return fail(keys.error().kind, "{}: {}", object_field::kBundleKey, keys.error().message);
      }
      object_keys_ = std::move(*keys);
    }
    VP_ASSIGN_OR_RETURN(const std::string key, find_key(node));
    const BundleTensor* value = bundle_->find(key);
    if (value == nullptr) {
      return fail(ErrorKind::Malformed, "variable \"{}\" has no value: the bundle has no \"{}\"",
                  node.name, key);
    }
    if (value->is_in_slices) {
      return fail(ErrorKind::Unsupported, "variable \"{}\" is partitioned, which is not read",
                  node.name);
    }
    const auto count = element_count(value->shape);
    const std::size_t size = element_bytes(value->dtype);
    // A Const may hold fewer values than elements; a variable may not.
    if (size != 0 &&
        (!count || static_cast<std::uint64_t>(*count) != value->payload.size() / size ||
         value->payload.size() % size != 0)) {
      return fail(ErrorKind::Malformed, "variable \"{}\": {} bytes for {} of shape {}", node.name,
                  value->payload.size(), name_of(value->dtype), to_string(value->shape));
    }
    if (auto checked = check_payload(*value); !checked) {
      return fail(checked.error().kind, "variable \"{}\": {}", node.name, checked.error().message);
    }
    ByteBuffer made;
    append_text(made, node_field::kName, node.name);
    append_text(made, node_field::kOp, "Const");
    append_type_attr(made, "dtype", value->dtype);
    append(made, make_value_attr({value->dtype, value->shape, value->payload}));
    add_node(made, value->payload);
    return {};
  }

  FlatGraph graph_;
  Signature signature_;
  const FileSet& files_;
  std::string variables_;  ///< the bundle's name in it, without the ending
  std::optional<TensorBundle> bundle_ = std::nullopt;
  std::map<std::string, std::string, std::less<>> keys_ = {};         ///< by variable's node
  std::map<std::string, std::string, std::less<>> object_keys_ = {};  ///< by variable's full name
  std::set<std::string, std::less<>> made_ = {};                      ///< nodes of the frozen graph
  std::set<std::string, std::less<>> entered_ = {};
  std::set<std::string, std::less<>> read_ = {};  ///< nodes that another one reads
  ByteBuffer frozen_ = {};
  mutable std::size_t steps_ = 0;  ///< steps from a node to the value that it passes on
};

Result<ByteBuffer> freeze(const ModelFiles& model) {
  const Bytes file = model.bytes;
  VP_ASSIGN_OR_RETURN(const ProtobufMessage saved, ProtobufMessage::read_file(file));
  VP_ASSIGN_OR_RETURN(const ProtobufMessage meta_graph, choose_meta_graph(saved));
  VP_ASSIGN_OR_RETURN(Signature signature, choose_signature(meta_graph));
  VP_ASSIGN_OR_RETURN(const auto graph, meta_graph.read_message(saved_field::kGraph));
  if (!graph) return fail(ErrorKind::Malformed, "the SavedModel has no GraphDef");
  Bytes versions;
  if (const ProtobufField* field = graph->find_last(graph_field::kVersions)) {
    versions = file.subspan(field->tag_offset, field->end_offset - field->tag_offset);
  }
  VP_ASSIGN_OR_RETURN(FlatGraph flat, FlatGraph::read(*graph));
  return Freezer(std::move(flat), std::move(signature), model).freeze(versions);
}

}  // namespace
}  // namespace graphdef

Result<std::unique_ptr<SourceModel>> read_saved_model(const ModelFiles& model,
                                                      const ReadOptions& options,
                                                      Diagnostics& diagnostics) {
  const std::string path = model.files.path_of(model.entry);
  auto frozen = graphdef::freeze(model);
  if (!frozen) return in_file(frozen.error(), path);
  auto inner = read_graphdef(*frozen, options, diagnostics);
  if (!inner) {
    // The offsets refer to the graph that was built here, which the user cannot inspect.
    inner.error().offset.reset();
    return in_file(inner.error(), path);
  }
  return std::make_unique<graphdef::SavedModel>(std::move(*frozen), std::move(*inner));
}

bool looks_like_saved_model_graph(Bytes file) {
  // SavedModel: 1 the schema version, 2 its MetaGraphDefs. MetaGraphDef: 1 meta info, 2 the graph.
  // source: tensorflow/core/protobuf/saved_model.proto, meta_graph.proto. A Core ML file begins in
  // the same way, but its second field, which describes inputs and outputs, has no field 2.
  ProtobufCursor cursor(file, 0);
  bool has_graph = false;
  for (auto more = cursor.next(); more && *more; more = cursor.next()) {
    const ProtobufField& field = cursor.field();
    if (field.number > 2 || (field.number == 1 && field.type != ProtobufType::Varint)) return false;
    if (field.number != 2 || field.type != ProtobufType::Delimited) continue;
    ProtobufCursor inner(field.content, 0);
    for (auto next = inner.next(); next && *next; next = inner.next()) {
      if (inner.field().number == 2 && inner.field().type == ProtobufType::Delimited) {
        has_graph = true;
      }
      if (inner.field().number > 2) break;
    }
  }
  return has_graph;
}

}  // namespace visionpress
