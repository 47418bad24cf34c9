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

/// Clamps and passes NaN on. x86's max and min return the second operand where one is NaN or both
/// are zeros; other processors need comparisons.
HWY_INLINE FloatVector clamp_keeping_nan(FloatVector x, float low, float high) {
  const FloatTag d;
  const auto least = hn::Set(d, low);
  const auto most = hn::Set(d, high);
#if HWY_ARCH_X86
  return hn::Min(most, hn::Max(least, x));
#else
  const auto above = hn::IfThenElse(hn::Lt(x, least), least, x);
  return hn::IfThenElse(hn::Gt(above, most), most, above);
#endif
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace visionpress
HWY_AFTER_NAMESPACE();

#endif  // the toggled guard
