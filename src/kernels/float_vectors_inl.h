// Float vectors of the instruction set that is being compiled, shared by the float kernels of this
// folder. Highway compiles this header once per instruction set, together with the .cc file that
// includes it, so the include guard is toggled instead of defined once.
#if defined(VISIONPRESS_KERNELS_FLOAT_VECTORS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef VISIONPRESS_KERNELS_FLOAT_VECTORS_INL_H_
#undef VISIONPRESS_KERNELS_FLOAT_VECTORS_INL_H_
#else
#define VISIONPRESS_KERNELS_FLOAT_VECTORS_INL_H_
#endif

#include <hwy/highway.h>

#include "kernels/isa.h"

HWY_BEFORE_NAMESPACE();
namespace visionpress {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using FloatTag = hn::ScalableTag<float>;
using IntTag = hn::RebindToSigned<FloatTag>;
using FloatVector = hn::Vec<FloatTag>;
using IntVector = hn::Vec<IntTag>;

/// a * b + c, rounded once (kFused) or after each step.
template <bool kFused>
HWY_INLINE FloatVector multiply_add(FloatVector a, FloatVector b, FloatVector c) {
  if constexpr (kFused) return hn::MulAdd(a, b, c);
  return hn::Add(hn::Mul(a, b), c);
}

/// Clamps and passes NaN on. Uses comparisons, because Max and Min of NaN differ between
/// processors.
HWY_INLINE FloatVector clamp_keeping_nan(FloatVector x, float low, float high) {
  const FloatTag d;
  const auto least = hn::Set(d, low);
  const auto most = hn::Set(d, high);
  const auto above = hn::IfThenElse(hn::Lt(x, least), least, x);
  return hn::IfThenElse(hn::Gt(above, most), most, above);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace visionpress
HWY_AFTER_NAMESPACE();

#endif  // the toggled guard
