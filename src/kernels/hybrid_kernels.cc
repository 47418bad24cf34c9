#include "kernels/hybrid_kernels.h"

#include <algorithm>
#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/hybrid_kernels.cc"
#include <hwy/foreach_target.h>

#include "kernels/float_vectors_inl.h"

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

// Stores the low byte of each lane; each lane holds a code in 0..255.
void store_codes(IntVector codes, std::uint8_t* out) {
  const hn::Rebind<std::uint8_t, IntTag> d8;
  hn::StoreU(hn::DemoteTo(d8, codes), d8, out);
}

void quantize_even_loop(const float* x, std::size_t count, float inverse, std::int32_t zero_point,
                        std::uint8_t* codes) {
  const FloatTag d;
  const IntTag di;
  const std::size_t lanes = hn::Lanes(d);
  const auto scale = hn::Set(d, inverse);
  const auto bound = hn::Set(
      d, 32767.0F);  // keeps the conversion to integers defined; the clamp below sets the result
  const auto zero = hn::Set(di, zero_point + 128);
  const auto convert = [&](FloatVector v) {
    const auto bounded = hn::Max(hn::Min(hn::Mul(v, scale), bound), hn::Neg(bound));
    const auto code = hn::Add(hn::NearestInt(bounded), zero);
    return hn::Min(hn::Max(code, hn::Zero(di)), hn::Set(di, 255));
  };
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) store_codes(convert(hn::LoadU(d, x + i)), codes + i);
  if (i < count) {
    HWY_ALIGN float values[HWY_MAX_BYTES / sizeof(float)] = {};
    HWY_ALIGN std::uint8_t tail[HWY_MAX_BYTES / sizeof(float)];
    std::copy(x + i, x + count, values);
    store_codes(convert(hn::Load(d, values)), tail);
    std::copy(tail, tail + (count - i), codes + i);
  }
}

void quantize_away_loop(const float* x, std::size_t count, const AwayRounding& rounding,
                        std::uint8_t* codes) {
  for (std::size_t i = 0; i < count; ++i) {
    const float scaled = x[i] * rounding.inverse;
    const float bounded = std::min(std::max(scaled, -32767.0F), 32767.0F);
    const float rounded = rounding.is_tail ? std::round(bounded)
                                           : std::trunc(bounded + (bounded < 0.0F ? -0.5F : 0.5F));
    const std::int32_t code = static_cast<std::int32_t>(rounded) + rounding.zero_point;
    codes[i] = static_cast<std::uint8_t>(std::min(std::max(code, rounding.lowest), 127) + 128);
  }
}

// The constants of one vector of output channels.
struct Channels {
  IntVector offset;  // code_zero * kernel_sums
  FloatVector scale;
  FloatVector bias;
};

