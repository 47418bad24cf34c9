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
#if HWY_TARGET == HWY_AVX3_DL && HWY_COMPILER_GCC_ACTUAL
// The target's flags as Highway 1.0.3 names them lack VNNI, which it checks for at run time.
#pragma GCC target("avx512vnni")
#endif
namespace visionpress {
namespace HWY_NAMESPACE {
namespace {

// sum += the four products of unsigned codes and signed weights in each lane.
HWY_INLINE IntVector add_quads(IntVector sum, IntVector codes, IntVector weights) {
#if HWY_TARGET == HWY_AVX3_DL && HWY_COMPILER_GCC_ACTUAL
  return IntVector{_mm512_dpbusd_epi32(sum.raw, codes.raw, weights.raw)};
#elif HWY_TARGET == HWY_AVX3_DL
  asm("vpdpbusd %2, %1, %0" : "+v"(sum.raw) : "v"(codes.raw), "v"(weights.raw));
  return sum;
#elif HWY_ARCH_X86 && HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128
  // Pairs of 16-bit products: the first and third code of each lane, then the second and fourth.
  const hn::RepartitionToNarrow<IntTag> d16;
  const hn::RebindToUnsigned<decltype(d16)> du16;
  const IntTag d;
  const auto even_codes = hn::BitCast(d16, hn::And(codes, hn::Set(d, 0x00FF00FF)));
  const auto odd_codes = hn::BitCast(d16, hn::ShiftRight<8>(hn::BitCast(du16, codes)));
  const auto both = hn::BitCast(d16, weights);
  auto unused = hn::Zero(d);
  sum = hn::ReorderWidenMulAccumulate(d, even_codes, hn::ShiftRight<8>(hn::ShiftLeft<8>(both)), sum,
                                      unused);
  return hn::ReorderWidenMulAccumulate(d, odd_codes, hn::ShiftRight<8>(both), sum, unused);
#else
  const IntTag d;
  const hn::RebindToUnsigned<IntTag> du;
  const auto byte = hn::Set(d, 255);
  const auto u = hn::BitCast(du, codes);
  const auto code = [&](auto shifted) { return hn::And(hn::BitCast(d, shifted), byte); };
  sum = hn::Add(sum, hn::Mul(code(u), hn::ShiftRight<24>(hn::ShiftLeft<24>(weights))));
  sum = hn::Add(
      sum, hn::Mul(code(hn::ShiftRight<8>(u)), hn::ShiftRight<24>(hn::ShiftLeft<16>(weights))));
  sum = hn::Add(
      sum, hn::Mul(code(hn::ShiftRight<16>(u)), hn::ShiftRight<24>(hn::ShiftLeft<8>(weights))));
  return hn::Add(sum, hn::Mul(code(hn::ShiftRight<24>(u)), hn::ShiftRight<24>(weights)));
#endif
}

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
