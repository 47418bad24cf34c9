#include "formats/graphdef/graphdef_writer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "formats/graphdef/graphdef_dequantize.h"
#include "formats/graphdef/graphdef_encode.h"
#include "formats/graphdef/graphdef_model.h"
#include "wire/protobuf_patch.h"

namespace visionpress::graphdef {
namespace {

using OwnedBytes = ByteBuffer;

/// Smaller weights would not shrink: the added nodes and attributes take about 200 bytes for a
/// float16 weight, and 400 or more for codes.
constexpr std::int64_t kLeastElements = 128;

/// Attributes that describe how a node makes its value; a rewrite keeps all others.
constexpr std::array<std::string_view, 9> kValueAttrs = {
    "dtype", "value", "T", "SrcT", "DstT", "Truncate", "mode", "narrow_range", "axis"};

/// A sequence of nodes in pieces: owned bytes that are made here, and borrowed payloads.
class NodePieces {
 public:
  explicit NodePieces(std::vector<OwnedBytes>& owned) : owned_(owned) {}

  /// content: a NodeDef; `tail`: its last bytes, borrowed.
  void add_node(const OwnedBytes& content, Bytes tail = {}) {
    OwnedBytes field;
    append_length_prefix(field, graph_field::kNode, content.size() + tail.size());
    append(field, content);
    keep(std::move(field));
    if (!tail.empty()) pieces_.push_back(tail);
  }

  /// Copies bytes to storage that lives as long as the result.
  Bytes keep_payload(Bytes bytes) {
    owned_.emplace_back(bytes.begin(), bytes.end());
    return owned_.back();
  }

  [[nodiscard]] std::vector<Bytes> take() { return std::move(pieces_); }

 private:
  void keep(OwnedBytes bytes) {
    owned_.push_back(std::move(bytes));
    pieces_.emplace_back(owned_.back());
  }

