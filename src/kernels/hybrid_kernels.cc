#include "kernels/hybrid_kernels.h"

#include <algorithm>
#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/hybrid_kernels.cc"
#include <hwy/foreach_target.h>

#include "kernels/hybrid_vectors_inl.h"

HWY_BEFORE_NAMESPACE();
namespace visionpress {
namespace HWY_NAMESPACE {
namespace {

void find_range(const float* x, std::size_t count, float* low, float* high) {
  const FloatTag d;
  const std::size_t lanes = hn::Lanes(d);
  auto low0 = hn::Zero(d);
  auto low1 = low0;
  auto high0 = low0;
  auto high1 = low0;
  std::size_t i = 0;
  for (; i + 2 * lanes <= count; i += 2 * lanes) {
    const auto a = hn::LoadU(d, x + i);
    const auto b = hn::LoadU(d, x + i + lanes);
    low0 = hn::Min(a, low0);  // in this operand order x86 ignores NaN, as the loop below does
    low1 = hn::Min(b, low1);
    high0 = hn::Max(a, high0);
    high1 = hn::Max(b, high1);
  }
  *low = hn::GetLane(hn::MinOfLanes(d, hn::Min(low0, low1)));
  *high = hn::GetLane(hn::MaxOfLanes(d, hn::Max(high0, high1)));
  for (; i < count; ++i) {
    *low = std::min(*low, x[i]);
    *high = std::max(*high, x[i]);
  }
}

void quantize_even_loop(const float* x, std::size_t count, float inverse, std::int32_t zero_point,
                        std::uint8_t* codes) {
  const FloatTag d;
  const IntTag di;
  const std::size_t lanes = hn::Lanes(d);
  const auto scale = hn::Set(d, inverse);
  const auto zero = hn::Set(di, zero_point + 128);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes)
    store_codes(even_codes(hn::LoadU(d, x + i), scale, zero), codes + i);
  if (i < count) {
    HWY_ALIGN float values[HWY_MAX_BYTES / sizeof(float)] = {};
    HWY_ALIGN std::uint8_t tail[HWY_MAX_BYTES / sizeof(float)];
    std::copy(x + i, x + count, values);
    store_codes(even_codes(hn::Load(d, values), scale, zero), tail);
    std::copy(tail, tail + (count - i), codes + i);
  }
}

// round(x * inverse) as the runtime's vector body rounds, so that the code lies within its limits.
HWY_INLINE FloatVector round_away_body(FloatVector x, const AwayRounding& rounding) {
  const FloatTag d;
  const auto bound = hn::Set(d, 32767.0F);
  const auto bounded =
      hn::Min(hn::Max(hn::Mul(x, hn::Set(d, rounding.inverse)), hn::Neg(bound)), bound);
  const auto rounded = hn::Trunc(hn::Add(bounded, hn::CopySign(hn::Set(d, 0.5F), bounded)));
  const auto least = hn::Set(d, static_cast<float>(rounding.lowest - rounding.zero_point));
  const auto most = hn::Set(d, static_cast<float>(127 - rounding.zero_point));
  // Adding zero makes -0 what the other loops have: 0.
  return hn::Add(hn::Min(hn::Max(rounded, least), most), hn::Zero(d));
}

// The values that no whole vector holds, and those of the runtime's scalar tail.
float round_away_one(float x, const AwayRounding& rounding) {
  const float bounded = std::min(std::max(x * rounding.inverse, -32767.0F), 32767.0F);
  const float rounded = rounding.is_tail ? std::round(bounded)
                                         : std::trunc(bounded + (bounded < 0.0F ? -0.5F : 0.5F));
  const auto least = static_cast<float>(rounding.lowest - rounding.zero_point);
  const auto most = static_cast<float>(127 - rounding.zero_point);
  return std::min(std::max(rounded, least), most) + 0.0F;
}

void round_away_loop(const float* x, std::size_t count, const AwayRounding& rounding, float* y) {
  const FloatTag d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (; !rounding.is_tail && i + lanes <= count; i += lanes)
    hn::StoreU(round_away_body(hn::LoadU(d, x + i), rounding), d, y + i);
  for (; i < count; ++i) y[i] = round_away_one(x[i], rounding);
}

void quantize_away_loop(const float* x, std::size_t count, const AwayRounding& rounding,
                        std::uint8_t* codes) {
  const FloatTag d;
  const IntTag di;
  const std::size_t lanes = hn::Lanes(d);
  const auto zero = hn::Set(di, rounding.zero_point + 128);
  std::size_t i = 0;
  for (; !rounding.is_tail && i + lanes <= count; i += lanes) {
    const auto rounded = round_away_body(hn::LoadU(d, x + i), rounding);
    store_codes(hn::Add(hn::ConvertTo(di, rounded), zero), codes + i);
  }
  for (; i < count; ++i) {
    const auto code = static_cast<std::int32_t>(round_away_one(x[i], rounding));
    codes[i] = static_cast<std::uint8_t>(code + rounding.zero_point + 128);
  }
}

void max_of_blocks_loop(const float* row, const float* next, std::size_t channels,
                        std::size_t count, FloatRows& out) {
  const FloatTag d;
  const std::size_t lanes = hn::Lanes(d);
  auto low = hn::Zero(d);
  auto high = hn::Zero(d);
  for (std::size_t pixel = 0; pixel < count; ++pixel) {
    const float* a = row + 2 * pixel * channels;
    const float* b = next + 2 * pixel * channels;
    float* y = out.y + pixel * out.stride;
    std::size_t c = 0;
    for (; c + lanes <= channels; c += lanes) {
      const auto upper = hn::Max(hn::LoadU(d, a + c), hn::LoadU(d, a + channels + c));
      const auto lower = hn::Max(hn::LoadU(d, b + c), hn::LoadU(d, b + channels + c));
      const auto most = hn::Max(upper, lower);
      hn::StoreU(most, d, y + c);
      low = hn::Min(most, low);
      high = hn::Max(most, high);
    }
    for (; c < channels; ++c) {
      y[c] = std::max({a[c], a[channels + c], b[c], b[channels + c]});
      out.low = std::min(out.low, y[c]);
      out.high = std::max(out.high, y[c]);
    }
  }
  out.low = std::min(out.low, hn::GetLane(hn::MinOfLanes(d, low)));
  out.high = std::max(out.high, hn::GetLane(hn::MaxOfLanes(d, high)));
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace visionpress
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace visionpress {

HWY_EXPORT(find_range);
HWY_EXPORT(quantize_even_loop);
HWY_EXPORT(quantize_away_loop);
HWY_EXPORT(round_away_loop);
HWY_EXPORT(max_of_blocks_loop);

namespace {

// The reference that VP_FORCE_ISA=scalar runs; its results equal those of the loops above bit for
// bit.

void find_range_ref(const float* x, std::size_t count, float* low, float* high) {
  *low = 0.0F;
  *high = 0.0F;
  for (std::size_t i = 0; i < count; ++i) {
    *low = std::min(*low, x[i]);
    *high = std::max(*high, x[i]);
  }
}

void quantize_even_ref(const float* x, std::size_t count, float inverse, std::int32_t zero_point,
                       std::uint8_t* codes) {
  constexpr float kBound = 32767.0F;
  for (std::size_t i = 0; i < count; ++i) {
    const float scaled = x[i] * inverse;
    const float bounded = scaled < kBound ? std::max(-kBound, scaled) : kBound;  // NaN too
    const auto code = static_cast<std::int32_t>(std::nearbyint(bounded)) + zero_point + 128;
    codes[i] = static_cast<std::uint8_t>(std::clamp(code, 0, 255));
  }
}

std::int32_t away_code_ref(float x, const AwayRounding& rounding) {
  const float bounded = std::min(std::max(x * rounding.inverse, -32767.0F), 32767.0F);
  const float rounded = rounding.is_tail ? std::round(bounded)
                                         : std::trunc(bounded + (bounded < 0.0F ? -0.5F : 0.5F));
  const std::int32_t code = static_cast<std::int32_t>(rounded) + rounding.zero_point;
  return std::min(std::max(code, rounding.lowest), 127);
}

void quantize_away_ref(const float* x, std::size_t count, const AwayRounding& rounding,
                       std::uint8_t* codes) {
  for (std::size_t i = 0; i < count; ++i)
    codes[i] = static_cast<std::uint8_t>(away_code_ref(x[i], rounding) + 128);
}

void round_away_ref(const float* x, std::size_t count, const AwayRounding& rounding, float* y) {
  for (std::size_t i = 0; i < count; ++i)
    y[i] = static_cast<float>(away_code_ref(x[i], rounding) - rounding.zero_point);
}

float scale_sum(std::int32_t whole_sum, std::size_t channel, const Dequantization& how) {
  const auto sum = static_cast<float>(whole_sum);
  const float scale = how.kernel_scales[channel];
  const float bias = how.bias[channel];
  const std::int32_t shift = kKernelShift * how.input_sum;
  switch (how.order) {
    case ScaleOrder::InputFused:
      return std::fma(sum * how.input_scale, scale, bias);
    case ScaleOrder::Product:
      return sum * (scale * how.input_scale) + bias;
    case ScaleOrder::ShiftedKernel:
      return (static_cast<float>(-shift) * how.input_scale * scale + bias) +
             static_cast<float>(whole_sum + shift) * how.input_scale * scale;
    case ScaleOrder::Raw:
    case ScaleOrder::Codes:
      return sum;
    case ScaleOrder::KernelThenInput:
      break;
  }
  return sum * scale * how.input_scale + bias;
}

void max_of_blocks_ref(const float* row, const float* next, std::size_t channels, std::size_t count,
                       FloatRows& out) {
  for (std::size_t pixel = 0; pixel < count; ++pixel) {
    for (std::size_t c = 0; c < channels; ++c) {
      const std::size_t at = 2 * pixel * channels + c;
      const float y = std::max({row[at], row[at + channels], next[at], next[at + channels]});
      out.y[pixel * out.stride + c] = y;
      out.low = std::min(out.low, y);
      out.high = std::max(out.high, y);
    }
  }
}

}  // namespace

void range_with_zero(const float* x, std::size_t count, float* low, float* high) {
  if (active_isa() == Isa::Scalar) return find_range_ref(x, count, low, high);
  HWY_DYNAMIC_DISPATCH(find_range)(x, count, low, high);
}

void quantize_even(const float* x, std::size_t count, float inverse, std::int32_t zero_point,
                   std::uint8_t* codes) {
  if (active_isa() == Isa::Scalar) return quantize_even_ref(x, count, inverse, zero_point, codes);
  HWY_DYNAMIC_DISPATCH(quantize_even_loop)(x, count, inverse, zero_point, codes);
}

void quantize_away(const float* x, std::size_t count, const AwayRounding& rounding,
                   std::uint8_t* codes) {
  if (active_isa() == Isa::Scalar) return quantize_away_ref(x, count, rounding, codes);
  HWY_DYNAMIC_DISPATCH(quantize_away_loop)(x, count, rounding, codes);
}

void round_away(const float* x, std::size_t count, const AwayRounding& rounding, float* y) {
  if (active_isa() == Isa::Scalar) return round_away_ref(x, count, rounding, y);
  HWY_DYNAMIC_DISPATCH(round_away_loop)(x, count, rounding, y);
}

float dequantize_one(std::int32_t raw, std::size_t channel, const Dequantization& how) {
  float y = scale_sum(raw - how.code_zero * how.kernel_sums[channel], channel, how);
  if (y < 0.0F) y *= how.slope;
  if (std::isnan(y)) return how.order == ScaleOrder::InputFused ? how.low : y;
  if (y < how.low) y = how.low;
  return y > how.high ? how.high : y;
}

void max_of_blocks(const float* row, const float* next, std::size_t channels, std::size_t count,
                   FloatRows& out) {
  if (active_isa() == Isa::Scalar) return max_of_blocks_ref(row, next, channels, count, out);
  HWY_DYNAMIC_DISPATCH(max_of_blocks_loop)(row, next, channels, count, out);
}

}  // namespace visionpress
#endif  // HWY_ONCE