template <ScaleOrder kOrder>
FloatVector to_float(IntVector raw, const Channels& channels, const Dequantization& how) {
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

template <bool kPooled, typename Load>
IntVector load_raw(const RawRows& raw, std::size_t pixel, std::size_t channel, const Load& load) {
  if constexpr (!kPooled) return load(raw.row + pixel * raw.channels + channel);
  const std::size_t at = 2 * pixel * raw.channels + channel;
  const auto upper = hn::Max(load(raw.row + at), load(raw.row + at + raw.channels));
  const auto lower = hn::Max(load(raw.next + at), load(raw.next + at + raw.channels));
  return hn::Max(upper, lower);
}

template <bool kPooled, ScaleOrder kOrder>
void dequantize_loop(const RawRows& raw, std::size_t pixels, const Dequantization& how,
                     FloatRows& rows) {
  const FloatTag d;
  const IntTag di;
  const std::size_t lanes = hn::Lanes(d);
  auto low = hn::Zero(d);
  auto high = hn::Zero(d);
  for (std::size_t channel = 0; channel < raw.channels; channel += lanes) {
    const std::size_t valid = std::min(lanes, raw.channels - channel);
    const auto mask_float = hn::FirstN(d, valid);
    const auto mask_int = hn::FirstN(di, valid);
    const auto load_float = [&](const float* p) { return hn::MaskedLoad(mask_float, d, p); };
    const auto load_int = [&](const std::int32_t* p) { return hn::MaskedLoad(mask_int, di, p); };
    Channels constants = {hn::Mul(load_int(how.kernel_sums + channel), hn::Set(di, how.code_zero)),
                          load_float(how.kernel_scales + channel), load_float(how.bias + channel)};
    if constexpr (kOrder == ScaleOrder::Product) {
      constants.scale = hn::Mul(constants.scale, hn::Set(d, how.input_scale));
    }
    float* out = rows.y + channel;
    if (valid == lanes) {
      const auto load = [&](const std::int32_t* p) { return hn::LoadU(di, p); };
      for (std::size_t pixel = 0; pixel < pixels; ++pixel, out += rows.stride) {
        const auto y =
            to_float<kOrder>(load_raw<kPooled>(raw, pixel, channel, load), constants, how);
        hn::StoreU(y, d, out);
        low = hn::Min(y, low);
        high = hn::Max(y, high);
      }
    } else {
      for (std::size_t pixel = 0; pixel < pixels; ++pixel, out += rows.stride) {
        const auto y =
            to_float<kOrder>(load_raw<kPooled>(raw, pixel, channel, load_int), constants, how);
        hn::BlendedStore(y, mask_float, d, out);
        low = hn::Min(hn::IfThenElseZero(mask_float, y), low);
        high = hn::Max(hn::IfThenElseZero(mask_float, y), high);
      }
    }
  }
  rows.low = std::min(rows.low, hn::GetLane(hn::MinOfLanes(d, low)));
  rows.high = std::max(rows.high, hn::GetLane(hn::MaxOfLanes(d, high)));
}

template <ScaleOrder kOrder>
void dequantize_in(const RawRows& raw, std::size_t pixels, const Dequantization& how,
                   FloatRows& rows) {
  raw.next != nullptr ? dequantize_loop<true, kOrder>(raw, pixels, how, rows)
                      : dequantize_loop<false, kOrder>(raw, pixels, how, rows);
}

void dequantize_any(const RawRows& raw, std::size_t pixels, const Dequantization& how,
                    FloatRows& rows) {
  switch (how.order) {
    case ScaleOrder::InputFused:
      return dequantize_in<ScaleOrder::InputFused>(raw, pixels, how, rows);
    case ScaleOrder::Product:
      return dequantize_in<ScaleOrder::Product>(raw, pixels, how, rows);
    case ScaleOrder::KernelThenInput:
      return dequantize_in<ScaleOrder::KernelThenInput>(raw, pixels, how, rows);
    case ScaleOrder::ShiftedKernel:
      return dequantize_in<ScaleOrder::ShiftedKernel>(raw, pixels, how, rows);
  }
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
HWY_EXPORT(dequantize_any);

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

void quantize_away_ref(const float* x, std::size_t count, const AwayRounding& rounding,
                       std::uint8_t* codes) {
  for (std::size_t i = 0; i < count; ++i) {
    const float bounded = std::min(std::max(x[i] * rounding.inverse, -32767.0F), 32767.0F);
    const float rounded = rounding.is_tail ? std::round(bounded)
                                           : std::trunc(bounded + (bounded < 0.0F ? -0.5F : 0.5F));
    const std::int32_t code = static_cast<std::int32_t>(rounded) + rounding.zero_point;
    codes[i] = static_cast<std::uint8_t>(std::min(std::max(code, rounding.lowest), 127) + 128);
  }
}

std::int32_t load_raw_ref(const RawRows& raw, std::size_t pixel, std::size_t channel) {
  if (raw.next == nullptr) return raw.row[pixel * raw.channels + channel];
  const std::size_t at = 2 * pixel * raw.channels + channel;
  return std::max(
      {raw.row[at], raw.row[at + raw.channels], raw.next[at], raw.next[at + raw.channels]});
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
    case ScaleOrder::KernelThenInput:
      break;
  }
  return sum * scale * how.input_scale + bias;
}

float dequantize_one(std::int32_t raw, std::size_t channel, const Dequantization& how) {
  float y = scale_sum(raw - how.code_zero * how.kernel_sums[channel], channel, how);
  if (y < 0.0F) y *= how.slope;
  if (std::isnan(y)) return how.order == ScaleOrder::InputFused ? how.low : y;
  if (y < how.low) y = how.low;
  return y > how.high ? how.high : y;
}

void dequantize_ref(const RawRows& raw, std::size_t pixels, const Dequantization& how,
                    FloatRows& rows) {
  for (std::size_t pixel = 0; pixel < pixels; ++pixel) {
    for (std::size_t channel = 0; channel < raw.channels; ++channel) {
      const float y = dequantize_one(load_raw_ref(raw, pixel, channel), channel, how);
      rows.y[pixel * rows.stride + channel] = y;
      rows.low = std::min(rows.low, y);
      rows.high = std::max(rows.high, y);
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

void dequantize(const RawRows& raw, std::size_t pixels, const Dequantization& how,
                FloatRows& rows) {
  if (active_isa() == Isa::Scalar) return dequantize_ref(raw, pixels, how, rows);
  HWY_DYNAMIC_DISPATCH(dequantize_any)(raw, pixels, how, rows);
}

}  // namespace visionpress
#endif  // HWY_ONCE