  std::vector<OwnedBytes>& owned_;
  std::vector<Bytes> pieces_ = {};
};

/// The opened file, as GraphDefModel holds it.
struct RewriteSource {
  Bytes file = {};
  const Graph& graph;
  const NodeList& nodes;
  const std::vector<std::size_t>& weight_nodes;
};

Bytes field_bytes(const RewriteSource& source, const ProtobufField& field) {
  return source.file.subspan(field.tag_offset, field.end_offset - field.tag_offset);
}

bool is_control_input(const ProtobufField& field) {
  return view_text(field.content).starts_with('^');
}

/// Reduces "name:2" and "^name" to "name".
std::string_view strip_input(std::string_view input) {
  if (input.starts_with('^')) return input.substr(1);
  return input.substr(0, input.find(':'));
}

bool is_value_attr(const ProtobufField& field) {
  ProtobufCursor entry(field.content, field.content_offset);
  std::string_view key;
  for (auto more = entry.next(); more && *more; more = entry.next()) {
    if (entry.field().number == node_field::kAttrKey) key = view_text(entry.field().content);
  }
  return std::find(kValueAttrs.begin(), kValueAttrs.end(), key) != kValueAttrs.end();
}

/// Copies the fields of `node` with another operator and other data inputs, and without
/// kValueAttrs.
OwnedBytes remake_node(const RewriteSource& source, const GraphNode& node, std::string_view op,
                       const std::vector<std::string>& inputs) {
  OwnedBytes made;
  for (const ProtobufField& field : node.message.fields()) {
    if (field.number == node_field::kOp) {
      append_text(made, node_field::kOp, op);
      // Control inputs must follow the data inputs.
      for (const std::string& input : inputs) append_text(made, node_field::kInput, input);
      continue;
    }
    if (field.number == node_field::kInput && !is_control_input(field)) continue;
    if (field.number == node_field::kAttr && is_value_attr(field)) continue;
    append(made, field_bytes(source, field));
  }
  return made;
}

/// The state of one rewrite.
struct RewriteState {
  const RewriteSource& source;
  std::set<std::string, std::less<>> names = {};      ///< all names in use, including new ones
  std::map<std::string, int, std::less<>> uses = {};  ///< how often a name is read
  FilePieces result = {};
  std::vector<ProtobufEdit> patches = {};
};

std::string make_name(RewriteState& state, const std::string& base) {
  std::string name = base;
  for (int i = 1; !state.names.insert(name).second; ++i) name = fmt::format("{}_{}", base, i);
  return name;
}

/// Adds a Const on the device of `near`. returns: its name.
std::string add_const(RewriteState& state, const GraphNode& near, std::string_view suffix,
                      const NewTensor& tensor, NodePieces& pieces) {
  std::string name = make_name(state, fmt::format("{}/{}", near.name, suffix));
  OwnedBytes node;
  append_text(node, node_field::kName, name);
  append_text(node, node_field::kOp, "Const");
  if (const ProtobufField* device = near.message.find_last(node_field::kDevice)) {
    append(node, field_bytes(state.source, *device));
  }
  append_type_attr(node, "dtype", tensor.dtype);
  append(node, make_value_attr(tensor));
  pieces.add_node(node, tensor.payload);
  return name;
}

void add_float_const(RewriteState& state, const GraphNode& node, const EncodedWeight& value,
                     NodePieces& pieces) {
  OwnedBytes made = remake_node(state.source, node, "Const", {});
  append_type_attr(made, "dtype", DataType::Float);
  const NewTensor tensor{DataType::Float, value.shape, value.codes};
  append(made, make_value_attr(tensor));
  pieces.add_node(made, tensor.payload);
}

void add_cast(RewriteState& state, const GraphNode& node, const EncodedWeight& value,
              NodePieces& pieces) {
  const std::string half =
      add_const(state, node, "half", {DataType::Half, value.shape, value.codes}, pieces);
  OwnedBytes made = remake_node(state.source, node, "Cast", {half});
  append_type_attr(made, "SrcT", DataType::Half);
  append_type_attr(made, "DstT", DataType::Float);
  pieces.add_node(made);
}

/// The ranges of a code's channels: the values of codes 0 and 255.
struct Ranges {
  std::vector<float> mins = {};
  std::vector<float> maxs = {};
};

Ranges make_ranges(const WeightCode& code) {
  Ranges ranges;
  for (std::size_t i = 0; i < code.scales.size(); ++i) {
    const double min = code.offsets.empty() ? 0.0 : static_cast<double>(code.offsets[i]);
    const double max = min + 255.0 * static_cast<double>(code.scales[i]);
    ranges.mins.push_back(static_cast<float>(min));
    ranges.maxs.push_back(static_cast<float>(max));
  }
  return ranges;
}

/// errors: InvalidArgument if a range exceeds the largest float32.
Result<void> check_finite(const Weight& weight, const Ranges& ranges) {
  for (std::size_t i = 0; i < ranges.mins.size(); ++i) {
    if (std::isfinite(ranges.mins[i]) && std::isfinite(ranges.maxs[i])) continue;
    return fail(ErrorKind::InvalidArgument, "{}: code 255 of channel {} is no finite float32",
                weight.name, i);
  }
  return {};
}

/// Adds the inputs of a Dequantize.  returns: their names: codes, min, max.
std::vector<std::string> add_code_consts(RewriteState& state, const GraphNode& node,
                                         const EncodedWeight& value, float min, float max,
                                         NodePieces& pieces) {
  std::vector<std::string> names = {
      add_const(state, node, "quantized", {DataType::QUInt8, value.shape, value.codes}, pieces)};
  for (const auto& [suffix, bound] : {std::pair{"min", min}, std::pair{"max", max}}) {
    const Bytes payload = pieces.keep_payload(view_bytes(std::span(&bound, 1)));
    names.push_back(add_const(state, node, suffix, {DataType::Float, {}, payload}, pieces));
  }
  return names;
}

void append_dequantize_attrs(OwnedBytes& node) {
  append_type_attr(node, "T", DataType::QUInt8);
  OwnedBytes mode;
  append_text(mode, attr_field::kText, "MIN_COMBINED");
  append_attr(node, "mode", mode);
}

/// One range for all channels: the weight's node becomes a Dequantize.
void add_dequantize(RewriteState& state, const GraphNode& node, const EncodedWeight& value,
                    const Ranges& ranges, NodePieces& pieces) {
  const std::vector<std::string> inputs =
      add_code_consts(state, node, value, ranges.mins.front(), ranges.maxs.front(), pieces);
  OwnedBytes made = remake_node(state.source, node, "Dequantize", inputs);
  append_dequantize_attrs(made);
  pieces.add_node(made);
}

/// Adds an operator that feeds the weight's node, on its device.  returns: its name.
std::string start_operator(RewriteState& state, const GraphNode& near, std::string_view suffix,
                           std::string_view op, const std::vector<std::string>& inputs,
                           OwnedBytes& node) {
  std::string name = make_name(state, fmt::format("{}/{}", near.name, suffix));
  append_text(node, node_field::kName, name);
  append_text(node, node_field::kOp, op);
  for (const std::string& input : inputs) append_text(node, node_field::kInput, input);
  if (const ProtobufField* device = near.message.find_last(node_field::kDevice)) {
    append(node, field_bytes(state.source, *device));
  }
  return name;
}

/// The shape that is broadcast along `axis`: the axes behind it have one element.
Shape broadcast_shape(std::size_t count, std::size_t axis, std::size_t rank) {
  Shape shape(rank - axis, 1);
  shape.front() = static_cast<std::int64_t>(count);
  return shape;
}

/// A scale for each channel: the weight's node becomes a Mul, or an Add where there are offsets.
void add_scaled_levels(RewriteState& state, const GraphNode& node, const EncodedWeight& value,
                       NodePieces& pieces) {
  const WeightCode& code = value.code;
  // With this range a code decodes to itself.
  const std::vector<std::string> inputs = add_code_consts(state, node, value, 0.0F, 255.0F, pieces);
  OwnedBytes levels;
  std::vector<std::string> factors = {
      start_operator(state, node, "levels", "Dequantize", inputs, levels)};
  append_dequantize_attrs(levels);
  pieces.add_node(levels);
  const Shape shape =
      broadcast_shape(code.scales.size(), static_cast<std::size_t>(code.axis), value.shape.size());
  const auto add_values = [&](std::string_view suffix, const std::vector<float>& values) {
    return add_const(state, node, suffix, {DataType::Float, shape, view_bytes(std::span(values))},
                     pieces);
  };
  factors.push_back(add_values("scale", code.scales));
  OwnedBytes made;
  if (code.offsets.empty()) {
    made = remake_node(state.source, node, "Mul", factors);
  } else {
    OwnedBytes scaled;
    const std::string product = start_operator(state, node, "scaled", "Mul", factors, scaled);
    append_type_attr(scaled, "T", DataType::Float);
    pieces.add_node(scaled);
    made = remake_node(state.source, node, "Add", {product, add_values("offset", code.offsets)});
  }
  append_type_attr(made, "T", DataType::Float);
  pieces.add_node(made);
}

Result<void> add_codes(RewriteState& state, const Weight& weight, const GraphNode& node,
                       const EncodedWeight& value, NodePieces& pieces) {
  const Ranges ranges = make_ranges(value.code);
  VP_RETURN_IF_ERROR(check_finite(weight, ranges));
  if (value.code.scales.size() == 1) {
    add_dequantize(state, node, value, ranges, pieces);
  } else {
    add_scaled_levels(state, node, value, pieces);
  }
  return {};
}

Result<void> check_linear(const Weight& weight, const EncodedWeight& value) {
  const WeightCode& code = value.code;
  if (code.bits < 1 || code.bits > 8 || code.is_signed || !code.zero_points.empty()) {
    return fail(
        ErrorKind::InvalidArgument,
        "{}: codes of {} bits{}{}, a GraphDef takes unsigned ones of 1 to 8 bits with an offset",
        weight.name, code.bits, code.is_signed ? ", signed" : "",
        code.zero_points.empty() ? "" : ", with zero points");
  }
  if (!code.offsets.empty() && code.offsets.size() != code.scales.size()) {
    return fail(ErrorKind::InvalidArgument, "{}: {} offsets, expected none or {}", weight.name,
                code.offsets.size(), code.scales.size());
  }
  if (code.scales.size() == 1) return {};
  const auto axis = static_cast<std::size_t>(code.axis);
  if (code.axis < 0 || axis >= value.shape.size() ||
      static_cast<std::int64_t>(code.scales.size()) != value.shape[axis]) {
    return fail(ErrorKind::InvalidArgument, "{}: {} scales along axis {} of shape {}", weight.name,
                code.scales.size(), code.axis, to_string(value.shape));
  }
  return {};
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
  std::int64_t bytes = 1;
  switch (value.code.encoding) {
    case Encoding::Float32:
      bytes = 4;
      break;
    case Encoding::Float16:
      bytes = 2;
      break;
    case Encoding::Linear:
      VP_RETURN_IF_ERROR(check_linear(weight, value));
      break;
    case Encoding::Table:
      return fail(ErrorKind::InvalidArgument, "{}: a GraphDef has no tables of values",
                  weight.name);
  }
  const std::int64_t expected = element_count(value.shape).value_or(0) * bytes;
  if (static_cast<std::int64_t>(value.codes.size()) != expected) {
    return fail(ErrorKind::InvalidArgument, "{}: {} bytes of codes, shape {} needs {}", weight.name,
                value.codes.size(), to_string(value.shape), expected);
  }
  return {};
}

RewriteState start_rewrite(const RewriteSource& source) {
  RewriteState state{.source = source};
  for (const GraphNode& node : source.nodes.nodes) {
    state.names.insert(node.name);
    for (const ProtobufField& field : node.message.fields()) {
      if (field.number != node_field::kInput) continue;
      ++state.uses[std::string(strip_input(view_text(field.content)))];
    }
  }
  return state;
}

ProtobufEdit replace_node(const GraphNode& node, std::vector<Bytes> pieces) {
  std::vector<ProtobufFrame> frames = node.message.frames();
  const ProtobufFrame own = frames.back();
  frames.pop_back();
  return {std::move(frames), own.tag_offset, own.end_offset, std::move(pieces)};
}

/// Removes the nodes that only `node` reads, because its new form does not need them: Consts, and
/// the steps that decode them.
void drop_inputs(RewriteState& state, const GraphNode& node) {
  constexpr std::array kDecoding =
      std::to_array<std::string_view>({"Const", "Dequantize", "Mul", "Add", "AddV2"});
  std::vector<const GraphNode*> open = {&node};
  while (!open.empty()) {
    const GraphNode& reader = *open.back();
    open.pop_back();
    for (const NodeInput& input : reader.inputs) {
      const GraphNode& from = state.source.nodes.nodes[input.node];
      const bool decodes =
          std::find(kDecoding.begin(), kDecoding.end(), from.op) != kDecoding.end();
      if (!decodes || state.uses[from.name] != 1) continue;
      state.patches.push_back(replace_node(from, {}));
      open.push_back(&from);
    }
  }
}

Result<void> add_edit(RewriteState& state, const Weight& weight, const GraphNode& node,
                      const EncodedWeight& value) {
  NodePieces pieces(state.result.owned);
  switch (value.code.encoding) {
    case Encoding::Float32:
      add_float_const(state, node, value, pieces);
      break;
    case Encoding::Float16:
      add_cast(state, node, value, pieces);
      break;
    case Encoding::Linear:
    case Encoding::Table:
      VP_RETURN_IF_ERROR(add_codes(state, weight, node, value, pieces));
      break;
  }
  state.patches.push_back(replace_node(node, pieces.take()));
  drop_inputs(state, node);
  return {};
}

}  // namespace

Form GraphDefModel::adapt(std::size_t /*index*/, const Form& wish) const {
  Form form = wish;
  form.is_signed = false;
  return form;
}

std::string GraphDefModel::why_not(std::size_t index, const Form& form,
                                   const RewriteOptions& /*options*/) const {
  const Weight& weight = graph_.weights[index];
  if (!weight.fixed_because.empty()) return weight.fixed_because;
  if (form.encoding == Encoding::Table) return "a GraphDef has no tables of values";
  if (form.encoding != Encoding::Linear) return {};
  if (form.granularity == Granularity::Block) return "a GraphDef has no scales per block";
  if (form.bits < 1 || form.bits > 8 || form.is_signed) {
    return "a GraphDef takes unsigned codes of 1 to 8 bits";
  }
  return {};
}

WeightCode GraphDefModel::stored_code(std::size_t /*index*/, const WeightCode& code,
                                      const RewriteOptions& /*options*/) const {
  if (code.encoding != Encoding::Linear) return code;
  if (code.scales.size() > 1) {
    WeightCode stored = code;
    stored.bits = 8;
    return stored;
  }
  const Ranges ranges = make_ranges(code);
  return make_range_code(DequantizeType{}, ranges.mins, ranges.maxs, code.axis);
}

std::uint64_t GraphDefModel::estimate_overhead(std::size_t weight_index, const WeightCode& code,
                                               const RewriteOptions& /*options*/) const {
  // A node names itself, its operator and its inputs, and each of these names begins with the
  // weight's. The bytes are those of nodes with names of usual suffixes, without payloads.
  struct Added {
    std::uint64_t bytes;
    std::uint64_t names;  ///< how often the weight's name is written
  };
  constexpr Added kHalf = {100, 2};
  constexpr Added kRange = {260, 6};
  constexpr Added kChannels = {480, 15};
  Added added = {0, 0};
  if (code.encoding == Encoding::Float16) added = kHalf;
  if (code.encoding == Encoding::Linear) added = code.scales.size() > 1 ? kChannels : kRange;
  return added.bytes + added.names * graph_.weights[weight_index].name.size();
}

std::string why_fixed(const GraphNode& node, const StoredTensor& tensor) {
  if (tensor.count < kLeastElements) {
    return fmt::format("fewer than {} elements: the nodes of a shorter form take more room",
                       kLeastElements);
  }
  if (tensor.payload.empty()) return "the file spells it with fewer values than elements";
  if (node.op == "Const" && tensor.dtype == DataType::Half) {
    return "its consumers compute in float16";
  }
  return {};
}

Result<FilePieces> GraphDefModel::rewrite(std::span<const WeightEdit> edits,
                                          const RewriteOptions& /*options*/) const {
  const RewriteSource source{file_, graph_, nodes_, weight_nodes_};
  RewriteState state = start_rewrite(source);
  std::set<std::size_t> seen;
  for (const WeightEdit& edit : edits) {
    if (edit.index >= source.graph.weights.size() || edit.value == nullptr) {
      return fail(ErrorKind::InvalidArgument, "there is no weight {} to replace", edit.index);
    }
    const Weight& weight = source.graph.weights[edit.index];
    VP_RETURN_IF_ERROR(check_edit(weight, *edit.value));
    if (!seen.insert(edit.index).second) {
      return fail(ErrorKind::InvalidArgument, "{} is replaced twice", weight.name);
    }
    const GraphNode& node = source.nodes.nodes[source.weight_nodes[edit.index]];
    VP_RETURN_IF_ERROR(add_edit(state, weight, node, *edit.value));
  }
  VP_ASSIGN_OR_RETURN(PatchedBytes patched, patch_protobuf(source.file, std::move(state.patches)));
  state.result.pieces = std::move(patched.pieces);
  for (OwnedBytes& owned : patched.owned) state.result.owned.push_back(std::move(owned));
  return std::move(state.result);
}

}  // namespace visionpress::graphdef
