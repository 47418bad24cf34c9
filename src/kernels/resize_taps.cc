#include "kernels/resize_taps.h"

#include <algorithm>
#include <array>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/resize_taps.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/isa.h"

HWY_BEFORE_NAMESPACE();
namespace visionpress {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

constexpr std::int32_t kHalf = 1 << (kTapWeightBits - 1);
constexpr std::size_t kChannels = 3;

std::uint8_t clip(std::int32_t sum) {
  return static_cast<std::uint8_t>(std::clamp(sum >> kTapWeightBits, 0, 255));
}

void resize_pixel(const std::uint8_t* from, const RowTaps& taps, std::size_t x, std::uint8_t* to) {
  const std::int32_t* weights = taps.weights.data() + x * taps.stride;
  const std::uint8_t* p = from + static_cast<std::size_t>(taps.first[x]) * kChannels;
  std::array<std::int32_t, kChannels> sums = {kHalf, kHalf, kHalf};
  for (int k = 0; k < taps.count[x]; ++k, p += kChannels) {
    for (std::size_t c = 0; c < kChannels; ++c) sums[c] += p[c] * weights[k];
  }
  for (std::size_t c = 0; c < kChannels; ++c) to[c] = clip(sums[c]);
}

std::uint8_t blend_byte(const std::uint8_t* from, std::ptrdiff_t row_bytes,
                        std::span<const std::int32_t> weights) {
  std::int32_t sum = kHalf;
  for (std::size_t k = 0; k < weights.size(); ++k) {
    sum += from[static_cast<std::ptrdiff_t>(k) * row_bytes] * weights[k];
  }
  return clip(sum);
}

#if HWY_TARGET != HWY_SCALAR && !HWY_HAVE_SCALABLE

// A block of four lanes holds one pixel: red, green, blue, and what follows it.
using SumTag = hn::CappedTag<std::int32_t, 16>;
using ByteTag = hn::Repartition<std::uint8_t, SumTag>;

/// The sum of all blocks of four lanes.
template <class D>
HWY_INLINE hn::Vec<hn::FixedTag<std::int32_t, 4>> add_blocks(D d, hn::Vec<D> sums) {
  if constexpr (hn::MaxLanes(D()) == 4) {
    return sums;
  } else {
    const hn::Half<D> half;
    return add_blocks(half, hn::Add(hn::LowerHalf(half, sums), hn::UpperHalf(half, sums)));
  }
}

void resize_row(const std::uint8_t* from, std::size_t pixels, const RowTaps& taps,
                std::uint8_t* to) {
  const SumTag d;
  const ByteTag bytes;
  const hn::FixedTag<std::int32_t, 4> d4;
  constexpr std::size_t kLoaded = 16;  // bytes
  constexpr std::size_t kBlocks = hn::MaxLanes(SumTag()) / 4;
  static_assert(kTapGroup % kBlocks == 0);
  // Block b takes pixel b of the loaded bytes, each byte as a whole number of 32 bits.
  alignas(64) std::array<std::uint8_t, 64> pick = {};
  alignas(64) std::array<std::int32_t, 16> spread = {};
  for (std::size_t b = 0; b < kBlocks; ++b) {
    for (std::size_t c = 0; c < 4; ++c) {
      pick[b * 16 + c * 4] = static_cast<std::uint8_t>(b * kChannels + c);
      for (std::size_t i = 1; i < 4; ++i) pick[b * 16 + c * 4 + i] = 0x80;  // gives 0
      spread[b * 4 + c] = static_cast<std::int32_t>(b);
    }
  }
  const auto pixel_of_block = hn::Load(bytes, pick.data());
  [[maybe_unused]] const auto weight_of_lane = hn::SetTableIndices(d, spread.data());
  const std::size_t results = taps.first.size();
  for (std::size_t x = 0; x < results; ++x, to += kChannels) {
    const auto first = static_cast<std::size_t>(taps.first[x]);
    const auto count = static_cast<std::size_t>(taps.count[x]);
    const std::size_t groups = (count + kBlocks - 1) / kBlocks;
    // Four bytes are written, and sixteen are read from the last group's first pixel on.
    if (x + 1 == results ||
        (first + (groups - 1) * kBlocks) * kChannels + kLoaded > pixels * kChannels) {
      resize_pixel(from, taps, x, to);
      continue;
    }
    const std::uint8_t* p = from + first * kChannels;
    const std::int32_t* weights = taps.weights.data() + x * taps.stride;
    auto sums = hn::Zero(d);
    for (std::size_t g = 0; g < groups; ++g, p += kBlocks * kChannels, weights += kBlocks) {
      const auto samples =
          hn::BitCast(d, hn::TableLookupBytesOr0(hn::LoadDup128(bytes, p), pixel_of_block));
      hn::Vec<SumTag> of_blocks;
      if constexpr (kBlocks == 1) {
        of_blocks = hn::Set(d, *weights);
      } else {
        of_blocks = hn::TableLookupLanes(hn::LoadDup128(d, weights), weight_of_lane);
      }
      sums = hn::Add(sums, hn::Mul(samples, of_blocks));
    }
    const auto sum =
        hn::ShiftRight<kTapWeightBits>(hn::Add(add_blocks(d, sums), hn::Set(d4, kHalf)));
    const hn::FixedTag<std::uint8_t, 4> d_out;
    hn::StoreU(hn::DemoteTo(d_out, sum), d_out, to);
  }
}

void blend(const std::uint8_t* from, std::ptrdiff_t row_bytes,
           std::span<const std::int32_t> weights, std::span<std::uint8_t> to) {
  const SumTag d;
  const hn::Rebind<std::uint8_t, SumTag> d_byte;
  const std::size_t lanes = hn::Lanes(d);
  const auto half = hn::Set(d, kHalf);
  std::size_t i = 0;
  for (; i + 4 * lanes <= to.size(); i += 4 * lanes) {
    auto a = half;
    auto b = half;
    auto c = half;
    auto e = half;
    const std::uint8_t* p = from + i;
    for (const std::int32_t weight : weights) {
      const auto w = hn::Set(d, weight);
      a = hn::Add(a, hn::Mul(w, hn::PromoteTo(d, hn::LoadU(d_byte, p))));
      b = hn::Add(b, hn::Mul(w, hn::PromoteTo(d, hn::LoadU(d_byte, p + lanes))));
      c = hn::Add(c, hn::Mul(w, hn::PromoteTo(d, hn::LoadU(d_byte, p + 2 * lanes))));
      e = hn::Add(e, hn::Mul(w, hn::PromoteTo(d, hn::LoadU(d_byte, p + 3 * lanes))));
      p += row_bytes;
    }
    const auto store = [&](auto sum, std::size_t at) {
      hn::StoreU(hn::DemoteTo(d_byte, hn::ShiftRight<kTapWeightBits>(sum)), d_byte,
                 to.data() + i + at);
    };
    store(a, 0);
    store(b, lanes);
    store(c, 2 * lanes);
    store(e, 3 * lanes);
  }
  for (; i < to.size(); ++i) to[i] = blend_byte(from + i, row_bytes, weights);
}

#else  // one lane, or vectors whose number of blocks is not known

void resize_row(const std::uint8_t* from, std::size_t, const RowTaps& taps, std::uint8_t* to) {
  for (std::size_t x = 0; x < taps.first.size(); ++x)
    resize_pixel(from, taps, x, to + x * kChannels);
}

void blend(const std::uint8_t* from, std::ptrdiff_t row_bytes,
           std::span<const std::int32_t> weights, std::span<std::uint8_t> to) {
  for (std::size_t i = 0; i < to.size(); ++i) to[i] = blend_byte(from + i, row_bytes, weights);
}

#endif

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace visionpress
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace visionpress {

HWY_EXPORT(resize_row);
HWY_EXPORT(blend);

namespace {

// The references that VP_FORCE_ISA=scalar runs.
void resize_rgb_row_ref(const std::uint8_t* from, const RowTaps& taps, std::uint8_t* to) {
  for (std::size_t x = 0; x < taps.first.size(); ++x) {
    HWY_STATIC_DISPATCH(resize_pixel)(from, taps, x, to + x * 3);
  }
}

void blend_rows_ref(const std::uint8_t* from, std::ptrdiff_t row_bytes,
                    std::span<const std::int32_t> weights, std::span<std::uint8_t> to) {
  for (std::size_t i = 0; i < to.size(); ++i) {
    to[i] = HWY_STATIC_DISPATCH(blend_byte)(from + i, row_bytes, weights);
  }
}

}  // namespace

void resize_rgb_row(const std::uint8_t* from, std::size_t pixels, const RowTaps& taps,
                    std::uint8_t* to) {
  if (active_isa() == Isa::Scalar) return resize_rgb_row_ref(from, taps, to);
  HWY_DYNAMIC_DISPATCH(resize_row)(from, pixels, taps, to);
}

void blend_rows(const std::uint8_t* from, std::ptrdiff_t row_bytes,
                std::span<const std::int32_t> weights, std::span<std::uint8_t> to) {
  if (active_isa() == Isa::Scalar) return blend_rows_ref(from, row_bytes, weights, to);
  HWY_DYNAMIC_DISPATCH(blend)(from, row_bytes, weights, to);
}

}  // namespace visionpress
#endif  // HWY_ONCE
