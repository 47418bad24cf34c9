#include "formats/coreml/coreml_weights.h"

#include <optional>

#include "base/error.h"
#include "formats/coreml/coreml_schema.h"
#include "model/tensor.h"

namespace visionpress::coreml {
namespace {

/// The fields of one WeightParams before interpretation.
struct RawWeight {
  std::vector<ProtobufField> floats = {};
  std::optional<ProtobufField> half = std::nullopt;
  std::optional<ProtobufField> raw = std::nullopt;
  std::optional<ProtobufField> int8 = std::nullopt;
  std::optional<ProtobufField> quantization = std::nullopt;
  bool updatable = false;
  std::vector<FileRange> payload_fields = {};

  [[nodiscard]] int payload_count() const {
    const auto one = [](bool present) { return present ? 1 : 0; };
    return one(!floats.empty()) + one(half.has_value()) + one(raw.has_value()) +
           one(int8.has_value());
  }
};

struct WeightPlace {
  const std::string& path;
  std::uint64_t offset;
};

Result<void> keep_bytes(std::optional<ProtobufField>& slot, const ProtobufField& field,
                        const WeightPlace& place) {
  if (field.type != ProtobufType::Delimited) {
    return fail_at(ErrorKind::Malformed, field.tag_offset, "{}: field {}: wire type {}, expected 2",
                   place.path, field.number, static_cast<int>(field.type));
  }
  if (slot) {
    return fail_at(ErrorKind::Malformed, field.tag_offset, "{}: field {} appears twice", place.path,
                   field.number);
  }
  slot = field;
  return {};
}

Result<void> keep_field(RawWeight& raw, const ProtobufField& field, const WeightPlace& place) {
  switch (field.number) {
    case weight_field::kFloatValue:
      if (field.type != ProtobufType::Delimited && field.type != ProtobufType::Fixed32) {
        return fail_at(ErrorKind::Malformed, field.tag_offset,
                       "{}: floatValue: wire type {}, expected 2 or 5", place.path,
                       static_cast<int>(field.type));
      }
      // An empty packed list counts as absent.
      if (field.type == ProtobufType::Fixed32 || !field.content.empty())
        raw.floats.push_back(field);
      break;
    case weight_field::kFloat16Value:
      VP_RETURN_IF_ERROR(keep_bytes(raw.half, field, place));
      break;
    case weight_field::kRawValue:
      VP_RETURN_IF_ERROR(keep_bytes(raw.raw, field, place));
      break;
    case weight_field::kInt8RawValue:
      VP_RETURN_IF_ERROR(keep_bytes(raw.int8, field, place));
      break;
    case weight_field::kQuantization:
      VP_RETURN_IF_ERROR(keep_bytes(raw.quantization, field, place));
      break;
    case weight_field::kIsUpdatable:
      raw.updatable = field.value != 0;
      return {};
    default:
      return {};
  }
  if (!raw.payload_fields.empty() && raw.payload_fields.back().end == field.tag_offset) {
    raw.payload_fields.back().end = field.end_offset;
  } else {
    raw.payload_fields.push_back({field.tag_offset, field.end_offset});
  }
  return {};
}

Result<RawWeight> read_fields(const ProtobufField& field, const WeightPlace& place) {
  RawWeight raw;
  ProtobufCursor cursor(field.content, field.content_offset);
  for (;;) {
    VP_ASSIGN_OR_RETURN(const bool more, cursor.next());
    if (!more) break;
    VP_RETURN_IF_ERROR(keep_field(raw, cursor.field(), place));
  }
  // proto3 writers may write an empty bytes field; it is the default value, not a payload.
  if (raw.half && raw.half->content.empty()) raw.half.reset();
  if (raw.raw && raw.raw->content.empty()) raw.raw.reset();
  if (raw.int8 && raw.int8->content.empty()) raw.int8.reset();
  if (raw.payload_count() != 1) {
    return fail_at(
        ErrorKind::Malformed, place.offset,
        "{}: {} payloads, expected one of floatValue, float16Value, rawValue, int8RawValue",
        place.path, raw.payload_count());
  }
  return raw;
}

Result<Bytes> read_floats(const RawWeight& raw, const WeightPlace& place,
                          GatheredPayloads& gathered) {
  for (const ProtobufField& field : raw.floats) {
    if (field.content.size() % sizeof(float) != 0) {
      return fail_at(ErrorKind::Malformed, field.content_offset,
                     "{}: floatValue is {} bytes, no multiple of 4", place.path,
                     field.content.size());
    }
  }
  if (raw.floats.size() == 1 && raw.floats[0].type == ProtobufType::Delimited) {
    return raw.floats[0].content;
  }
  std::vector<std::byte>& bytes = gathered.emplace_back();
  for (const ProtobufField& field : raw.floats) {
    if (field.type == ProtobufType::Delimited) {
      bytes.insert(bytes.end(), field.content.begin(), field.content.end());
      continue;
    }
    const auto bits = static_cast<std::uint32_t>(field.value);
    const Bytes element = view_bytes(std::span<const std::uint32_t>(&bits, 1));
    bytes.insert(bytes.end(), element.begin(), element.end());
  }
  return Bytes(bytes);
}

Result<void> read_linear(const ProtobufMessage& linear, const WeightShape& shape,
                         const WeightPlace& place, WeightCode& code) {
  code.encoding = Encoding::Linear;
  code.axis = shape.channel_axis;
  VP_ASSIGN_OR_RETURN(code.scales, linear.read_floats(weight_field::kLinearScale));
  VP_ASSIGN_OR_RETURN(code.offsets, linear.read_floats(weight_field::kLinearBias));
  const auto scales = static_cast<std::int64_t>(code.scales.size());
  if (scales != 1 && scales != shape.scale_count) {
    return fail_at(ErrorKind::Malformed, linear.offset(), "{}: {} scales, expected 1{}", place.path,
                   scales, shape.scale_count == 1 ? "" : fmt::format(" or {}", shape.scale_count));
  }
  if (!code.offsets.empty() && code.offsets.size() != code.scales.size()) {
    return fail_at(ErrorKind::Malformed, linear.offset(), "{}: {} biases, expected none or {}",
                   place.path, code.offsets.size(), scales);
  }
  return {};
}

/// Fills `code` from the QuantizationParams of a rawValue or int8RawValue.
Result<void> read_quantization(const ProtobufMessage& quantization, const WeightShape& shape,
                               const WeightPlace& place, WeightCode& code) {
  VP_ASSIGN_OR_RETURN(const std::uint64_t bits,
                      quantization.read_uint(weight_field::kNumberOfBits));
  if (bits < 1 || bits > 8) {
    return fail_at(ErrorKind::Malformed, quantization.offset(),
                   "{}: quantized to {} bits, expected 1..8", place.path, bits);
  }
  code.bits = static_cast<int>(bits);
  VP_ASSIGN_OR_RETURN(const auto linear, quantization.read_message(weight_field::kLinear));
  VP_ASSIGN_OR_RETURN(const auto table, quantization.read_message(weight_field::kTable));
  if (linear.has_value() == table.has_value()) {
    return fail_at(ErrorKind::Malformed, quantization.offset(),
                   "{}: quantization has {}, expected one of linear and lookup table", place.path,
                   linear ? "both forms" : "no form");
  }
  if (linear) return read_linear(*linear, shape, place, code);
  code.encoding = Encoding::Table;
  VP_ASSIGN_OR_RETURN(code.table, table->read_floats(weight_field::kTableValues));
  const std::size_t entries = std::size_t{1} << bits;
  if (code.table.size() != entries) {
    return fail_at(ErrorKind::Malformed, table->offset(),
                   "{}: lookup table of {} entries, expected {}", place.path, code.table.size(),
                   entries);
  }
  return {};
}

Result<void> check_length(Bytes payload, std::int64_t expected, bool exact, const Shape& shape,
                          const WeightPlace& place) {
  const auto found = static_cast<std::int64_t>(payload.size());
  if (exact ? found == expected : found >= expected) return {};
  return fail_at(ErrorKind::Malformed, place.offset, "{}: payload is {} bytes, shape {} needs {}",
                 place.path, found, to_string(shape), expected);
}

/// Reads the codes of rawValue and int8RawValue.
Result<void> read_codes(const ProtobufMessage& message, const RawWeight& raw,
                        const WeightShape& shape, const WeightPlace& place, WeightRef& stored) {
  if (!raw.quantization) {
    return fail_at(ErrorKind::Malformed, place.offset, "{}: codes without quantization",
                   place.path);
  }
  VP_ASSIGN_OR_RETURN(const ProtobufMessage quantization, message.open(*raw.quantization));
  VP_RETURN_IF_ERROR(read_quantization(quantization, shape, place, stored.code));
  if (raw.int8) {
    if (stored.code.bits != 8 || stored.code.encoding != Encoding::Linear) {
      return fail_at(ErrorKind::Malformed, place.offset,
                     "{}: int8RawValue with {}-bit codes, expected 8-bit linear ones", place.path,
                     stored.code.bits);
    }
    stored.code.is_signed = true;
  }
  stored.payload = raw.raw ? raw.raw->content : raw.int8->content;
  stored.packing = stored.code.bits == 8 ? Packing::Whole : Packing::MsbFirst;
  return {};
}

}  // namespace

Result<ParsedWeight> read_weight_params(const ProtobufMessage& parent, const ProtobufField& field,
                                        const WeightShape& shape, const std::string& path,
                                        GatheredPayloads& gathered) {
  const WeightPlace place{path, field.tag_offset};
  if (field.type != ProtobufType::Delimited) {
    return fail_at(ErrorKind::Malformed, field.tag_offset, "{}: wire type {}, expected 2", path,
                   static_cast<int>(field.type));
  }
  const std::optional<std::int64_t> count = element_count(shape.shape);
  if (!count) {
    return fail_at(ErrorKind::Malformed, field.tag_offset, "{}: shape {} has no size that fits",
                   path, to_string(shape.shape));
  }
  VP_ASSIGN_OR_RETURN(RawWeight raw, read_fields(field, place));
  ParsedWeight parsed;
  parsed.updatable = raw.updatable;
  parsed.slot.payload_fields = std::move(raw.payload_fields);
  parsed.slot.scale_count = shape.scale_count;
  parsed.slot.frames = parent.frames();
  parsed.slot.frames.push_back(
      {field.tag_offset, field.length_offset, field.content_offset, field.end_offset});
  WeightRef& stored = parsed.stored;
  stored.shape = shape.shape;
  if (!raw.floats.empty()) {
    VP_ASSIGN_OR_RETURN(stored.payload, read_floats(raw, place, gathered));
  } else if (raw.half) {
    stored.code.encoding = Encoding::Float16;
    stored.code.bits = 16;
    stored.payload = raw.half->content;
  } else {
    VP_ASSIGN_OR_RETURN(const ProtobufMessage message, parent.open(field));
    VP_RETURN_IF_ERROR(read_codes(message, raw, shape, place, stored));
  }
  const std::optional<std::int64_t> bits = checked_multiply(*count, stored.code.bits);
  if (!bits) {
    return fail_at(ErrorKind::Malformed, field.tag_offset, "{}: shape {} has no size that fits",
                   path, to_string(shape.shape));
  }
  const std::int64_t expected = *bits / 8 + (*bits % 8 != 0 ? 1 : 0);
  const bool floating = raw.raw == std::nullopt && raw.int8 == std::nullopt;
  VP_RETURN_IF_ERROR(check_length(stored.payload, expected, floating, shape.shape, place));
  stored.payload = stored.payload.first(static_cast<std::size_t>(expected));
  return parsed;
}

Result<std::optional<std::int64_t>> count_elements(const ProtobufMessage& parent,
                                                   const ProtobufField& field) {
  std::uint64_t elements = 0;
  std::uint64_t codes = 0;
  ProtobufCursor cursor(field.content, field.content_offset);
  for (;;) {
    VP_ASSIGN_OR_RETURN(const bool more, cursor.next());
    if (!more) break;
    const ProtobufField& part = cursor.field();
    const std::uint64_t size =
        part.type == ProtobufType::Fixed32 ? sizeof(float) : part.content.size();
    if (part.number == weight_field::kFloatValue) elements += size / sizeof(float);
    if (part.number == weight_field::kFloat16Value) elements += size / 2;
    if (part.number == weight_field::kRawValue) codes += size;
    if (part.number == weight_field::kInt8RawValue) elements += size;
  }
  if (codes != 0) {
    VP_ASSIGN_OR_RETURN(const ProtobufMessage message, parent.open(field));
    VP_ASSIGN_OR_RETURN(const auto quantization, message.read_message(weight_field::kQuantization));
    if (!quantization) return std::optional<std::int64_t>();
    VP_ASSIGN_OR_RETURN(const std::uint64_t bits,
                        quantization->read_uint(weight_field::kNumberOfBits));
    if (bits != 8) return std::optional<std::int64_t>();
    elements += codes;
  }
  if (elements == 0) return std::optional<std::int64_t>();
  return std::optional<std::int64_t>(static_cast<std::int64_t>(elements));
}

}  // namespace visionpress::coreml
