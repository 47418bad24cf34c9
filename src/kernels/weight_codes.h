#pragma once

// Floats to codes and back, and what the codes lost.
//
// Every function has a scalar `_ref` twin that gives the same bytes and the same sums: rounding is
// to nearest, ties to even, no product is fused into a sum, and sums run over kSumLanes interleaved
// lanes (element i belongs to lane i % kSumLanes) that are added in one fixed order at the end.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/bytes.h"
#include "base/float_view.h"

namespace visionpress {

inline constexpr std::size_t kSumLanes = 16;

/// The largest finite half; beyond it, halves saturate.
inline constexpr float kHalfMax = 65504.0F;

/// What the codes of some values lost.
struct ErrorSums {
  double signal = 0.0;        ///< sum of w^2
  double noise = 0.0;         ///< sum of (w - decoded)^2, the difference rounded to float32
  float max_abs = 0.0F;       ///< largest |w - decoded|
  float max_steps = 0.0F;     ///< halves only: the largest in units of the last place of w's binade
  std::size_t saturated = 0;  ///< halves only: values beyond +-kHalfMax

  /// Appends the sums of the values that follow. Not associative: add in the order of the values.
  void add(const ErrorSums& next);
};

/// Smallest and largest value (-0 counts as +0). `finite` is false when a NaN or infinity is among
/// them, and then the other two mean nothing. Of no values: 0, 0.
struct ValueRange {
  float min = 0.0F;
  float max = 0.0F;
  bool finite = true;
};

/// How codes of one byte become values: scale * (code - zero_point) + offset.
struct LinearStep {
  float scale = 1.0F;
  float offset = 0.0F;
  std::int32_t zero_point = 0;  ///< at most 2^24 either way, so that the difference is exact
  bool is_signed = false;       ///< codes are two's complement bytes
};

[[nodiscard]] ValueRange find_range(FloatView values);
[[nodiscard]] ValueRange find_range_ref(FloatView values);

/// codes: 2 bytes a value, little endian. Values beyond +-kHalfMax saturate. Finite values only.
[[nodiscard]] ErrorSums encode_halves(FloatView values, MutableBytes codes);
[[nodiscard]] ErrorSums encode_halves_ref(FloatView values, MutableBytes codes);

/// codes: one byte a value: round((w - offset) * (1 / scale)), in 0..255 or, signed, -127..127.
/// step.scale is a normal number; step.zero_point is 0; finite values only.
[[nodiscard]] ErrorSums encode_linear(FloatView values, const LinearStep& step, MutableBytes codes);
[[nodiscard]] ErrorSums encode_linear_ref(FloatView values, const LinearStep& step,
                                          MutableBytes codes);

/// codes: 2 bytes an element of `out`, at any alignment.
void decode_halves(Bytes codes, std::span<float> out);
void decode_halves_ref(Bytes codes, std::span<float> out);

/// codes: one byte an element of `out`.
void decode_linear(Bytes codes, const LinearStep& step, std::span<float> out);
void decode_linear_ref(Bytes codes, const LinearStep& step, std::span<float> out);

/// The sums of values against their decoded ones; max_steps and saturated stay 0.
[[nodiscard]] ErrorSums compare_values(FloatView values, std::span<const float> decoded);
[[nodiscard]] ErrorSums compare_values_ref(FloatView values, std::span<const float> decoded);

/// |w - decoded| in units of the last place that halves have in w's binade.
[[nodiscard]] float half_steps(float value, float decoded);

/// Name of the vector target that dispatch chooses in this folder.
[[nodiscard]] std::string_view view_vector_target();

}  // namespace visionpress
