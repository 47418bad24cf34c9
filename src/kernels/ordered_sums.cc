#include "kernels/ordered_sums.h"

#include <algorithm>
#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/ordered_sums.cc"
#include <hwy/foreach_target.h>

#include "kernels/float_vectors_inl.h"

HWY_BEFORE_NAMESPACE();
namespace visionpress {
namespace HWY_NAMESPACE {
namespace {

// Sums one vector of output channels.
template <bool kFused>
FloatVector sum_channels(const OrderedTaps& taps, std::size_t channel, std::size_t valid,
                         std::size_t stride, FloatVector sum) {
  const FloatTag d;
  for (std::size_t tap = 0; tap < taps.count; ++tap) {
    const float* pixel = taps.pixels[tap];
    if (pixel == nullptr) continue;
    if (taps.in_channels == 0) {
      const auto x = valid == hn::Lanes(d)
                         ? hn::LoadU(d, pixel + channel)
                         : hn::MaskedLoad(hn::FirstN(d, valid), d, pixel + channel);
      sum = multiply_add<kFused>(x, hn::LoadU(d, taps.weights + tap * stride + channel), sum);
      continue;
    }
    const float* weights = taps.weights + tap * taps.in_channels * stride + channel;
    for (std::size_t c = 0; c < taps.in_channels; ++c) {
      sum = multiply_add<kFused>(hn::Set(d, pixel[c]), hn::LoadU(d, weights + c * stride), sum);
    }
  }
  return sum;
}

void sum_taps(const OrderedTaps& taps, SumOrder order, float* y) {
  const FloatTag d;
  const std::size_t lanes = hn::Lanes(d);
  const std::size_t stride = hwy::RoundUpTo(taps.out_channels, lanes);
  for (std::size_t channel = 0; channel < taps.out_channels; channel += lanes) {
    const std::size_t valid = std::min(lanes, taps.out_channels - channel);
    const auto bias = hn::LoadU(d, taps.bias + channel);
    const auto start = order == SumOrder::PlainBiasLast ? hn::Zero(d) : bias;
    auto sum = order == SumOrder::FusedBiasFirst
                   ? sum_channels<true>(taps, channel, valid, stride, start)
                   : sum_channels<false>(taps, channel, valid, stride, start);
    if (order == SumOrder::PlainBiasLast) sum = hn::Add(sum, bias);
    if (valid == lanes) {
      hn::StoreU(sum, d, y + channel);
    } else {
      hn::BlendedStore(sum, hn::FirstN(d, valid), d, y + channel);
    }
  }
}

std::size_t sum_stride(std::size_t channels) {
  return hwy::RoundUpTo(channels, hn::Lanes(FloatTag()));
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace visionpress
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace visionpress {

HWY_EXPORT(sum_taps);
HWY_EXPORT(sum_stride);

namespace {

float add_product(SumOrder order, float x, float weight, float sum) {
  return order == SumOrder::FusedBiasFirst ? std::fma(x, weight, sum) : x * weight + sum;
}

// The reference that VP_FORCE_ISA=scalar runs: one channel at a time, without padding.
void sum_taps_ref(const OrderedTaps& taps, SumOrder order, float* y) {
  const std::size_t stride = taps.out_channels;
  for (std::size_t channel = 0; channel < taps.out_channels; ++channel) {
    float sum = order == SumOrder::PlainBiasLast ? 0.0F : taps.bias[channel];
    for (std::size_t tap = 0; tap < taps.count; ++tap) {
      const float* pixel = taps.pixels[tap];
      if (pixel == nullptr) continue;
      if (taps.in_channels == 0) {
        sum = add_product(order, pixel[channel], taps.weights[tap * stride + channel], sum);
      }
      for (std::size_t c = 0; c < taps.in_channels; ++c) {
        sum = add_product(order, pixel[c],
                          taps.weights[(tap * taps.in_channels + c) * stride + channel], sum);
      }
    }
    y[channel] = order == SumOrder::PlainBiasLast ? sum + taps.bias[channel] : sum;
  }
}

}  // namespace

std::size_t ordered_sums_stride(std::size_t out_channels) {
  if (active_isa() == Isa::Scalar) return out_channels;
  return HWY_DYNAMIC_DISPATCH(sum_stride)(out_channels);
}

void ordered_sums(const OrderedTaps& taps, SumOrder order, float* y) {
  if (active_isa() == Isa::Scalar) return sum_taps_ref(taps, order, y);
  HWY_DYNAMIC_DISPATCH(sum_taps)(taps, order, y);
}

}  // namespace visionpress
#endif  // HWY_ONCE
