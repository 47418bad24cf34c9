// Writes an ONNX file as its source bytes plus edits. Contract: without edits, the output equals
// the source byte for byte. An edit removes its weight's initializer (and what decoded it), and
// puts before the graph's first node: the new initializer, its scales, and the node that gives
// their product the old name. opset_import and ir_version are raised if the new type needs it, and
// with them the nodes whose attributes became inputs. Every other byte is unchanged.

#include "formats/onnx/onnx_writer.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

#include "base/error.h"
#include "formats/onnx/onnx_encode.h"
#include "formats/onnx/onnx_model.h"
#include "formats/onnx/onnx_rewrite.h"
#include "model/bit_packing.h"
#include "wire/protobuf_patch.h"

namespace visionpress::onnx {
namespace {

/// Smaller weights would not shrink: the added node and scale take about 100 bytes.
constexpr std::int64_t kLeastElements = 64;

Result<void> check_codes(const Weight& weight, const WeightCode& code) {
  const auto is_set = [](auto value) { return value != 0; };
  const bool is_plain =
      std::ranges::none_of(code.offsets, is_set) && std::ranges::none_of(code.zero_points, is_set);
  if (code.bits < 1 || code.bits > 8 || !code.is_signed || !is_plain) {
    return fail(ErrorKind::InvalidArgument,
                "{}: codes of {} bits{}{}, ONNX takes signed ones of 1 to 8 bits with a scale",
                weight.name, code.bits, code.is_signed ? "" : ", unsigned",
                is_plain ? "" : ", with an offset");
  }
  const Shape& shape = weight.stored.shape;
  const bool is_inside = code.axis >= 0 && static_cast<std::size_t>(code.axis) < shape.size();
  const bool fits =
      code.scales.size() == 1 || (is_inside && static_cast<std::int64_t>(code.scales.size()) ==
                                                   shape[static_cast<std::size_t>(code.axis)]);
  if (fits) return {};
  return fail(ErrorKind::InvalidArgument, "{}: {} scales along axis {} of shape {}", weight.name,
              code.scales.size(), code.axis, to_string(shape));
}

Result<void> check_edit(const Weight& weight, const EncodedWeight& value) {
  if (!weight.fixed_because.empty()) {
    return fail(ErrorKind::InvalidArgument, "{} cannot be replaced: {}", weight.name,
                weight.fixed_because);
  }
  if (value.shape != weight.stored.shape) {
    return fail(ErrorKind::InvalidArgument, "{}: shape {}, expected {}", weight.name,
                to_string(value.shape), to_string(weight.stored.shape));
  }
  std::int64_t width = 1;
  switch (value.code.encoding) {
    case Encoding::Float32:
      width = 4;
      break;
    case Encoding::Float16:
      width = 2;
      break;
    case Encoding::Linear:
      VP_RETURN_IF_ERROR(check_codes(weight, value.code));
      break;
    case Encoding::Table:
      return fail(ErrorKind::InvalidArgument, "{}: ONNX has no tables of values", weight.name);
  }
  const std::int64_t expected = element_count(value.shape).value_or(0) * width;
  if (static_cast<std::int64_t>(value.codes.size()) != expected) {
    return fail(ErrorKind::InvalidArgument, "{}: {} bytes of codes, shape {} needs {}", weight.name,
                value.codes.size(), to_string(value.shape), expected);
  }
  return {};
}

/// The type of codes of so many bits, stored in `bits`.
DataType code_type_of(int bits) {
  if (bits == 2) return DataType::Int2;
  return bits == 4 ? DataType::Int4 : DataType::Int8;
}

class Rewriter {
 public:
  Rewriter(const ModelFile& model, const Graph& graph, const std::vector<WeightSlot>& slots,
           const CodeStorages& storages, Bytes file)
      : model_(model), graph_(graph), slots_(slots), storages_(storages), file_(file) {
    const auto own = model.opsets.find("");
    opset_ = own == model.opsets.end() ? 0 : own->second;
    list_names();
  }

