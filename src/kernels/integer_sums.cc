#include "kernels/integer_sums.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/integer_sums.cc"
#include <hwy/foreach_target.h>

#include "kernels/integer_vectors_inl.h"

HWY_BEFORE_NAMESPACE();
namespace visionpress {
namespace HWY_NAMESPACE {
namespace {

void even_sums_to_codes(const std::int32_t* sums, std::int32_t row_offset, std::size_t columns,
                        const SumsToCodes& how, std::uint8_t* codes) {
  const FloatTag d;
  const IntTag di;
  const hn::Rebind<std::uint8_t, IntTag> d8;
  const std::size_t lanes = hn::Lanes(d);
  const auto row = hn::Set(di, row_offset);
  std::size_t c = 0;
  for (; c + lanes <= columns; c += lanes) {
    const auto sum = hn::Add(hn::LoadU(di, sums + c), hn::Add(hn::LoadU(di, how.offsets + c), row));
    const auto code = xnnpack_codes(sum, hn::LoadU(d, how.scales + c), how);
    hn::StoreU(hn::DemoteTo(d8, code), d8, codes + c);
  }
  for (; c < columns; ++c) codes[c] = code_of_sum(sums[c] + how.offsets[c] + row_offset, c, how);
}

// Codes of real values; NaN becomes 0. kAway: halves of the quotient move away from zero.
template <bool kAway>
HWY_INLINE IntVector codes_of(FloatVector x, FloatVector scale, FloatVector zero) {
  const FloatTag d;
  const auto quotient = kAway ? hn::Div(x, scale) : hn::Mul(x, scale);
  auto whole = hn::Round(quotient);
  if constexpr (kAway) {
    // Ties to even have moved half of the halves towards zero.
    const auto rest = hn::Abs(hn::Sub(quotient, whole));
    const auto is_short =
        hn::And(hn::Eq(rest, hn::Set(d, 0.5F)), hn::Lt(hn::Abs(whole), hn::Abs(quotient)));
    const auto step = hn::CopySign(hn::Set(d, 1.0F), quotient);
    whole = hn::Add(whole, hn::IfThenElseZero(is_short, step));
  }
  const auto code = hn::Add(whole, zero);
  // Comparisons with NaN are false, which gives 0 on every processor.
  const auto bounded = hn::IfThenElseZero(hn::Gt(code, hn::Zero(d)), code);
  return hn::NearestInt(hn::Min(bounded, hn::Set(d, 255.0F)));
}

template <bool kAway>
void code_values(const float* x, std::size_t count, float scale, std::int32_t zero,
                 std::uint8_t* codes) {
  const FloatTag d;
  const hn::Rebind<std::uint8_t, IntTag> d8;
  const std::size_t lanes = hn::Lanes(d);
  const auto scales = hn::Set(d, scale);
  const auto zeros = hn::Set(d, static_cast<float>(zero));
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto code = codes_of<kAway>(hn::LoadU(d, x + i), scales, zeros);
    hn::StoreU(hn::DemoteTo(d8, code), d8, codes + i);
  }
  if (i == count) return;
  const auto code =
      codes_of<kAway>(hn::MaskedLoad(hn::FirstN(d, count - i), d, x + i), scales, zeros);
  HWY_ALIGN std::uint8_t last[HWY_MAX_BYTES / sizeof(float)];
  hn::Store(hn::DemoteTo(d8, code), d8, last);
  std::copy_n(last, count - i, codes + i);
}

void code_quotients(const float* x, std::size_t count, float scale, std::int32_t zero,
                    std::uint8_t* codes) {
  code_values<true>(x, count, scale, zero, codes);
}

void code_products(const float* x, std::size_t count, float scale, std::int32_t zero,
                   std::uint8_t* codes) {
  code_values<false>(x, count, scale, zero, codes);
}

HWY_INLINE std::int32_t sum_run(const std::uint8_t* codes, std::size_t count) {
  const hn::ScalableTag<std::uint8_t> d8;
  const hn::ScalableTag<std::uint64_t> d64;
  const std::size_t lanes = hn::Lanes(d8);
  auto sum = hn::Zero(d64);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) sum = hn::Add(sum, hn::SumsOf8(hn::LoadU(d8, codes + i)));
  std::int32_t total = 0;
  if (i > 0) total = static_cast<std::int32_t>(hn::GetLane(hn::SumOfLanes(d64, sum)));
  for (; i + sizeof(std::uint64_t) <= count; i += sizeof(std::uint64_t)) {
    // Eight bytes become four pairs, whose sum the product gathers in its highest 16 bits.
    std::uint64_t eight = 0;
    std::memcpy(&eight, codes + i, sizeof(eight));
    constexpr std::uint64_t kPairs = 0x00FF00FF00FF00FF;
    const std::uint64_t pairs = (eight & kPairs) + ((eight >> 8) & kPairs);
    total += static_cast<std::int32_t>(pairs * 0x0001000100010001 >> 48);
  }
  for (; i < count; ++i) total += codes[i];
  return total;
}

std::int32_t sum_bytes(const std::uint8_t* codes, std::size_t count) {
  return sum_run(codes, count);
}

void sum_all_windows(const CodeWindows& windows, std::int32_t* sums) {
  for (std::size_t w = 0; w < windows.count; ++w) {
    std::int32_t sum = 0;
    for (std::size_t s = 0; s < windows.segments; ++s)
      sum += sum_run(windows.starts[w] + windows.offsets[s], windows.segment);
    sums[w] = sum;
  }
}

void sum_taps(const std::uint8_t* const* pixels, const std::int16_t* weights, std::size_t taps,
              std::size_t channels, std::int32_t* sums) {
  const IntTag di;
  const hn::Rebind<std::uint8_t, IntTag> d8;
  const hn::Rebind<std::int16_t, IntTag> d16;
  const std::size_t lanes = hn::Lanes(di);
  std::size_t c = 0;
  for (; c + lanes <= channels; c += lanes) {
    auto sum = hn::Zero(di);
    for (std::size_t t = 0; t < taps; ++t) {
      const auto codes = hn::PromoteTo(di, hn::LoadU(d8, pixels[t] + c));
      const auto weight = hn::PromoteTo(di, hn::LoadU(d16, weights + t * channels + c));
      sum = hn::Add(sum, hn::Mul(codes, weight));
    }
    hn::StoreU(sum, di, sums + c);
  }
  for (; c < channels; ++c) {
    std::int32_t sum = 0;
    for (std::size_t t = 0; t < taps; ++t) sum += pixels[t][c] * weights[t * channels + c];
    sums[c] = sum;
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace visionpress
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace visionpress {

HWY_EXPORT(even_sums_to_codes);
HWY_EXPORT(sum_taps);
HWY_EXPORT(code_quotients);
HWY_EXPORT(code_products);
HWY_EXPORT(sum_bytes);
HWY_EXPORT(sum_all_windows);

namespace {

// Written so that NaN becomes 0 and no conversion is undefined.
std::uint8_t bounded_code(float code) {
  return static_cast<std::uint8_t>(code > 0.0F ? std::min(code, 255.0F) : 0.0F);
}

}  // namespace

std::uint8_t code_of_sum(std::int32_t sum, std::size_t column, const SumsToCodes& how) {
  if (how.scales == nullptr) {
    const FixedFactor& factor = how.factors[column];
    const std::int32_t scaled =
        column < how.upward_columns ? multiply_upwards(sum, factor) : multiply_by(sum, factor);
    const std::int64_t code = std::int64_t{scaled} + how.zero;
    return static_cast<std::uint8_t>(std::clamp<std::int64_t>(code, how.low, how.high));
  }
  const float scaled = static_cast<float>(sum) * how.scales[column];
  const float bounded = std::max(std::min(scaled, static_cast<float>(how.high - how.zero)),
                                 static_cast<float>(how.low - how.zero));
  return static_cast<std::uint8_t>(static_cast<std::int32_t>(std::nearbyint(bounded)) + how.zero);
}

void sums_to_codes(const std::int32_t* sums, std::int32_t row_offset, std::size_t columns,
                   const SumsToCodes& how, std::uint8_t* codes) {
  if (how.scales != nullptr && active_isa() != Isa::Scalar)
    return HWY_DYNAMIC_DISPATCH(even_sums_to_codes)(sums, row_offset, columns, how, codes);
  for (std::size_t c = 0; c < columns; ++c)
    codes[c] = code_of_sum(sums[c] + how.offsets[c] + row_offset, c, how);
}

void codes_of_quotients(const float* x, std::size_t count, float scale, std::int32_t zero,
                        std::uint8_t* codes) {
  if (active_isa() != Isa::Scalar)
    return HWY_DYNAMIC_DISPATCH(code_quotients)(x, count, scale, zero, codes);
  for (std::size_t i = 0; i < count; ++i)
    codes[i] = bounded_code(std::round(x[i] / scale) + static_cast<float>(zero));
}

void codes_of_products(const float* x, std::size_t count, float factor, std::int32_t zero,
                       std::uint8_t* codes) {
  if (active_isa() != Isa::Scalar)
    return HWY_DYNAMIC_DISPATCH(code_products)(x, count, factor, zero, codes);
  for (std::size_t i = 0; i < count; ++i)
    codes[i] = bounded_code(std::nearbyint(x[i] * factor) + static_cast<float>(zero));
}

std::int32_t sum_of_codes(const std::uint8_t* codes, std::size_t count) {
  if (active_isa() != Isa::Scalar) return HWY_DYNAMIC_DISPATCH(sum_bytes)(codes, count);
  return std::accumulate(codes, codes + count, std::int32_t{0});
}

void sum_windows(const CodeWindows& windows, std::int32_t* sums) {
  if (active_isa() != Isa::Scalar) return HWY_DYNAMIC_DISPATCH(sum_all_windows)(windows, sums);
  for (std::size_t w = 0; w < windows.count; ++w) {
    sums[w] = 0;
    for (std::size_t s = 0; s < windows.segments; ++s)
      sums[w] += sum_of_codes(windows.starts[w] + windows.offsets[s], windows.segment);
  }
}

void sum_depthwise_codes(const std::uint8_t* const* pixels, const std::int16_t* weights,
                         std::size_t taps, std::size_t channels, std::int32_t* sums) {
  if (active_isa() != Isa::Scalar)
    return HWY_DYNAMIC_DISPATCH(sum_taps)(pixels, weights, taps, channels, sums);
  for (std::size_t c = 0; c < channels; ++c) {
    sums[c] = 0;
    for (std::size_t t = 0; t < taps; ++t) sums[c] += pixels[t][c] * weights[t * channels + c];
  }
}

}  // namespace visionpress
#endif  // HWY_ONCE
