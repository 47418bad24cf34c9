#include "kernels/litert_math_ref.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

// litert_math.cc names the source of the constants and of the order of the steps.

namespace visionpress {
namespace {

float fused(float a, float b, float c) { return std::fma(a, b, c); }
float unfused(float a, float b, float c) { return a * b + c; }

float clamp_keeping_nan(float x, float low, float high) {
  if (x < low) return low;
  return x > high ? high : x;
}

float power_of_two(int exponent) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(exponent + 127) << 23U);
}

// Rounds once, because the first product is exact.
float scale_by_power(float value, int exponent) {
  const int first = std::clamp(exponent, -126, 126);
  const int rest = std::clamp(exponent - first, -126, 126);
  return value * power_of_two(first) * power_of_two(rest);
}

float sigmoid_xnnpack(float x) {
  if (std::isnan(x)) return x;
  const float z = -std::fabs(x);
  const float magic = 0x1.800000p18F;
  const float shifted = fused(z, 0x1.715476p0F, magic);
  const float root = kRoots[std::bit_cast<std::uint32_t>(shifted) & 31U];
  const float n = shifted - magic;
  float t = fused(n, -0x1.62E430p-1F, z);
  t = fused(n, 0x1.05C61p-29F, t);
  const float slope = fused(t, 0.5F, 0x1.0000F6p-0F);
  const float value = fused(t * root, slope, root);
  const float whole = std::max(std::floor(n), -512.0F);
  const float e = flush_denormal(scale_by_power(value, static_cast<int>(whole)));
  const float y = flush_denormal(e / (e + 1.0F));
  return x < 0.0F ? y : 1.0F - y;
}

float tanh_xnnpack(float value) {
  const float x = clamp_keeping_nan(value, -7.9807181358e+00F, 7.9807181358e+00F);
  const float x2 = x * x;
  float p = fused(x2, 1.4248920266e-08F, 2.1235626264e-05F);
  p = fused(x2, p, 3.5330520477e-03F);
  p = fused(x2, p, 1.3412411511e-01F);
  p = x * fused(x2, p, 1.0F);
  float q = fused(x2, 8.1365948290e-07F, 3.3472978976e-04F);
  q = fused(x2, q, 2.6018999517e-02F);
  q = fused(x2, q, 4.6745735407e-01F);
  q = fused(x2, q, 1.0F);
  return flush_denormal(p / q);
}

float tanh_builtin(float value) {
  const float x = clamp_keeping_nan(value, -7.90738964080810547F, 7.90738964080810547F);
  const float x2 = x * x;
  const float x3 = x2 * x;
  float p = unfused(1.394553628e-8F, x2, 2.102733560e-5F);
  p = unfused(p, x2, 3.520756727e-3F);
  p = unfused(p, x2, 1.340216100e-1F);
  float q = unfused(8.015776984e-7F, x2, 3.326951409e-4F);
  q = unfused(q, x2, 2.597254514e-2F);
  q = unfused(q, x2, 4.673548340e-1F);
  q = unfused(q, x2, 1.0F);
  return unfused(x3, p, x) / q;
}

// x = m * ln 2 + r, where r is the remainder after subtracting ln 2 in two parts.
struct Reduced {
  float m;
  float r;
};

Reduced reduce_eigen(float x) {
  const float m = std::floor(unfused(x, 1.44269504088896341F, 0.5F));
  const float r = unfused(m, -0.693359375F, x);
  return {m, unfused(m, 2.12194440e-4F, r)};
}

float finish_eigen(const Reduced& at, float even, float odd) {
  const float y = unfused(at.r * at.r, unfused(at.r, odd, even), at.r + 1.0F);
  return scale_by_power(y, static_cast<int>(at.m));
}