  Result<FilePieces> rewrite(std::span<const WeightEdit> edits) {
    std::set<std::size_t> seen;
    for (const WeightEdit& edit : edits) {
      if (edit.index >= graph_.weights.size() || edit.value == nullptr)
        return fail(ErrorKind::InvalidArgument, "there is no weight {} to replace", edit.index);
      VP_RETURN_IF_ERROR(check_edit(graph_.weights[edit.index], *edit.value));
      if (!seen.insert(edit.index).second) {
        return fail(ErrorKind::InvalidArgument, "{} is replaced twice",
                    graph_.weights[edit.index].name);
      }
    }
    for (const WeightEdit& edit : edits) {
      const bool is_linear = edit.value->code.encoding == Encoding::Linear;
      if (is_linear)
        needed_opset_ = std::max(needed_opset_, storage_of(storages_, edit.value->code.bits).opset);
      add_weight(slots_[edit.index], *edit.value);
    }
    if (!edits.empty()) VP_RETURN_IF_ERROR(finish_edits());
    VP_ASSIGN_OR_RETURN(PatchedBytes patched, patch_protobuf(file_, std::move(patches_)));
    result_.pieces = std::move(patched.pieces);
    for (ByteBuffer& owned : patched.owned) result_.owned.push_back(std::move(owned));
    return std::move(result_);
  }

 private:
  void list_names() {
    for (const GraphNode& node : model_.graph.nodes) {
      names_.insert(node.name);
      names_.insert(node.outputs.begin(), node.outputs.end());
      for (const std::string& name : node.inputs) ++readers_[name];
      for (const std::string& name : node.captured) ++readers_[name];
    }
    for (const StoredTensor& tensor : model_.graph.initializers) names_.insert(tensor.name);
    for (const ValueInfo& input : model_.graph.inputs) names_.insert(input.name);
    for (const ValueInfo& output : model_.graph.outputs) ++readers_[output.name];
  }

  std::string make_name(const std::string& base, const char* suffix) {
    std::string name = base + suffix;
    for (int i = 1; !names_.insert(name).second; ++i)
      name = fmt::format("{}{}_{}", base, suffix, i);
    return name;
  }

  Bytes keep(ByteBuffer bytes) {
    result_.owned.push_back(std::move(bytes));
    return result_.owned.back();
  }

  void add_initializer(const std::string& name, DataType type, const Shape& shape, Bytes payload) {
    inserted_.push_back(keep(make_initializer({name, type, shape, payload.size()})));
    inserted_.push_back(payload);
  }

  void add_node(const NewNode& node) { inserted_.push_back(keep(make_node_field(node))); }

  void add_weight(const WeightSlot& slot, const EncodedWeight& value) {
    remove_old(slot);
    const std::string& name = slot.value_name;
    switch (value.code.encoding) {
      case Encoding::Float32:
        add_initializer(name, DataType::Float, value.shape, value.codes);
        return;
      case Encoding::Float16: {
        const std::string half = make_name(name, "_half");
        add_initializer(half, DataType::Float16, value.shape, value.codes);
        add_cast(half, name);
        return;
      }
      case Encoding::Linear:
      case Encoding::Table:
        add_codes(name, value);
        return;
    }
  }

  /// Before opset 6 the target of a Cast was a name.
  void add_cast(const std::string& from, const std::string& to) {
    NewNode cast = {make_name(to, "_cast"), "Cast", {from}, to, {}};
    cast.attributes.push_back(
        opset_ < 6 ? make_text_attribute("to", "FLOAT")
                   : make_int_attribute("to", static_cast<std::int64_t>(DataType::Float)));
    add_node(cast);
  }

