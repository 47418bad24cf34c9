#pragma once

// Encodes floats as codes, decodes them, and measures the error.
//
// Every function has a scalar `_ref` twin that gives the same bytes and the same sums. To make that
// possible, rounding is to nearest, ties to even; no multiply-add is fused; and sums run over
// kSumLanes interleaved lanes (element i belongs to lane i % kSumLanes) that are added in one fixed
// order at the end.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/bytes.h"
#include "base/float_view.h"

namespace visionpress {

inline constexpr std::size_t kSumLanes = 16;

/// The largest finite half; larger values saturate to it.
inline constexpr float kHalfMax = 65504.0F;

/// The error of encoded values against the originals.
struct ErrorSums {
  double signal = 0.0;     ///< sum of w^2
  double noise = 0.0;      ///< sum of (w - decoded)^2, the difference rounded to float32
  float max_abs = 0.0F;    ///< largest |w - decoded|
  float max_steps = 0.0F;  ///< halves only: largest error in units of the last place of w's binade
  std::size_t saturated = 0;  ///< halves only: values beyond +-kHalfMax

  /// Adds the sums of the values that follow. Floating-point addition is not associative, so add in
  /// the order of the values.
  void add(const ErrorSums& next);
};

/// The smallest and largest value (-0 counts as +0); 0 and 0 for no values. `finite` is false if
/// any value is NaN or infinite; the other two fields are meaningless then.
struct ValueRange {
  float min = 0.0F;
  float max = 0.0F;
  bool finite = true;
};

/// How one-byte codes become values: scale * (code - zero_point) + offset.
struct LinearStep {
  float scale = 1.0F;
  float offset = 0.0F;
  std::int32_t zero_point = 0;  ///< -2^24..2^24, so that float32 holds the difference exactly
  bool is_signed = false;       ///< codes are two's complement bytes
  int top = 255;  ///< encoding: the largest code, of signed ones at most 127; they begin at -top

  [[nodiscard]] float low() const { return is_signed ? -high() : 0.0F; }
  [[nodiscard]] float high() const {
    return static_cast<float>(is_signed && top > 127 ? 127 : top);
  }
};

[[nodiscard]] ValueRange find_range(FloatView values);
[[nodiscard]] ValueRange find_range_ref(FloatView values);

/// codes: 2 bytes per value, little endian. Values beyond +-kHalfMax saturate. values: must be
/// finite.
[[nodiscard]] ErrorSums encode_halves(FloatView values, MutableBytes codes);
[[nodiscard]] ErrorSums encode_halves_ref(FloatView values, MutableBytes codes);

/// codes: one byte per value: round((w - offset) * (1 / scale)), in 0..top or, if signed, -top..top
/// without -128. step: scale must be a normal number and zero_point 0. values: must be finite.
[[nodiscard]] ErrorSums encode_linear(FloatView values, const LinearStep& step, MutableBytes codes);
[[nodiscard]] ErrorSums encode_linear_ref(FloatView values, const LinearStep& step,
                                          MutableBytes codes);

/// codes: 2 bytes per element of `out`, any alignment.
void decode_halves(Bytes codes, std::span<float> out);
void decode_halves_ref(Bytes codes, std::span<float> out);

/// codes: one byte per element of `out`.
void decode_linear(Bytes codes, const LinearStep& step, std::span<float> out);
void decode_linear_ref(Bytes codes, const LinearStep& step, std::span<float> out);

/// The error of decoded values against the originals; max_steps and saturated stay 0.
[[nodiscard]] ErrorSums compare_values(FloatView values, std::span<const float> decoded);
[[nodiscard]] ErrorSums compare_values_ref(FloatView values, std::span<const float> decoded);

/// |w - decoded| in units of the last place of a half in w's binade.
[[nodiscard]] float half_steps(float value, float decoded);

/// Name of the vector target that dispatch chooses in this folder.
[[nodiscard]] std::string_view view_vector_target();

}  // namespace visionpress
