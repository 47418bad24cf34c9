#include "kernels/litert_math.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/litert_math.cc"
#include <hwy/foreach_target.h>

#include "kernels/float_vectors_inl.h"
#include "kernels/litert_math_ref.h"

HWY_BEFORE_NAMESPACE();
namespace visionpress {
namespace HWY_NAMESPACE {
namespace {

// The constants and the order of the steps are the runtime's, because results must match it bit for
// bit: a more accurate function would be wrong here. source: XNNPACK's f32-vsigmoid
// (avx512-rr2-lut32-p2), f32-velu (avx512-rr1-p6), f32-raddstoreexpminusmax (rr2-p5) and f32-vtanh
// (rational-9-8); Eigen's GenericPacketMathFunctions.h (exp, tanh) and functors/UnaryFunctors.h
// (logistic).

FloatVector set(float value) { return hn::Set(FloatTag(), value); }

// a * b + c: XNNPACK rounds once, Eigen for SSE rounds after each step.
FloatVector fused(FloatVector a, FloatVector b, FloatVector c) {
  return multiply_add<true>(a, b, c);
}
FloatVector unfused(FloatVector a, FloatVector b, FloatVector c) {
  return multiply_add<false>(a, b, c);
}

// XNNPACK runs with denormal results flushed to zero.
FloatVector flush(FloatVector y) {
  const FloatTag d;
  const auto tiny = hn::Lt(hn::Abs(y), set(std::numeric_limits<float>::min()));
  return hn::IfThenElse(tiny, hn::And(y, hn::BitCast(d, hn::Set(IntTag(), INT32_MIN))), y);
}

// Computes 2^exponent for exponents in -126..127.
FloatVector power_of_two(IntVector exponent) {
  const auto bits = hn::ShiftLeft<23>(hn::Add(exponent, hn::Set(IntTag(), 127)));
  return hn::BitCast(FloatTag(), bits);
}

// Computes value * 2^exponent, rounded once: value is in [1/2, 4], so the first product is exact.
FloatVector scale_by_power(FloatVector value, IntVector exponent) {
  const IntTag di;
  const auto first = hn::Min(hn::Max(exponent, hn::Set(di, -126)), hn::Set(di, 126));
  const auto rest = hn::Max(hn::Min(hn::Sub(exponent, first), hn::Set(di, 126)), hn::Set(di, -126));
  return hn::Mul(hn::Mul(value, power_of_two(first)), power_of_two(rest));
}

// Computes e = e^-|x| from a table of 2^(n/32) and a parabola, then e / (1 + e).
FloatVector sigmoid_xnnpack(FloatVector x) {
  const FloatTag d;
  const IntTag di;
  const auto z = hn::Neg(hn::Abs(x));
  const auto magic = set(0x1.800000p18F);
  const auto shifted = fused(z, set(0x1.715476p0F), magic);
  const auto bits = hn::BitCast(di, shifted);
  const auto root = hn::GatherIndex(d, kRoots.data(), hn::And(bits, hn::Set(di, 31)));
  const auto n = hn::Sub(shifted, magic);
  auto t = fused(n, set(-0x1.62E430p-1F), z);
  t = fused(n, set(0x1.05C61p-29F), t);
  const auto slope = fused(t, set(0.5F), set(0x1.0000F6p-0F));
  const auto value = fused(hn::Mul(t, root), slope, root);
  const auto whole = hn::Max(hn::Floor(n), set(-512.0F));
  // A denormal e^-|x| becomes 0.
  const auto e = flush(scale_by_power(value, hn::ConvertTo(di, whole)));
  const auto y = flush(hn::Div(e, hn::Add(e, set(1.0F))));
  return hn::IfThenElse(hn::Lt(x, hn::Zero(d)), y, hn::Sub(set(1.0F), y));
}

// Computes e^x for |x| <= 88; the polynomial for the fraction is split into even and odd terms.
template <int kDegree>
FloatVector exp_eigen(FloatVector x) {
  const IntTag di;
  const auto m = hn::Floor(unfused(x, set(1.44269504088896341F), set(0.5F)));
  auto r = unfused(m, set(-0.693359375F), x);
  r = unfused(m, set(2.12194440e-4F), r);
  const auto r2 = hn::Mul(r, r);
  auto even = set(0.0F);
  auto odd = set(0.0F);
  if constexpr (kDegree == 6) {
    even =
        unfused(r2, set(1.37449637986719608306884765625e-3F), set(4.166965186595916748046875e-2F));
    odd = unfused(r2, set(8.36894474923610687255859375e-3F), set(0.16666518151760101318359375F));
    even = unfused(r2, even, set(0.49999988079071044921875F));
  } else {
    even = unfused(r2, set(4.1898667812347412109375e-2F), set(0.49999141693115234375F));
    odd = unfused(r2, set(8.33471305668354034423828125e-3F), set(0.16666877269744873046875F));
  }
  const auto low = hn::Add(r, set(1.0F));
  const auto y = unfused(r2, unfused(r, odd, even), low);
  return scale_by_power(y, hn::ConvertTo(di, m));
}

FloatVector sigmoid_builtin(FloatVector x) {
  const FloatTag d;
  const auto bounded = hn::IfThenElse(hn::Gt(x, set(16.6355324F)), set(16.6355324F), x);
  const auto safe = hn::Max(bounded, set(-200.0F));  // keeps the exponent an integer; 0 below
  const auto half = exp_eigen<5>(hn::Mul(safe, set(0.5F)));
  const auto e = hn::Mul(half, half);
  const auto y = hn::Div(e, hn::Add(set(1.0F), e));
  const auto known = hn::IfThenElse(hn::Lt(x, set(-104.0F)), hn::Zero(d), y);
  return hn::IfThenElse(hn::Eq(x, x), known, x);  // Ne of NaN is false on AVX2
}

// A rational function of degree 9 over 8.
FloatVector tanh_xnnpack(FloatVector value) {
  const auto x = clamp_keeping_nan(value, -7.9807181358e+00F, 7.9807181358e+00F);
  const auto x2 = hn::Mul(x, x);
  auto p = fused(x2, set(1.4248920266e-08F), set(2.1235626264e-05F));
  p = fused(x2, p, set(3.5330520477e-03F));
  p = fused(x2, p, set(1.3412411511e-01F));
  p = hn::Mul(x, fused(x2, p, set(1.0F)));
  auto q = fused(x2, set(8.1365948290e-07F), set(3.3472978976e-04F));
  q = fused(x2, q, set(2.6018999517e-02F));
  q = fused(x2, q, set(4.6745735407e-01F));
  q = fused(x2, q, set(1.0F));
  return flush(hn::Div(p, q));
}

FloatVector tanh_builtin(FloatVector value) {
  const auto x = clamp_keeping_nan(value, -7.90738964080810547F, 7.90738964080810547F);
  const auto x2 = hn::Mul(x, x);
  const auto x3 = hn::Mul(x2, x);
  auto p = unfused(set(1.394553628e-8F), x2, set(2.102733560e-5F));
  p = unfused(p, x2, set(3.520756727e-3F));
  p = unfused(p, x2, set(1.340216100e-1F));
  auto q = unfused(set(8.015776984e-7F), x2, set(3.326951409e-4F));
  q = unfused(q, x2, set(2.597254514e-2F));
  q = unfused(q, x2, set(4.673548340e-1F));
  q = unfused(q, x2, set(1.0F));
  return hn::Div(unfused(x3, p, x), q);
}

FloatVector hard_swish_xnnpack(FloatVector x) {
  const auto gate = clamp_keeping_nan(fused(x, set(0x1.555556p-3F), set(0.5F)), 0.0F, 1.0F);
  return flush(hn::Mul(gate, x));
}

FloatVector hard_swish_builtin(FloatVector x) {
  const auto gate = clamp_keeping_nan(hn::Add(x, set(3.0F)), 0.0F, 6.0F);
  return hn::Mul(hn::Mul(x, set(1.0F / 6.0F)), gate);
}

FloatVector elu_xnnpack(FloatVector x) {
  const FloatTag d;
  const IntTag di;
  const auto z = hn::Max(set(-0x1.154246p+4F), x);
  const auto magic = set(0x1.8000FEp23F);
  const auto shifted = fused(z, set(0x1.715476p+0F), magic);
  const auto scale = hn::BitCast(d, hn::ShiftLeft<23>(hn::BitCast(di, shifted)));
  const auto n = hn::Sub(shifted, magic);
  const auto t = fused(n, set(-0x1.62E430p-1F), z);
  auto p = fused(set(0x1.6B7338p-10F), t, set(0x1.12278Ep-7F));
  p = fused(p, t, set(0x1.555716p-5F));
  p = fused(p, t, set(0x1.5554B0p-3F));
  p = hn::Mul(fused(p, t, set(0x1.FFFFFEp-2F)), t);
  const auto scaled = hn::Mul(t, scale);
  const auto y = hn::Add(fused(p, scaled, scaled), hn::Sub(scale, set(1.0F)));
  return flush(hn::IfThenElse(hn::Lt(x, hn::Zero(d)), y, x));
}

// Computes e^x for x <= 0.
FloatVector exp_xnnpack(FloatVector x) {
  const FloatTag d;
  const IntTag di;
  const auto magic = set(0x1.8000FEp23F);
  const auto shifted = fused(x, set(0x1.715476p+0F), magic);
  const auto scale = hn::BitCast(d, hn::ShiftLeft<23>(hn::BitCast(di, shifted)));
  const auto n = hn::Sub(shifted, magic);
  auto t = fused(n, set(-0x1.62E400p-1F), x);
  t = fused(n, set(-0x1.7F7D1Cp-20F), t);
  auto p = fused(set(0x1.0F9F9Cp-7F), t, set(0x1.573A1Ap-5F));
  p = fused(p, t, set(0x1.555A80p-3F));
  p = fused(p, t, set(0x1.FFFDC6p-2F));
  p = fused(p, t, set(0x1.FFFFF6p-1F));
  const auto y = fused(hn::Mul(t, scale), p, scale);
  return hn::IfThenElse(hn::Lt(x, set(-0x1.5D589Ep6F)), hn::Zero(d), y);
}

#if HWY_TARGET <= HWY_AVX3 && HWY_ARCH_X86
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Computes 1 / sqrt(x) from the instruction set's 14-bit estimate and one Newton step.
FloatVector rsqrt_xnnpack(FloatVector x) {
  const auto estimate = hn::ApproximateReciprocalSqrt(x);
  const auto error = hn::Sub(hn::Mul(x, hn::Mul(estimate, estimate)), set(1.0F));
  const auto y = hn::Sub(estimate, hn::Mul(error, hn::Mul(set(0.5F), estimate)));
  return hn::IfThenZeroElse(hn::Eq(x, set(kInfinity)), y);  // infinity times an estimate of 0
}
FloatVector sqrt_xnnpack(FloatVector x) {
  const FloatTag d;
  const auto root = hn::IfThenZeroElse(hn::Eq(x, hn::Zero(d)), rsqrt_xnnpack(x));
  return hn::IfThenElse(hn::Eq(x, set(kInfinity)), x, hn::Mul(x, root));
}
#else
FloatVector rsqrt_xnnpack(FloatVector x) { return hn::Div(set(1.0F), hn::Sqrt(x)); }
FloatVector sqrt_xnnpack(FloatVector x) { return hn::Sqrt(x); }
#endif

template <typename Function>
void map_vectors(const float* x, std::size_t count, float* y, const Function& function) {
  const FloatTag d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) hn::StoreU(function(hn::LoadU(d, x + i)), d, y + i);
  if (i == count) return;
  HWY_ALIGN float values[HWY_MAX_BYTES / sizeof(float)] = {};
  std::copy(x + i, x + count, values);
  hn::Store(function(hn::Load(d, values)), d, values);
  std::copy(values, values + (count - i), y + i);
}

void sigmoid_loop(LitertKernels kernels, const float* x, std::size_t count, float* y) {
  kernels == LitertKernels::Xnnpack ? map_vectors(x, count, y, sigmoid_xnnpack)
                                    : map_vectors(x, count, y, sigmoid_builtin);
}
void tanh_loop(LitertKernels kernels, const float* x, std::size_t count, float* y) {
  kernels == LitertKernels::Xnnpack ? map_vectors(x, count, y, tanh_xnnpack)
                                    : map_vectors(x, count, y, tanh_builtin);
}
void hard_swish_loop(LitertKernels kernels, const float* x, std::size_t count, float* y) {
  kernels == LitertKernels::Xnnpack ? map_vectors(x, count, y, hard_swish_xnnpack)
                                    : map_vectors(x, count, y, hard_swish_builtin);
}
void elu_loop(const float* x, std::size_t count, float* y) {
  map_vectors(x, count, y, elu_xnnpack);
}
void sqrt_loop(const float* x, std::size_t count, float* y) {
  map_vectors(x, count, y, sqrt_xnnpack);
}
void rsqrt_loop(const float* x, std::size_t count, float* y) {
  map_vectors(x, count, y, rsqrt_xnnpack);
}
// y = e^(x - largest), with XNNPACK's exponential.
void exp_below_loop(const float* x, std::size_t count, float largest, float* y) {
  map_vectors(x, count, y,
              [largest](FloatVector v) { return exp_xnnpack(hn::Sub(v, set(largest))); });
}
// y = e^y for y <= 0, with Eigen's exponential.
void exp_eigen_loop(std::size_t count, float* y) {
  map_vectors(y, count, y, [](FloatVector v) {
    const auto e = exp_eigen<6>(hn::Max(v, set(-110.0F)));
    return hn::IfThenElse(hn::Lt(v, set(-104.0F)), hn::Zero(FloatTag()), e);
  });
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace visionpress
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace visionpress {

HWY_EXPORT(sigmoid_loop);
HWY_EXPORT(tanh_loop);
HWY_EXPORT(hard_swish_loop);
HWY_EXPORT(elu_loop);
HWY_EXPORT(sqrt_loop);
HWY_EXPORT(rsqrt_loop);
HWY_EXPORT(exp_below_loop);
HWY_EXPORT(exp_eigen_loop);

namespace {

constexpr std::size_t kWide = 16;   // floats per AVX-512 vector
constexpr std::size_t kPacket = 4;  // floats per SSE vector

using WideSums = std::array<float, kWide>;

void add_to(WideSums& sums, const float* x) {
  for (std::size_t i = 0; i < kWide; ++i) sums[i] += x[i];
}

void add_to(WideSums& sums, const WideSums& other) { add_to(sums, other.data()); }

// Adds the upper half to the lower half until one value is left.
float reduce(const WideSums& sums) {
  std::array<float, kWide> v = sums;
  for (std::size_t half = kWide / 2; half > 0; half /= 2) {
    for (std::size_t i = 0; i < half; ++i) v[i] += v[i + half];
  }
  return v[0];
}

// Adds the last, incomplete vector of a line lane by lane, before the lanes are reduced.
float finish_sum(WideSums sums, const float* x, std::size_t rest) {
  for (std::size_t i = 0; i < rest; ++i) sums[i] += x[i];
  return reduce(sums);
}

// Adds exponentials in the order of XNNPACK's softmax: two running sums over blocks of 64.
float sum_exponentials(const float* x, std::size_t count) {
  WideSums even = {};
  WideSums odd = {};
  std::size_t i = 0;
  for (; i + 4 * kWide <= count; i += 4 * kWide) {
    add_to(even, x + i);
    add_to(odd, x + i + kWide);
    add_to(even, x + i + 2 * kWide);
    add_to(odd, x + i + 3 * kWide);
  }
  add_to(even, odd);
  for (; i + kWide <= count; i += kWide) add_to(even, x + i);
  return finish_sum(even, x + i, count - i);
}

// Eigen's sum of a column that starts `head` values before a multiple of 16 bytes.
float sum_packets(const float* x, std::size_t count, std::size_t head) {
  head = std::min(head, count);
  const std::size_t packed = (count - head) / kPacket * kPacket;
  if (packed == 0) {
    float sum = x[0];
    for (std::size_t i = 1; i < count; ++i) sum += x[i];
    return sum;
  }
  const float* body = x + head;
  std::array<float, kPacket> even = {};
  std::array<float, kPacket> odd = {};
  std::copy(body, body + kPacket, even.begin());
  const auto add_packet = [](std::array<float, kPacket>& sums, const float* values) {
    for (std::size_t i = 0; i < kPacket; ++i) sums[i] += values[i];
  };
  if (packed > kPacket) {
    std::copy(body + kPacket, body + 2 * kPacket, odd.begin());
    const std::size_t pairs = packed / (2 * kPacket) * (2 * kPacket);
    for (std::size_t i = 2 * kPacket; i < pairs; i += 2 * kPacket) {
      add_packet(even, body + i);
      add_packet(odd, body + i + kPacket);
    }
    add_packet(even, odd.data());
    if (packed > pairs) add_packet(even, body + pairs);
  }
  float sum = (even[0] + even[2]) + (even[1] + even[3]);
  for (std::size_t i = 0; i < head; ++i) sum += x[i];
  for (std::size_t i = head + packed; i < count; ++i) sum += x[i];
  return sum;
}

// y[i] = f(x[i]), for VP_FORCE_ISA=scalar.
template <typename Function>
void map_scalar(const float* x, std::size_t count, float* y, const Function& function) {
  std::transform(x, x + count, y, function);
}

// The number of values that Eigen handles in whole vectors; it uses scalar functions for the rest
// of a tensor.
std::size_t packed_count(std::size_t count) { return count / kPacket * kPacket; }

}  // namespace

void litert_sigmoid(LitertKernels kernels, const float* x, std::size_t count, float* y) {
  const std::size_t packed = kernels == LitertKernels::Xnnpack ? count : packed_count(count);
  if (active_isa() == Isa::Scalar) {
    map_scalar(x, packed, y, [kernels](float v) { return litert_sigmoid_ref(kernels, v); });
  } else {
    HWY_DYNAMIC_DISPATCH(sigmoid_loop)(kernels, x, packed, y);
  }
  for (std::size_t i = packed; i < count; ++i) {
    const float e = std::exp(16.6355324F < x[i] ? 16.6355324F : x[i]);
    y[i] = e / (1.0F + e);
  }
}

void litert_tanh(LitertKernels kernels, const float* x, std::size_t count, float* y) {
  if (active_isa() == Isa::Scalar) {
    map_scalar(x, count, y, [kernels](float v) { return litert_tanh_ref(kernels, v); });
  } else {
    HWY_DYNAMIC_DISPATCH(tanh_loop)(kernels, x, count, y);
  }
}

void litert_hard_swish(LitertKernels kernels, const float* x, std::size_t count, float* y) {
  const std::size_t packed = kernels == LitertKernels::Xnnpack ? count : packed_count(count);
  if (active_isa() == Isa::Scalar) {
    map_scalar(x, packed, y, [kernels](float v) { return litert_hard_swish_ref(kernels, v); });
  } else {
    HWY_DYNAMIC_DISPATCH(hard_swish_loop)(kernels, x, packed, y);
  }
  for (std::size_t i = packed; i < count; ++i)
    y[i] = x[i] * std::min(6.0F, std::max(0.0F, x[i] + 3.0F)) * (1.0F / 6.0F);
}

void xnnpack_elu(const float* x, std::size_t count, float* y) {
  if (active_isa() == Isa::Scalar) {
    map_scalar(x, count, y, xnnpack_elu_ref);
  } else {
    HWY_DYNAMIC_DISPATCH(elu_loop)(x, count, y);
  }
}

void xnnpack_sqrt(const float* x, std::size_t count, float* y) {
  if (active_isa() == Isa::Scalar) {
    map_scalar(x, count, y, [](float v) { return std::sqrt(v); });
  } else {
    HWY_DYNAMIC_DISPATCH(sqrt_loop)(x, count, y);
  }
}

void xnnpack_rsqrt(const float* x, std::size_t count, float* y) {
  if (active_isa() == Isa::Scalar) {
    map_scalar(x, count, y, [](float v) { return 1.0F / std::sqrt(v); });
  } else {
    HWY_DYNAMIC_DISPATCH(rsqrt_loop)(x, count, y);
  }
}

void xnnpack_softmax(const float* x, std::size_t count, float* y) {
  float largest = x[0];
  for (std::size_t i = 1; i < count; ++i) largest = std::max(largest, x[i]);
  if (active_isa() == Isa::Scalar) {
    map_scalar(x, count, y, [largest](float v) { return xnnpack_exp_ref(v - largest); });
  } else {
    HWY_DYNAMIC_DISPATCH(exp_below_loop)(x, count, largest, y);
  }
  const float scale = 1.0F / sum_exponentials(y, count);
  for (std::size_t i = 0; i < count; ++i) y[i] = flush_denormal(y[i] * scale);
}

void builtin_softmax(const float* x, std::size_t rows, std::size_t count, float beta, float* y) {
  for (std::size_t row = 0; row < rows; ++row) {
    const float* from = x + row * count;
    float* to = y + row * count;
    float largest = from[0];
    for (std::size_t i = 1; i < count; ++i) largest = std::max(largest, from[i]);
    for (std::size_t i = 0; i < count; ++i) to[i] = (from[i] - largest) * beta;
  }
  const std::size_t packed = packed_count(rows * count);
  if (active_isa() == Isa::Scalar) {
    map_scalar(y, packed, y, builtin_exp_ref);
  } else {
    HWY_DYNAMIC_DISPATCH(exp_eigen_loop)(packed, y);
  }
  for (std::size_t i = packed; i < rows * count; ++i) y[i] = std::exp(y[i]);
  for (std::size_t row = 0; row < rows; ++row) {
    float* to = y + row * count;
    const float scale = 1.0F / builtin_line_sum(to, count, row * count);
    for (std::size_t i = 0; i < count; ++i) to[i] *= scale;
  }
}

float builtin_line_sum(const float* x, std::size_t count, std::size_t offset) {
  return sum_packets(x, count, (kPacket - offset % kPacket) % kPacket);
}

float xnnpack_sum(const float* x, std::size_t count) {
  WideSums even = {};
  WideSums odd = {};
  std::size_t i = 0;
  for (; i + 2 * kWide <= count; i += 2 * kWide) {
    add_to(even, x + i);
    add_to(odd, x + i + kWide);
  }
  if (i + kWide <= count) {
    add_to(even, x + i);
    i += kWide;
  }
  add_to(even, odd);
  return finish_sum(even, x + i, count - i);
}

}  // namespace visionpress
#endif  // HWY_ONCE