  void add_codes(const std::string& name, const EncodedWeight& value) {
    const CodeStorage& storage = storage_of(storages_, value.code.bits);
    const std::string codes = make_name(name, "_quantized");
    Bytes payload = value.codes;
    if (storage.bits < 8) payload = keep(pack_codes(payload, storage.bits, Packing::LsbFirst));
    add_initializer(codes, code_type_of(storage.bits), value.shape, payload);
    const WeightCode& code = value.code;
    const std::string scale = make_name(name, "_scale");
    const bool is_single = code.scales.size() == 1;
    const auto scales = static_cast<std::int64_t>(code.scales.size());
    if (!storage.multiplies) {
      add_initializer(scale, DataType::Float, is_single ? Shape{} : Shape{scales},
                      view_bytes(std::span(code.scales)));
      NewNode node = {make_name(name, "_dequantize"), "DequantizeLinear", {codes, scale}, name, {}};
      if (!is_single) node.attributes.push_back(make_int_attribute("axis", code.axis));
      add_node(node);
      return;
    }
    // Cast and Mul exist in every opset. Before opset 7 the second operand names its axis.
    const std::string levels = make_name(name, "_levels");
    add_cast(codes, levels);
    Shape shape = is_single ? Shape{1} : Shape{scales};
    NewNode node = {make_name(name, "_product"), "Mul", {levels, scale}, name, {}};
    if (opset_ < 7) {
      node.attributes.push_back(make_int_attribute("broadcast", 1));
      if (!is_single) node.attributes.push_back(make_int_attribute("axis", code.axis));
    } else if (!is_single) {
      shape.resize(value.shape.size() - static_cast<std::size_t>(code.axis), 1);
    }
    add_initializer(scale, DataType::Float, shape, view_bytes(std::span(code.scales)));
    add_node(node);
  }

  void remove(const std::vector<ProtobufFrame>& frames) {
    if (!removed_.insert(frames.back().tag_offset).second) return;
    std::vector<ProtobufFrame> around = frames;
    const ProtobufFrame own = around.back();
    around.pop_back();
    patches_.push_back({std::move(around), own.tag_offset, own.end_offset, {}});
  }

  /// Removes the nodes that decoded the weight, and the initializers that nothing else reads.
  void remove_old(const WeightSlot& slot) {
    std::vector<std::string> unread = slot.parameters;
    for (const std::vector<ProtobufFrame>& decoder : slot.decoders) {
      remove(decoder);
      for (const GraphNode& node : model_.graph.nodes) {
        if (node.message.frames().back().tag_offset != decoder.back().tag_offset) continue;
        for (const std::string& name : node.inputs) --readers_[name];
      }
    }
    if (slot.decoders.empty()) {
      // Its readers keep reading the name, which a node writes from now on.
      if (!slot.frames.empty()) remove(slot.frames);
      remove_input(slot.tensor_name);
      return;
    }
    unread.push_back(slot.tensor_name);
    for (const StoredTensor& tensor : model_.graph.initializers) {
      const bool is_listed = std::ranges::find(unread, tensor.name) != unread.end();
      if (!is_listed || readers_[tensor.name] > 0) continue;
      remove(tensor.message.frames());
      remove_input(tensor.name);
    }
  }

  /// IR version 3 lists initializers among the inputs too.
  void remove_input(const std::string& name) {
    for (const ValueInfo& input : model_.graph.inputs)
      if (input.name == name) remove(input.message.frames());
  }

  Result<void> finish_edits() {
    if (needed_opset_ > opset_) VP_RETURN_IF_ERROR(raise_opset());
    // New initializers are no inputs, which IR version 4 allows.
    constexpr std::int64_t kIrOfInitializers = 4;
    const std::int64_t ir =
        std::max(kIrOfInitializers, needed_opset_ > opset_ ? ir_version_of(needed_opset_) : 0);
    if (ir > model_.ir_version) {
      const ProtobufField* field = model_.message.find_last(model_field::kIrVersion);
      ByteBuffer version;
      append_integer(version, model_field::kIrVersion, ir);
      const Bytes bytes = keep(std::move(version));
      patches_.push_back({{}, field->tag_offset, field->end_offset, {bytes}});
    }
    const auto first = std::ranges::min_element(model_.graph.nodes, {}, [](const GraphNode& node) {
      return node.message.frames().back().tag_offset;
    });
    if (first == model_.graph.nodes.end())
      return fail(ErrorKind::Internal, "a graph without nodes has weights");
    std::vector<ProtobufFrame> around = first->message.frames();
    const std::uint64_t at = around.back().tag_offset;
    around.pop_back();
    patches_.push_back({std::move(around), at, at, std::move(inserted_)});
    return {};
  }

