#include "kernels/depthwise.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/depthwise.cc"
#include <hwy/foreach_target.h>

#include "kernels/float_vectors_inl.h"

HWY_BEFORE_NAMESPACE();
namespace visionpress {
namespace HWY_NAMESPACE {
namespace {

constexpr std::size_t kPixels = 8;  // enough sums at once to hide the latency of a multiply-add

// Separate variables, because the compiler would keep an array of them in memory.
struct Sums {
  FloatVector s0, s1, s2, s3, s4, s5, s6, s7;
};

// kCount: kPixels or half of them.
template <std::size_t kCount>
HWY_INLINE Sums sum_pixels(const DepthwiseRow& row, const float* x, const float* weights,
                           FloatVector start) {
  const FloatTag d;
  auto s0 = start, s1 = start, s2 = start, s3 = start;
  auto s4 = start, s5 = start, s6 = start, s7 = start;
  const std::size_t stride = hwy::RoundUpTo(row.channels, hn::Lanes(d));
  const std::size_t step = row.pixel_step;
  for (std::size_t tap = 0; tap < row.taps; ++tap, weights += stride) {
    const auto w = hn::LoadU(d, weights);
    const float* p = x + row.offsets[tap];
    s0 = hn::MulAdd(hn::LoadU(d, p), w, s0);
    s1 = hn::MulAdd(hn::LoadU(d, p + step), w, s1);
    s2 = hn::MulAdd(hn::LoadU(d, p + 2 * step), w, s2);
    s3 = hn::MulAdd(hn::LoadU(d, p + 3 * step), w, s3);
    if constexpr (kCount == kPixels / 2) continue;
    p += 4 * step;
    s4 = hn::MulAdd(hn::LoadU(d, p), w, s4);
    s5 = hn::MulAdd(hn::LoadU(d, p + step), w, s5);
    s6 = hn::MulAdd(hn::LoadU(d, p + 2 * step), w, s6);
    s7 = hn::MulAdd(hn::LoadU(d, p + 3 * step), w, s7);
  }
  return {s0, s1, s2, s3, s4, s5, s6, s7};
}

HWY_INLINE FloatVector sum_pixel(const DepthwiseRow& row, const float* x, const float* weights,
                                 FloatVector start) {
  const FloatTag d;
  const std::size_t stride = hwy::RoundUpTo(row.channels, hn::Lanes(d));
  for (std::size_t tap = 0; tap < row.taps; ++tap, weights += stride)
    start = hn::MulAdd(hn::LoadU(d, x + row.offsets[tap]), hn::LoadU(d, weights), start);
  return start;
}

// finish(channel) gives a function from sums of this vector of channels to results; start(channel)
// gives what the sums start from. A block of pixels passes all channels before the next, so that
// its values are read from the first-level cache by all taps.
template <std::size_t kCount, typename Start, typename Finish>
HWY_INLINE void convolve_block(const DepthwiseRow& row, std::size_t pixel, const Start& start,
                               const Finish& finish) {
  const FloatTag d;
  const std::size_t lanes = hn::Lanes(d);
  const float* x = row.x + pixel * row.pixel_step;
  for (std::size_t channel = 0; channel < row.channels; channel += lanes) {
    const auto end_sum = finish(channel);
    const auto first = start(channel);
    const auto store = [&](FloatVector sum, std::size_t p) HWY_ATTR {
      const std::size_t at = (pixel + p) * row.channels + channel;
      // The last pixels of a folded row may lack channels.
      const std::size_t left = row.y_floats > at ? row.y_floats - at : 0;
      const std::size_t valid = std::min(row.channels - channel, left);
      const auto y = end_sum(sum);
      if (valid >= lanes) {
        hn::StoreU(y, d, row.y + at);
      } else if (valid > 0) {
        hn::BlendedStore(y, hn::FirstN(d, valid), d, row.y + at);
      }
    };
    if constexpr (kCount == 1) {
      store(sum_pixel(row, x + channel, row.weights + channel, first), 0);
      continue;
    }
    const Sums s = sum_pixels<kCount>(row, x + channel, row.weights + channel, first);
    store(s.s0, 0);
    store(s.s1, 1);
    store(s.s2, 2);
    store(s.s3, 3);
    if constexpr (kCount == kPixels / 2) continue;
    store(s.s4, 4);
    store(s.s5, 5);
    store(s.s6, 6);
    store(s.s7, 7);
  }
}

// The last block begins earlier where pixels are left over and computes some of them again.
template <std::size_t kCount, typename Start, typename Finish>
HWY_INLINE void convolve_blocks(const DepthwiseRow& row, const Start& start, const Finish& finish) {
  for (std::size_t pixel = 0; pixel < row.pixels; pixel += kCount)
    convolve_block<kCount>(row, std::min(pixel, row.pixels - kCount), start, finish);
}

template <typename Start, typename Finish>
HWY_INLINE void convolve(const DepthwiseRow& row, const Start& start, const Finish& finish) {
  if (row.pixels >= kPixels) return convolve_blocks<kPixels>(row, start, finish);
  if (row.pixels >= kPixels / 2) return convolve_blocks<kPixels / 2>(row, start, finish);
  convolve_blocks<1>(row, start, finish);
}

void float_row(const DepthwiseRow& row, const SmallConvActivation& activation) {
  const FloatTag d;
  const auto slope = hn::Set(d, activation.slope);
  convolve(
      row, [&](std::size_t channel) { return hn::LoadU(d, row.bias + channel); },
      [&](std::size_t /*channel*/) {
        return [&](FloatVector y) HWY_ATTR {
          y = hn::IfThenElse(hn::Lt(y, hn::Zero(d)), hn::Mul(y, slope), y);
          return clamp_keeping_nan(y, activation.low, activation.high);
        };
      });
}

void code_row(const DepthwiseRow& row, const DepthwiseScales& scales) {
  const FloatTag d;
  const auto low = hn::Set(d, scales.low);
  const auto high = hn::Set(d, scales.high);
  convolve(
      row, [&](std::size_t /*channel*/) { return hn::Zero(d); },
      [&](std::size_t channel) {
        const auto first = hn::LoadU(d, scales.first + channel);
        const auto second = hn::LoadU(d, scales.second + channel);
        const auto bias = hn::LoadU(d, row.bias + channel);
        const auto for_nan = hn::LoadU(d, scales.for_nan + channel);
        return [=](FloatVector sum) HWY_ATTR {
          const auto y = hn::Add(hn::Mul(hn::Mul(sum, first), second), bias);
          const auto above = hn::IfThenElse(hn::Gt(y, low), y, low);
          const auto bounded = hn::IfThenElse(hn::Gt(above, high), high, above);
          return hn::IfThenElse(hn::IsNaN(y), for_nan, bounded);
        };
      });
}

std::size_t vector_lanes() { return hn::Lanes(FloatTag()); }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace visionpress
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace visionpress {

HWY_EXPORT(float_row);
HWY_EXPORT(code_row);
HWY_EXPORT(vector_lanes);

namespace {

// Products of codes and weights are at most 255 * 128; so many of them stay below 2^24.
constexpr std::size_t kExactTaps = (std::size_t{1} << 24U) / (std::size_t{255} * 128U);

std::size_t lanes() {
  return active_isa() == Isa::Scalar ? 1 : HWY_DYNAMIC_DISPATCH(vector_lanes)();
}

// The reference that VP_FORCE_ISA=scalar runs: body(window, channel) gives one result.
template <typename Body>
void for_each_result_ref(const DepthwiseRow& row, const Body& body) {
  for (std::size_t i = 0; i < row.y_floats; ++i)
    row.y[i] = body(row.x + i / row.channels * row.pixel_step, i % row.channels);
}

void float_row_ref(const DepthwiseRow& row, const SmallConvActivation& activation) {
  const std::size_t stride = depthwise_stride(row.channels);
  for_each_result_ref(row, [&](const float* window, std::size_t channel) {
    float y = row.bias[channel];
    for (std::size_t tap = 0; tap < row.taps; ++tap)
      y = std::fma(window[row.offsets[tap] + channel], row.weights[tap * stride + channel], y);
    if (y < 0.0F) y *= activation.slope;
    if (y < activation.low) return activation.low;
    return y > activation.high ? activation.high : y;
  });
}

void code_row_ref(const DepthwiseRow& row, const DepthwiseScales& scales) {
  const std::size_t stride = depthwise_stride(row.channels);
  for_each_result_ref(row, [&](const float* window, std::size_t channel) {
    std::int32_t sum = 0;
    for (std::size_t tap = 0; tap < row.taps; ++tap) {
      sum += static_cast<std::int32_t>(window[row.offsets[tap] + channel]) *
             static_cast<std::int32_t>(row.weights[tap * stride + channel]);
    }
    const float scaled = static_cast<float>(sum) * scales.first[channel];
    const float y = scaled * scales.second[channel] + row.bias[channel];
    if (std::isnan(y)) return scales.for_nan[channel];
    const float above = y > scales.low ? y : scales.low;
    return above > scales.high ? scales.high : above;
  });
}

}  // namespace

std::size_t depthwise_stride(std::size_t channels) { return hwy::RoundUpTo(channels, lanes()); }

std::size_t depthwise_fold(std::size_t channels) {
  // More channels fill most lanes as they are, and repeated weights take cache.
  constexpr std::size_t kMostChannels = 64;
  return channels > kMostChannels ? 1 : lanes() / std::gcd(channels, lanes());
}

void depthwise_row(const DepthwiseRow& row, const SmallConvActivation& activation) {
  if (active_isa() == Isa::Scalar) return float_row_ref(row, activation);
  HWY_DYNAMIC_DISPATCH(float_row)(row, activation);
}

void depthwise_code_row(const DepthwiseRow& row, const DepthwiseScales& scales) {
  if (active_isa() == Isa::Scalar || row.taps > kExactTaps) return code_row_ref(row, scales);
  HWY_DYNAMIC_DISPATCH(code_row)(row, scales);
}

}  // namespace visionpress
#endif  // HWY_ONCE