float exp_eigen5(float x) {
  const Reduced at = reduce_eigen(x);
  const float r2 = at.r * at.r;
  return finish_eigen(at, unfused(r2, 4.1898667812347412109375e-2F, 0.49999141693115234375F),
                      unfused(r2, 8.33471305668354034423828125e-3F, 0.16666877269744873046875F));
}

float exp_eigen6(float x) {
  const Reduced at = reduce_eigen(x);
  const float r2 = at.r * at.r;
  const float even =
      unfused(r2, 1.37449637986719608306884765625e-3F, 4.166965186595916748046875e-2F);
  return finish_eigen(at, unfused(r2, even, 0.49999988079071044921875F),
                      unfused(r2, 8.36894474923610687255859375e-3F, 0.16666518151760101318359375F));
}

float sigmoid_builtin(float x) {
  if (std::isnan(x)) return x;
  if (x < -104.0F) return 0.0F;
  const float half = exp_eigen5(0.5F * (x > 16.6355324F ? 16.6355324F : x));
  const float e = half * half;
  return e / (1.0F + e);
}

}  // namespace

float flush_denormal(float y) {
  return std::fabs(y) < std::numeric_limits<float>::min() ? std::copysign(0.0F, y) : y;
}

float litert_sigmoid_ref(LitertKernels kernels, float x) {
  return kernels == LitertKernels::Xnnpack ? sigmoid_xnnpack(x) : sigmoid_builtin(x);
}

float litert_tanh_ref(LitertKernels kernels, float x) {
  return kernels == LitertKernels::Xnnpack ? tanh_xnnpack(x) : tanh_builtin(x);
}

float litert_hard_swish_ref(LitertKernels kernels, float x) {
  if (kernels == LitertKernels::Xnnpack) {
    return flush_denormal(clamp_keeping_nan(fused(x, 0x1.555556p-3F, 0.5F), 0.0F, 1.0F) * x);
  }
  const float gate = clamp_keeping_nan(x + 3.0F, 0.0F, 6.0F);
  return x * (1.0F / 6.0F) * gate;
}

float xnnpack_elu_ref(float x) {
  if (!(x < 0.0F)) return flush_denormal(x);
  const float z = std::max(-0x1.154246p+4F, x);
  const float magic = 0x1.8000FEp23F;
  const float shifted = fused(z, 0x1.715476p+0F, magic);
  const float scale = std::bit_cast<float>(std::bit_cast<std::uint32_t>(shifted) << 23U);
  const float n = shifted - magic;
  const float t = fused(n, -0x1.62E430p-1F, z);
  float p = fused(0x1.6B7338p-10F, t, 0x1.12278Ep-7F);
  p = fused(p, t, 0x1.555716p-5F);
  p = fused(p, t, 0x1.5554B0p-3F);
  p = fused(p, t, 0x1.FFFFFEp-2F) * t;
  const float scaled = t * scale;
  return flush_denormal(fused(p, scaled, scaled) + (scale - 1.0F));
}

float xnnpack_exp_ref(float x) {
  if (x < -0x1.5D589Ep6F) return 0.0F;
  const float magic = 0x1.8000FEp23F;
  const float shifted = fused(x, 0x1.715476p+0F, magic);
  const float scale = std::bit_cast<float>(std::bit_cast<std::uint32_t>(shifted) << 23U);
  const float n = shifted - magic;
  float t = fused(n, -0x1.62E400p-1F, x);
  t = fused(n, -0x1.7F7D1Cp-20F, t);
  float p = fused(0x1.0F9F9Cp-7F, t, 0x1.573A1Ap-5F);
  p = fused(p, t, 0x1.555A80p-3F);
  p = fused(p, t, 0x1.FFFDC6p-2F);
  p = fused(p, t, 0x1.FFFFF6p-1F);
  return fused(t * scale, p, scale);
}

float builtin_exp_ref(float x) {
  if (x < -104.0F) return 0.0F;
  return exp_eigen6(x > -110.0F ? x : -110.0F);  // NaN becomes -110 too
}

}  // namespace visionpress