  Result<void> raise_opset() {
    const OpsetRaise raise = plan_raise(model_, needed_opset_);
    if (!raise.why_not.empty()) return fail(ErrorKind::Internal, "{}", raise.why_not);
    for (const NodeChange& change : raise.changes) change_node(change);
    for (const ProtobufField& field : model_.message.fields()) {
      if (field.number != model_field::kOpsetImport) continue;
      VP_ASSIGN_OR_RETURN(const ProtobufMessage entry, model_.message.open(field));
      VP_ASSIGN_OR_RETURN(const std::string domain, entry.read_text(opset_field::kDomain));
      if (!domain.empty() && domain != "ai.onnx") continue;
      ByteBuffer content;
      append_text(content, opset_field::kDomain, domain);
      append_integer(content, opset_field::kVersion, needed_opset_);
      ByteBuffer made;
      append_message(made, model_field::kOpsetImport, content);
      const Bytes bytes = keep(std::move(made));
      patches_.push_back({{}, field.tag_offset, field.end_offset, {bytes}});
    }
    result_.notes.push_back(describe_raise(opset_, needed_opset_));
    return {};
  }

  void change_node(const NodeChange& change) {
    if (change.dropped.empty() && change.inputs.empty() && change.added.empty()) return;
    const GraphNode& node = model_.graph.nodes[change.node];
    ByteBuffer content;
    for (const ProtobufField& field : node.message.fields()) {
      if (field.number == node_field::kAttribute && is_dropped(node, field, change)) continue;
      append_bytes(content, file_.subspan(field.tag_offset, field.end_offset - field.tag_offset));
    }
    for (const auto& [attribute, values] : change.inputs) {
      const std::string name = make_name(node.name + "_", attribute.c_str());
      const Bytes payload = view_bytes(std::span(values));
      const Bytes kept = keep(ByteBuffer(payload.begin(), payload.end()));
      add_initializer(name, DataType::Int64, {std::ssize(values)}, kept);
      append_text(content, node_field::kInput, name);
    }
    for (const auto& [name, value] : change.added)
      append_message(content, node_field::kAttribute, make_int_attribute(name, value));
    ByteBuffer field;
    append_message(field, graph_field::kNode, content);
    const Bytes bytes = keep(std::move(field));
    std::vector<ProtobufFrame> around = node.message.frames();
    const ProtobufFrame own = around.back();
    around.pop_back();
    patches_.push_back({std::move(around), own.tag_offset, own.end_offset, {bytes}});
  }

  static bool is_dropped(const GraphNode& node, const ProtobufField& field,
                         const NodeChange& change) {
    return std::ranges::any_of(change.dropped, [&](const std::string& name) {
      const auto found = node.attributes.find(name);
      return found != node.attributes.end() && found->second.offset() == field.content_offset;
    });
  }

