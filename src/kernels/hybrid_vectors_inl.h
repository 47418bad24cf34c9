// Sums of codes as floats, for the hybrid kernels of this folder. Compiled once per instruction set
// like float_vectors_inl.h.
#if defined(VISIONPRESS_KERNELS_HYBRID_VECTORS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef VISIONPRESS_KERNELS_HYBRID_VECTORS_INL_H_
#undef VISIONPRESS_KERNELS_HYBRID_VECTORS_INL_H_
#else
#define VISIONPRESS_KERNELS_HYBRID_VECTORS_INL_H_
#endif

#include "kernels/float_vectors_inl.h"
#include "kernels/hybrid_kernels.h"

HWY_BEFORE_NAMESPACE();
namespace visionpress {
namespace HWY_NAMESPACE {
namespace {

// XNNPACK's codes + 128 of a vector, each in 0..255. zero: zero point + 128.
HWY_INLINE IntVector even_codes(FloatVector x, FloatVector inverse, IntVector zero) {
  const FloatTag d;
  const IntTag di;
  // Keeps the conversion to integers defined; the clamp below sets the result.
  const auto bound = hn::Set(d, 32767.0F);
  const auto bounded = hn::Max(hn::Min(hn::Mul(x, inverse), bound), hn::Neg(bound));
  const auto code = hn::Add(hn::NearestInt(bounded), zero);
  return hn::Min(hn::Max(code, hn::Zero(di)), hn::Set(di, 255));
}

// Stores the low byte of each lane; each lane holds a code in 0..255.
HWY_INLINE void store_codes(IntVector codes, std::uint8_t* out) {
  const hn::Rebind<std::uint8_t, IntTag> d8;
  hn::StoreU(hn::DemoteTo(d8, codes), d8, out);
}

// The constants of one vector of output channels.
struct Channels {
  IntVector offset;  // code_zero * kernel_sums
  FloatVector scale;
  FloatVector bias;
};

template <ScaleOrder kOrder>
HWY_INLINE FloatVector to_float(IntVector raw, const Channels& channels,
                                const Dequantization& how) {
  const FloatTag d;
  const auto whole_sum = hn::Sub(raw, channels.offset);
  const auto sum = hn::ConvertTo(d, whole_sum);
  constexpr bool kFused = kOrder == ScaleOrder::InputFused;
  const auto input_scale = hn::Set(d, how.input_scale);
  auto y = sum;
  if constexpr (kOrder == ScaleOrder::KernelThenInput) {
    y = hn::Add(hn::Mul(hn::Mul(sum, channels.scale), input_scale), channels.bias);
  } else if constexpr (kOrder == ScaleOrder::ShiftedKernel) {
    const std::int32_t shift = kKernelShift * how.input_sum;
    const auto shifted = hn::ConvertTo(d, hn::Add(whole_sum, hn::Set(IntTag(), shift)));
    const auto first = hn::Set(d, static_cast<float>(-shift) * how.input_scale);
    y = hn::Add(hn::Add(hn::Mul(first, channels.scale), channels.bias),
                hn::Mul(hn::Mul(shifted, input_scale), channels.scale));
  } else {
    const auto scaled = kFused ? hn::Mul(sum, input_scale) : sum;
    y = multiply_add<kFused>(scaled, channels.scale, channels.bias);
  }
  y = hn::IfThenElse(hn::Lt(y, hn::Zero(d)), hn::Mul(y, hn::Set(d, how.slope)), y);
  // XNNPACK turns NaN into the lower bound.
  if constexpr (kFused) y = hn::IfThenElse(hn::Eq(y, y), y, hn::Set(d, how.low));
  return clamp_keeping_nan(y, how.low, how.high);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace visionpress
HWY_AFTER_NAMESPACE();

#endif  // the toggled guard
