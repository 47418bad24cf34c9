#include "model/form.h"

#include <charconv>

#include <fmt/format.h>

#include "model/bit_packing.h"

namespace visionpress {
namespace {

constexpr int kMostCodeBits = 8;
constexpr std::string_view kTensorSuffix = "-tensor";
constexpr std::string_view kBlockInfix = "-block-";

/// A whole decimal number without sign or leading zero; nothing for any other text.
std::optional<int> parse_number(std::string_view text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (text.front() == '-' || text.front() == '0') return std::nullopt;
  return number;
}

std::optional<int> parse_code_bits(std::string_view text) {
  const auto bits = parse_number(text);
  return bits && *bits <= kMostCodeBits ? bits : std::nullopt;
}

/// Parses the text after "linear-": "8", "8-tensor", "4-block-32".
std::optional<Form> parse_linear(std::string_view text) {
  Form form{.encoding = Encoding::Linear, .granularity = Granularity::Channel};
  if (text.ends_with(kTensorSuffix)) {
    form.granularity = Granularity::Tensor;
    text.remove_suffix(kTensorSuffix.size());
  } else if (const std::size_t at = text.find(kBlockInfix); at != std::string_view::npos) {
    const auto block = parse_number(text.substr(at + kBlockInfix.size()));
    if (!block) return std::nullopt;
    form.granularity = Granularity::Block;
    form.block = *block;
    text = text.substr(0, at);
  }
  const auto bits = parse_code_bits(text);
  if (!bits) return std::nullopt;
  form.bits = *bits;
  return form;
}

/// Bytes of the numbers stored with the codes.
std::uint64_t count_number_bytes(const WeightCode& code) {
  return sizeof(float) *
         (code.scales.size() + code.offsets.size() + code.zero_points.size() + code.table.size());
}

/// Scales of a weight of this shape; nothing when the axis is not one of the shape's.
std::optional<std::int64_t> count_scales(const Shape& shape, const Form& form, int channel_axis) {
  // A scale for every element of a vector would take more room than the floats.
  if (form.granularity == Granularity::Tensor || shape.size() <= 1) return 1;
  if (channel_axis < 0 || static_cast<std::size_t>(channel_axis) >= shape.size()) {
    return std::nullopt;
  }
  const std::int64_t channels = shape[static_cast<std::size_t>(channel_axis)];
  if (form.granularity == Granularity::Channel) return channels;
  const auto count = element_count(shape);
  if (!count || form.block < 1) return std::nullopt;
  if (channels == 0) return 0;
  // Blocks do not cross rows, so each row has its own last block.
  return checked_multiply(channels, (*count / channels + form.block - 1) / form.block);
}

}  // namespace

std::string name_of(const Form& form) {
  switch (form.encoding) {
    case Encoding::Float32:
      return "float32";
    case Encoding::Float16:
      return "fp16";
    case Encoding::Table:
      return fmt::format("palette-{}", form.bits);
    case Encoding::Linear:
      break;
  }
  std::string name = fmt::format("linear-{}", form.bits);
  if (form.granularity == Granularity::Tensor) name += kTensorSuffix;
  if (form.granularity == Granularity::Block) name += fmt::format("{}{}", kBlockInfix, form.block);
  return name;
}

std::optional<Form> parse_form(std::string_view name) {
  constexpr std::string_view kLinear = "linear-";
  constexpr std::string_view kPalette = "palette-";
  if (name == "float32") return Form{};
  if (name == "fp16") return Form{.encoding = Encoding::Float16, .bits = 16};
  if (name.starts_with(kLinear)) return parse_linear(name.substr(kLinear.size()));
  if (!name.starts_with(kPalette)) return std::nullopt;
  const auto bits = parse_code_bits(name.substr(kPalette.size()));
  if (!bits) return std::nullopt;
  return Form{.encoding = Encoding::Table, .bits = *bits};
}

Form form_of(const WeightCode& code) {
  Form form{.encoding = code.encoding, .bits = code.bits};
  if (code.encoding != Encoding::Linear) return form;
  form.is_signed = code.is_signed;
  if (code.scales.size() != 1) form.granularity = Granularity::Channel;
  return form;
}

std::string describe(const WeightCode& code) {
  switch (code.encoding) {
    case Encoding::Float32:
      return "float32";
    case Encoding::Float16:
      return "float16";
    case Encoding::Linear:
      return fmt::format("linear-{}{}", code.bits, code.scales.size() == 1 ? kTensorSuffix : "");
    case Encoding::Table:
      return fmt::format("palette-{}", code.bits);
  }
  return "unknown";
}

std::optional<WeightCode> outline_code(const Shape& shape, const Form& form, int channel_axis) {
  WeightCode code;
  code.encoding = form.encoding;
  code.bits = form.bits;
  if (form.encoding == Encoding::Table) {
    code.table.assign(std::size_t{1} << static_cast<unsigned>(form.bits), 0.0F);
  }
  if (form.encoding != Encoding::Linear) return code;
  if (form.granularity == Granularity::Block) return std::nullopt;
  const auto scales = count_scales(shape, form, channel_axis);
  if (!scales || *scales < 0) return std::nullopt;
  code.is_signed = form.is_signed;
  code.axis = *scales == 1 ? 0 : channel_axis;
  code.scales.assign(static_cast<std::size_t>(*scales), 1.0F);
  if (!form.is_signed) code.offsets.assign(code.scales.size(), 0.0F);
  return code;
}

std::optional<std::uint64_t> stored_bytes(const Shape& shape, const Form& form, int channel_axis) {
  const auto count = element_count(shape);
  if (!count) return std::nullopt;
  const auto codes = packed_bytes(*count, form.bits);
  std::optional<std::int64_t> floats = 0;
  if (form.encoding == Encoding::Table) floats = std::int64_t{1} << form.bits;
  if (form.encoding == Encoding::Linear) {
    floats = count_scales(shape, form, channel_axis);
    if (floats && !form.is_signed) floats = checked_multiply(*floats, 2);
  }
  if (!codes || !floats) return std::nullopt;
  const auto beside = checked_multiply(*floats, sizeof(float));
  if (!beside) return std::nullopt;
  const auto bytes = checked_add(*codes, *beside);
  if (!bytes) return std::nullopt;
  return static_cast<std::uint64_t>(*bytes);
}

std::uint64_t stored_bytes(const WeightRef& weight) {
  return weight.payload.size() + count_number_bytes(weight.code);
}

std::uint64_t stored_bytes(const EncodedWeight& weight, int stored_bits) {
  if (stored_bits > kMostCodeBits) return weight.codes.size();
  const auto packed = packed_bytes(static_cast<std::int64_t>(weight.codes.size()), stored_bits);
  return static_cast<std::uint64_t>(packed.value_or(0)) + count_number_bytes(weight.code);
}

}  // namespace visionpress