  const ModelFile& model_;
  const Graph& graph_;
  const std::vector<WeightSlot>& slots_;
  const CodeStorages& storages_;
  Bytes file_;
  std::int64_t opset_ = 0;
  std::int64_t needed_opset_ = 0;
  std::set<std::string, std::less<>> names_ = {};
  std::map<std::string, std::int64_t, std::less<>> readers_ = {};
  std::set<std::uint64_t> removed_ = {};
  std::vector<Bytes> inserted_ = {};
  std::vector<ProtobufEdit> patches_ = {};
  FilePieces result_ = {};
};

}  // namespace

std::string describe_raise(std::int64_t from, std::int64_t to) {
  const char* runtime = to >= kOpsetTwoBits ? "1.24" : to >= kOpsetFourBits ? "1.20" : "1.7";
  return fmt::format(
      "opset raised from {} to {} (IR version {}), which ONNX Runtime {} and later run", from, to,
      ir_version_of(to), runtime);
}

CodeStorages plan_code_storage(const ModelFile& model) {
  const auto own = model.opsets.find("");
  const std::int64_t opset = own == model.opsets.end() ? 0 : own->second;
  struct Row {
    int bits;
    std::int64_t opset;
  };
  constexpr std::array<Row, 3> kRows = {
      {{2, kOpsetTwoBits}, {4, kOpsetFourBits}, {8, kOpsetPerAxis}}};
  CodeStorages storages;
  CodeStorage next = {8, opset, true};
  // From the widest type, which stands in for those that the file cannot hold.
  for (std::size_t i = kRows.size(); i-- > 0;) {
    const Row& row = kRows[i];
    const bool holds = opset >= row.opset || plan_raise(model, row.opset).why_not.empty();
    if (holds) next = {row.bits, std::max(opset, row.opset), false};
    storages[i] = next;
  }
  return storages;
}

void mark_fixed(Lowering& lowering) {
  for (std::size_t i = 0; i < lowering.graph.weights.size(); ++i) {
    Weight& weight = lowering.graph.weights[i];
    const WeightSlot& slot = lowering.slots[i];
    const bool is_own_half =
        weight.stored.code.encoding == Encoding::Float16 && slot.decoders.empty();
    if (!slot.is_replaceable) {
      weight.fixed_because = "it lies in a node's attribute, a branch or a function";
    } else if (element_count(weight.stored.shape).value_or(0) < kLeastElements) {
      weight.fixed_because = fmt::format(
          "fewer than {} elements: the node that decodes it takes more room", kLeastElements);
    } else if (is_own_half) {
      weight.fixed_because = "its readers compute in float16";
    }
  }
}

Result<void> OnnxModel::check_rewritable() const {
  if (external_->empty()) return {};
  return fail(ErrorKind::Unsupported,
              "its values lie in another file too ({}), and one file is written; store them in the "
              "model first (onnx.save without save_as_external_data)",
              external_->names().front());
}

Form OnnxModel::adapt(std::size_t /*index*/, const Form& wish) const {
  Form form = wish;
  form.is_signed = form.encoding == Encoding::Linear;
  return form;
}

std::string OnnxModel::why_not(std::size_t index, const Form& form,
                               const RewriteOptions& /*options*/) const {
  const Weight& weight = graph_.weights[index];
  if (!weight.fixed_because.empty()) return weight.fixed_because;
  if (form.encoding == Encoding::Table) return "ONNX has no tables of values";
  if (form.encoding != Encoding::Linear) return {};
  if (form.granularity == Granularity::Block) return "scales per block are not written";
  if (form.bits < 1 || form.bits > 8 || !form.is_signed)
    return "ONNX takes signed codes of 1 to 8 bits";
  return {};
}

WeightCode OnnxModel::stored_code(std::size_t /*index*/, const WeightCode& code,
                                  const RewriteOptions& /*options*/) const {
  if (code.encoding != Encoding::Linear) return code;
  WeightCode stored = code;
  stored.bits = storage_of(storage_, code.bits).bits;
  return stored;
}

std::uint64_t OnnxModel::estimate_overhead(std::size_t weight_index, const WeightCode& code,
                                           const RewriteOptions& /*options*/) const {
  // The bytes of the added fields, and how often the weight's name is written in them.
  struct Added {
    std::uint64_t bytes;
    std::uint64_t names;
  };
  constexpr Added kHalf = {50, 4};
  constexpr Added kCodes = {110, 6};
  constexpr Added kProduct = {170, 10};
  Added added = {0, 0};
  if (code.encoding == Encoding::Float16) added = kHalf;
  if (code.encoding == Encoding::Linear)
    added = storage_of(storage_, code.bits).multiplies ? kProduct : kCodes;
  return added.bytes + added.names * graph_.weights[weight_index].name.size();
}

Result<FilePieces> OnnxModel::rewrite(std::span<const WeightEdit> edits,
                                      const RewriteOptions& /*options*/) const {
  return Rewriter(*model_, graph_, slots_, storage_, file_).rewrite(edits);
}

}  // namespace visionpress::onnx
