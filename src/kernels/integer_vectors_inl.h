// Sums of codes as codes, for the integer kernels of this folder. Compiled once per instruction set
// like float_vectors_inl.h.
#if defined(VISIONPRESS_KERNELS_INTEGER_VECTORS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef VISIONPRESS_KERNELS_INTEGER_VECTORS_INL_H_
#undef VISIONPRESS_KERNELS_INTEGER_VECTORS_INL_H_
#else
#define VISIONPRESS_KERNELS_INTEGER_VECTORS_INL_H_
#endif

#include "kernels/float_vectors_inl.h"
#include "kernels/integer_sums.h"

HWY_BEFORE_NAMESPACE();
namespace visionpress {
namespace HWY_NAMESPACE {
namespace {

// XNNPACK's codes of one vector of sums, each in 0..255.
HWY_INLINE IntVector xnnpack_codes(IntVector sums, FloatVector scales, const SumsToCodes& how) {
  const FloatTag d;
  const auto low = hn::Set(d, static_cast<float>(how.low - how.zero));
  const auto high = hn::Set(d, static_cast<float>(how.high - how.zero));
  const auto scaled = hn::Mul(hn::ConvertTo(d, sums), scales);
  return hn::Add(hn::NearestInt(hn::Max(hn::Min(scaled, high), low)), hn::Set(IntTag(), how.zero));
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace visionpress
HWY_AFTER_NAMESPACE();

#endif  // the toggled guard
