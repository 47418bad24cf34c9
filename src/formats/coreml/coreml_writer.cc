// Writes a .mlmodel as its source bytes with the payloads of some WeightParams replaced. Contract:
// without edits, the output equals the source byte for byte. An edit replaces its weight's payload
// and quantization fields and the lengths of the messages around them, and raises
// specificationVersion if the new form needs it. Every other byte, including unknown fields and
// non-minimal varints, is unchanged.

#include <algorithm>
#include <map>
#include <utility>

#include "base/error.h"
#include "formats/coreml/coreml_model.h"
#include "formats/coreml/coreml_schema.h"
#include "model/bit_packing.h"
#include "wire/protobuf_patch.h"

namespace visionpress::coreml {
namespace {

/// Bytes per element of EncodedWeight::codes.
std::int64_t code_bytes(Encoding encoding) {
  switch (encoding) {
    case Encoding::Float32:
      return 4;
    case Encoding::Float16:
      return 2;
    case Encoding::Linear:
    case Encoding::Table:
      break;
  }
  return 1;
}

bool is_floating(Encoding encoding) {
  return encoding == Encoding::Float32 || encoding == Encoding::Float16;
}

Result<void> check_linear(const Weight& weight, const WeightSlot& slot, const WeightCode& code) {
  if (code.is_signed || !code.zero_points.empty()) {
    return fail(ErrorKind::InvalidArgument,
                "{}: codes are signed or have zero points, Core ML takes unsigned ones with a bias",
                weight.name);
  }
  const auto scales = static_cast<std::int64_t>(code.scales.size());
  if (scales != 1 && scales != slot.scale_count) {
    return fail(ErrorKind::InvalidArgument, "{}: {} scales, Core ML takes 1{}", weight.name, scales,
                slot.scale_count == 1 ? std::string() : fmt::format(" or {}", slot.scale_count));
  }
  if (scales != 1 && code.axis != weight.channel_axis) {
    return fail(ErrorKind::InvalidArgument, "{}: scales along axis {}, Core ML takes axis {}",
                weight.name, code.axis, weight.channel_axis);
  }
  if (!code.offsets.empty() && code.offsets.size() != code.scales.size()) {
    return fail(ErrorKind::InvalidArgument, "{}: {} offsets, expected none or {}", weight.name,
                code.offsets.size(), scales);
  }
  return {};
}

Result<void> check_code(const Weight& weight, const WeightSlot& slot, const WeightCode& code) {
  switch (code.encoding) {
    case Encoding::Float32:
    case Encoding::Float16:
      return {};
    case Encoding::Linear:
    case Encoding::Table:
      break;
  }
  if (code.bits < 1 || code.bits > 8) {
    return fail(ErrorKind::InvalidArgument, "{}: codes of {} bits, Core ML takes 1..8", weight.name,
                code.bits);
  }
  if (code.encoding == Encoding::Linear) return check_linear(weight, slot, code);
  const std::size_t entries = std::size_t{1} << static_cast<unsigned>(code.bits);
  if (code.table.size() != entries) {
    return fail(ErrorKind::InvalidArgument, "{}: a table of {} entries, {} bits need {}",
                weight.name, code.table.size(), code.bits, entries);
  }
  return {};
}

Result<void> check_edit(const Weight& weight, const WeightSlot& slot, const EncodedWeight& value) {
  if (!weight.fixed_because.empty()) {
    return fail(ErrorKind::InvalidArgument, "{} cannot be replaced: {}", weight.name,
                weight.fixed_because);
  }
  if (value.shape != weight.stored.shape) {
    return fail(ErrorKind::InvalidArgument, "{}: shape {}, expected {}", weight.name,
                to_string(value.shape), to_string(weight.stored.shape));
  }
  const std::int64_t expected =
      element_count(value.shape).value_or(0) * code_bytes(value.code.encoding);
  if (static_cast<std::int64_t>(value.codes.size()) != expected) {
    return fail(ErrorKind::InvalidArgument, "{}: {} bytes of codes, shape {} needs {}", weight.name,
                value.codes.size(), to_string(value.shape), expected);
  }
  return check_code(weight, slot, value.code);
}

/// Checks that no layer mixes float16 and float32 weights, which would make the file illegal. Codes
/// may be combined with either.
/// source: coremltools' validator, "weights and bias must have the same precision".
Result<void> check_floating_types(const Graph& graph,
                                  const std::map<std::size_t, const EncodedWeight*>& edits) {
  std::map<std::size_t, const Weight*> halves;
  std::map<std::size_t, const Weight*> floats;
  std::map<std::size_t, bool> edited;
  for (std::size_t i = 0; i < graph.weights.size(); ++i) {
    const Weight& weight = graph.weights[i];
    const auto edit = edits.find(i);
    if (edit != edits.end()) edited[weight.layer_group] = true;
    const Encoding encoding =
        edit != edits.end() ? edit->second->code.encoding : weight.stored.code.encoding;
    if (!is_floating(encoding)) continue;
    (encoding == Encoding::Float16 ? halves : floats).emplace(weight.layer_group, &weight);
  }
  for (const auto& [group, half] : halves) {
    const auto other = floats.find(group);
    if (other == floats.end() || edited.count(group) == 0) continue;
    return fail(ErrorKind::InvalidArgument,
                "{} would be float16 beside {} in float32; Core ML takes one of the two in a layer",
                half->name, other->second->name);
  }
  return {};
}

void append_floats(ByteBuffer& out, std::uint32_t field, std::span<const float> values) {
  const Bytes bytes = view_bytes(values);
  append_length_prefix(out, field, bytes.size());
  out.insert(out.end(), bytes.begin(), bytes.end());
}

/// The `quantization` field of a WeightParams.
ByteBuffer encode_quantization(const WeightCode& code) {
  ByteBuffer inner;
  if (code.encoding == Encoding::Linear) {
    append_floats(inner, weight_field::kLinearScale, code.scales);
    // A bias is optional in the format, but coremltools cannot decode a weight without one.
    const std::vector<float> zeros(code.scales.size(), 0.0F);
    append_floats(inner, weight_field::kLinearBias, code.offsets.empty() ? zeros : code.offsets);
  } else {
    append_floats(inner, weight_field::kTableValues, code.table);
  }
  ByteBuffer params;
  append_tag(params, weight_field::kNumberOfBits, ProtobufType::Varint);
  append_varint(params, static_cast<std::uint64_t>(code.bits));
  append_length_prefix(
      params, code.encoding == Encoding::Linear ? weight_field::kLinear : weight_field::kTable,
      inner.size());
  params.insert(params.end(), inner.begin(), inner.end());
  ByteBuffer field;
  append_length_prefix(field, weight_field::kQuantization, params.size());
  field.insert(field.end(), params.begin(), params.end());
  return field;
}

std::uint32_t payload_field(Encoding encoding) {
  switch (encoding) {
    case Encoding::Float32:
      return weight_field::kFloatValue;
    case Encoding::Float16:
      return weight_field::kFloat16Value;
    case Encoding::Linear:
    case Encoding::Table:
      break;
  }
  return weight_field::kRawValue;
}

/// Encodes the new payload and quantization fields as pieces; codes are borrowed from the edit,
/// because they can be large.
Result<std::vector<Bytes>> encode_payload(const Weight& weight, const EncodedWeight& value,
                                          std::vector<ByteBuffer>& owned) {
  Bytes payload = value.codes;
  const bool floating = is_floating(value.code.encoding);
  if (!floating && value.code.bits != 8) {
    if (const auto wide = find_wide_code(payload, value.code.bits)) {
      return fail(ErrorKind::InvalidArgument, "{}: code {} does not fit into {} bits", weight.name,
                  std::to_integer<unsigned>(payload[*wide]), value.code.bits);
    }
    owned.push_back(pack_codes(payload, value.code.bits, Packing::MsbFirst));
    payload = owned.back();
  }
  ByteBuffer prefix;
  append_length_prefix(prefix, payload_field(value.code.encoding), payload.size());
  owned.push_back(std::move(prefix));
  std::vector<Bytes> pieces = {owned.back(), payload};
  if (!floating) {
    owned.push_back(encode_quantization(value.code));
    pieces.emplace_back(owned.back());
  }
  return pieces;
}

/// Replaces the weight's first payload field by `pieces` and removes its other payload fields.
void add_payload_edits(const WeightSlot& slot, std::vector<Bytes> pieces,
                       std::vector<ProtobufEdit>& edits) {
  for (const FileRange& range : slot.payload_fields) {
    edits.push_back({slot.frames, range.begin, range.end, std::exchange(pieces, {})});
  }
}

/// The lowest specificationVersion that allows a form of weight.
std::uint64_t needed_version(Encoding encoding) {
  if (encoding == Encoding::Float32) return 1;
  return encoding == Encoding::Float16 ? kVersionFloat16 : kVersionQuantized;
}

}  // namespace

FormRules CoreMlModel::rules(const Form& form) const {
  return {.whole_layers = is_floating(form.encoding)};
}

Form CoreMlModel::adapt(std::size_t index, const Form& wish) const {
  Form form = wish;
  form.is_signed = false;
  const bool one_scale = slots_[index].scale_count == 1;
  if (form.granularity == Granularity::Channel && one_scale) form.granularity = Granularity::Tensor;
  return form;
}

std::string CoreMlModel::why_not(std::size_t index, const Form& form,
                                 const RewriteOptions& /*options*/) const {
  const Weight& weight = graph_.weights[index];
  if (!weight.fixed_because.empty()) return weight.fixed_because;
  if (is_floating(form.encoding)) return {};
  if (form.bits < 1 || form.bits > 8) return "Core ML takes codes of 1 to 8 bits";
  if (form.granularity == Granularity::Block) {
    return "Core ML NeuralNetwork files have no scales per block";
  }
  if (form.is_signed) return "Core ML takes unsigned codes with an offset";
  const bool channels = form.granularity == Granularity::Channel && weight.stored.shape.size() > 1;
  if (channels && slots_[index].scale_count == 1) return "Core ML takes one scale for this weight";
  return {};
}

Result<FilePieces> CoreMlModel::rewrite(std::span<const WeightEdit> edits,
                                        const RewriteOptions& /*options*/) const {
  std::map<std::size_t, const EncodedWeight*> values;
  for (const WeightEdit& edit : edits) {
    if (edit.index >= graph_.weights.size() || edit.value == nullptr) {
      return fail(ErrorKind::InvalidArgument, "there is no weight {} to replace", edit.index);
    }
    const Weight& weight = graph_.weights[edit.index];
    VP_RETURN_IF_ERROR(check_edit(weight, slots_[edit.index], *edit.value));
    if (!values.emplace(edit.index, edit.value).second) {
      return fail(ErrorKind::InvalidArgument, "{} is replaced twice", weight.name);
    }
  }
  VP_RETURN_IF_ERROR(check_floating_types(graph_, values));
  FilePieces result;
  std::vector<ProtobufEdit> patches;
  std::uint64_t version = version_.number;
  for (const auto& [index, value] : values) {
    VP_ASSIGN_OR_RETURN(std::vector<Bytes> pieces,
                        encode_payload(graph_.weights[index], *value, result.owned));
    add_payload_edits(slots_[index], std::move(pieces), patches);
    version = std::max(version, needed_version(value->code.encoding));
  }
  if (version > version_.number && !values.empty()) {
    ByteBuffer field;
    append_tag(field, model_field::kSpecificationVersion, ProtobufType::Varint);
    append_varint(field, version);
    result.owned.push_back(std::move(field));
    const FileRange range = version_.field.value_or(FileRange{});
    patches.push_back({{}, range.begin, range.end, {result.owned.back()}});
  }
  VP_ASSIGN_OR_RETURN(PatchedBytes patched, patch_protobuf(file_, std::move(patches)));
  result.pieces = std::move(patched.pieces);
  for (ByteBuffer& owned : patched.owned) result.owned.push_back(std::move(owned));
  return result;
}

}  // namespace visionpress::coreml
