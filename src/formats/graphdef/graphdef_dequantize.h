#pragma once

// The values of a Dequantize node's codes. The reader decodes and the writer encodes with it.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "model/weight.h"

namespace visionpress::graphdef {

/// The attribute `mode`; MIN_COMBINED where it is absent.
enum class DequantizeMode : std::uint8_t { MinCombined, MinFirst, Scaled };

[[nodiscard]] inline std::optional<DequantizeMode> parse_dequantize_mode(std::string_view text) {
  if (text == "MIN_COMBINED") return DequantizeMode::MinCombined;
  if (text == "MIN_FIRST") return DequantizeMode::MinFirst;
  if (text == "SCALED") return DequantizeMode::Scaled;
  return std::nullopt;
}

/// The code type of one Dequantize node.
struct DequantizeType {
  DequantizeMode mode = DequantizeMode::MinCombined;
  bool is_signed = false;     ///< qint8, else quint8
  bool narrow_range = false;  ///< SCALED with qint8 only: the lowest code is -127
};

/// Appends the scale (and offset, zero point) of one channel whose range is [min, max]. Uses the
/// same float32 operations as TensorFlow's kernel, so that decoded values have the same rounding.
/// source: tensorflow/core/kernels/dequantize_op.cc, quantization_utils.h.
inline void append_range(const DequantizeType& type, float min, float max, WeightCode& code) {
  if (type.mode == DequantizeMode::Scaled) {
    float scale = max / (type.is_signed ? 127.0F : 255.0F);
    if (type.is_signed) scale = std::max(min / (type.narrow_range ? -127.0F : -128.0F), scale);
    code.scales.push_back(scale);
    return;
  }
  const float scale = (max - min) / 255.0F;
  float offset = min;
  // MIN_FIRST shifts the range so that a code decodes to exactly zero.
  if (type.mode == DequantizeMode::MinFirst && max != min) {
    offset = std::round(min / scale) * scale;
  }
  code.scales.push_back(scale);
  code.offsets.push_back(offset);
  if (type.is_signed) code.zero_points.push_back(-128);
}

/// The code of a weight behind a Dequantize node.
/// mins, maxs: equally long; one entry, or one per position along `axis`.
[[nodiscard]] inline WeightCode make_range_code(const DequantizeType& type,
                                                std::span<const float> mins,
                                                std::span<const float> maxs, int axis) {
  WeightCode code;
  code.encoding = Encoding::Linear;
  code.bits = 8;
  code.is_signed = type.is_signed;
  code.axis = axis;
  for (std::size_t i = 0; i < mins.size() && i < maxs.size(); ++i) {
    append_range(type, mins[i], maxs[i], code);
  }
  return code;
}

}  // namespace visionpress::graphdef
