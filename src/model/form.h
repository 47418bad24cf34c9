#pragma once

// A form says how a weight is stored, as a value. A name that a user gives ("linear-4") becomes a
// Form; a format may change it (SourceModel::adapt), a codec encodes to it, and a plan maps each
// weight to one.
//
//   const std::optional<Form> form = parse_form("linear-4");
//   const std::uint64_t bytes = stored_bytes(weight.stored.shape, *form, weight.channel_axis);

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "model/weight.h"

namespace visionpress {

/// Which elements share one scale.
enum class Granularity : std::uint8_t {
  Tensor,   ///< all of the weight
  Channel,  ///< those of one output channel; a vector counts as one channel
  Block,    ///< runs of Form::block elements along the rows of the kernel (ONNX, ML Program)
};

struct Form {
  Encoding encoding = Encoding::Float32;
  int bits = 32;  ///< 32, 16, or 1..8
  Granularity granularity = Granularity::Tensor;
  int block = 0;           ///< elements that share a scale; 0 unless granularity is Block
  bool is_signed = false;  ///< Linear: two's complement codes around 0, without offsets

  friend auto operator<=>(const Form&, const Form&) = default;
};

/// The name that flags, reports and docs use: "float32", "fp16", "linear-8", "linear-8-tensor",
/// "linear-4-block-32", "palette-6". The sign is the format's choice and has no name.
[[nodiscard]] std::string name_of(const Form& form);

/// The form of such a name, unsigned; nothing for any other text.
[[nodiscard]] std::optional<Form> parse_form(std::string_view name);

/// The form of a weight with this code: one scale means Tensor, several mean Channel.
[[nodiscard]] Form form_of(const WeightCode& code);

/// The name of a stored weight's encoding: "float32", "float16", "linear-8", "linear-8-tensor",
/// "palette-6".
[[nodiscard]] std::string describe(const WeightCode& code);

/// The code that encoding a weight to `form` gives, but with placeholder values: scales are 1,
/// offsets and table entries 0. It gives the size of a file without making the file. returns:
/// nothing for blocks, which have no code yet. channel_axis: of `shape`, for Channel.
[[nodiscard]] std::optional<WeightCode> outline_code(const Shape& shape, const Form& form,
                                                     int channel_axis);

/// Bytes of a weight of this shape: its packed codes, and its scales, offsets or table as float32.
/// Nothing when the shape has no element count or the bytes do not fit 63 bits.
[[nodiscard]] std::optional<std::uint64_t> stored_bytes(const Shape& shape, const Form& form,
                                                        int channel_axis);

/// Bytes of the payload and of its scales, offsets, zero points or table.
[[nodiscard]] std::uint64_t stored_bytes(const WeightRef& weight);
/// The same for codes that are not in a file yet. stored_bits: bits that the file takes for each
/// code.
[[nodiscard]] std::uint64_t stored_bytes(const EncodedWeight& weight, int stored_bits);

}  // namespace visionpress
