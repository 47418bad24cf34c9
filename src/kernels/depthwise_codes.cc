#define HWY_WANT_AVX3_DL  // the target with VNNI, which Highway leaves out unless it is asked for
#include "kernels/depthwise_codes.h"

#include <algorithm>
#include <array>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/depthwise_codes.cc"
#include <hwy/foreach_target.h>

#include "kernels/integer_vectors_inl.h"

HWY_BEFORE_NAMESPACE();
#if HWY_TARGET == HWY_AVX3_DL && HWY_COMPILER_GCC_ACTUAL
#pragma GCC target("avx512vnni")
#endif
namespace visionpress {
namespace HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_SCALAR

// Without vectors the reference runs.
std::size_t vector_bytes() { return 0; }
void convolve(const DepthwiseCodeKernel& /*kernel*/, const DepthwiseCodeRow& /*row*/,
              const SumsToCodes& /*how*/) {}

#else

using ByteTag = hn::Repartition<std::uint8_t, IntTag>;
using ByteVector = hn::Vec<ByteTag>;

// Four vectors of sums. In each block of 16 bytes the first holds channels 0 to 3, the second 4 to
// 7, and so on, because bytes are interleaved within blocks.
struct FourSums {
  IntVector a, b, c, d;
};

// The codes of four taps, side by side for each channel.
HWY_INLINE FourSums interleave_taps(ByteVector t0, ByteVector t1, ByteVector t2, ByteVector t3) {
  const ByteTag d8;
  const hn::Repartition<std::uint16_t, IntTag> d16;
  const IntTag d32;
  const auto low01 = hn::BitCast(d16, hn::InterleaveLower(d8, t0, t1));
  const auto high01 = hn::BitCast(d16, hn::InterleaveUpper(d8, t0, t1));
  const auto low23 = hn::BitCast(d16, hn::InterleaveLower(d8, t2, t3));
  const auto high23 = hn::BitCast(d16, hn::InterleaveUpper(d8, t2, t3));
  return {hn::BitCast(d32, hn::InterleaveLower(d16, low01, low23)),
          hn::BitCast(d32, hn::InterleaveUpper(d16, low01, low23)),
          hn::BitCast(d32, hn::InterleaveLower(d16, high01, high23)),
          hn::BitCast(d32, hn::InterleaveUpper(d16, high01, high23))};
}

HWY_INLINE IntVector load_words(const std::uint8_t* packed) {
  return hn::BitCast(IntTag(), hn::LoadU(ByteTag(), packed));
}

// kHasZero: the weights have a zero point, so the sums of the codes alone are needed, too.
template <bool kHasZero>
HWY_INLINE FourSums sum_block(const DepthwiseCodeKernel& kernel, const std::uint8_t* x,
                              const std::size_t* taps, const std::uint8_t* weights) {
  const ByteTag d8;
  const IntTag d;
  const std::size_t vector = hn::Lanes(d8);
  const auto zero = hn::Zero(d);
  const auto ones = hn::BitCast(d, hn::Set(d8, 1));
  FourSums sums = {zero, zero, zero, zero};
  FourSums codes = sums;
  for (std::size_t tap = 0; tap < kernel.taps; tap += 4, weights += 4 * vector) {
    // Taps beyond the last have weights of 0.
    const std::size_t last = kernel.taps - 1;
    const FourSums q = interleave_taps(hn::LoadU(d8, x + taps[tap]),
                                       hn::LoadU(d8, x + taps[std::min(tap + 1, last)]),
                                       hn::LoadU(d8, x + taps[std::min(tap + 2, last)]),
                                       hn::LoadU(d8, x + taps[std::min(tap + 3, last)]));
    sums.a = add_quads(sums.a, q.a, load_words(weights));
    sums.b = add_quads(sums.b, q.b, load_words(weights + vector));
    sums.c = add_quads(sums.c, q.c, load_words(weights + 2 * vector));
    sums.d = add_quads(sums.d, q.d, load_words(weights + 3 * vector));
    if constexpr (kHasZero) {
      const std::size_t valid = std::min<std::size_t>(4, kernel.taps - tap);
      const auto counted =
          valid == 4 ? ones
                     : hn::Set(d, static_cast<std::int32_t>(0x01010101U >> (8 * (4 - valid))));
      codes.a = add_quads(codes.a, q.a, counted);
      codes.b = add_quads(codes.b, q.b, counted);
      codes.c = add_quads(codes.c, q.c, counted);
      codes.d = add_quads(codes.d, q.d, counted);
    }
  }
  if constexpr (kHasZero) {
    const auto zero_point = hn::Set(d, kernel.zero_point);
    sums.a = hn::Sub(sums.a, hn::Mul(codes.a, zero_point));
    sums.b = hn::Sub(sums.b, hn::Mul(codes.b, zero_point));
    sums.c = hn::Sub(sums.c, hn::Mul(codes.c, zero_point));
    sums.d = hn::Sub(sums.d, hn::Mul(codes.d, zero_point));
  }
  return sums;
}

HWY_INLINE IntVector code_sums(IntVector sums, const DepthwiseCodeKernel& kernel, std::size_t at,
                               const SumsToCodes& how) {
  const IntTag d;
  return xnnpack_codes(hn::Add(sums, hn::LoadU(d, kernel.offsets.data() + at)),
                       hn::LoadU(FloatTag(), kernel.scales.data() + at), how);
}

// The bytes in the order of the channels.
HWY_INLINE ByteVector join_codes(const FourSums& codes) {
  const ByteTag d8;
  alignas(16) static constexpr std::uint8_t kOrder[16] = {0, 4, 8,  12, 1, 5, 9,  13,
                                                          2, 6, 10, 14, 3, 7, 11, 15};
  const auto both = hn::Or(codes.a, hn::ShiftLeft<8>(codes.b));
  const auto others = hn::Or(hn::ShiftLeft<16>(codes.c), hn::ShiftLeft<24>(codes.d));
  return hn::TableLookupBytes(hn::BitCast(d8, hn::Or(both, others)), hn::LoadDup128(d8, kOrder));
}

template <bool kHasZero>
void convolve_row(const DepthwiseCodeKernel& kernel, const DepthwiseCodeRow& row,
                  const SumsToCodes& how) {
  const ByteTag d8;
  const std::size_t vector = hn::Lanes(d8);
  const std::size_t words = hn::Lanes(IntTag());
  const std::size_t quads = (kernel.taps + 3) / 4;
  const std::size_t blocks = (kernel.codes + vector - 1) / vector;
  for (std::size_t block = 0; block < blocks; ++block) {
    // The last block ends with the step, so it repeats codes of the one before it.
    const std::size_t begin =
        kernel.codes < vector ? 0 : std::min(block * vector, kernel.codes - vector);
    const std::uint8_t* weights = kernel.weights.data() + block * quads * 4 * vector;
    const std::size_t at = block * vector;
    for (std::size_t step = 0; step < row.steps; ++step) {
      FourSums sums =
          sum_block<kHasZero>(kernel, row.x + step * row.stride + begin, row.taps, weights);
      sums.a = code_sums(sums.a, kernel, at, how);
      sums.b = code_sums(sums.b, kernel, at + words, how);
      sums.c = code_sums(sums.c, kernel, at + 2 * words, how);
      sums.d = code_sums(sums.d, kernel, at + 3 * words, how);
      const auto codes = join_codes(sums);
      std::uint8_t* to = row.y + step * kernel.codes + begin;
      if (kernel.codes >= vector) {
        hn::StoreU(codes, d8, to);
      } else {
        HWY_ALIGN std::uint8_t last[HWY_MAX_BYTES];
        hn::Store(codes, d8, last);
        std::copy_n(last, kernel.codes, to);
      }
    }
  }
}

void convolve(const DepthwiseCodeKernel& kernel, const DepthwiseCodeRow& row,
              const SumsToCodes& how) {
  if (kernel.zero_point == 0) return convolve_row<false>(kernel, row, how);
  convolve_row<true>(kernel, row, how);
}

std::size_t vector_bytes() { return hn::Lanes(ByteTag()); }

#endif  // HWY_TARGET

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace visionpress
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace visionpress {

HWY_EXPORT(convolve);
HWY_EXPORT(vector_bytes);

namespace {

/// Codes per vector; 0 if the reference runs.
std::size_t codes_per_vector() {
  return active_isa() == Isa::Scalar ? 0 : HWY_DYNAMIC_DISPATCH(vector_bytes)();
}

/// The channel, within its block, of the sum at position `at` of the four vectors of sums.
std::size_t channel_of(std::size_t at, std::size_t vector) {
  const std::size_t words = vector / 4;
  const std::size_t part = at / words;  // which of the four vectors
  const std::size_t word = at % words;
  return word / 4 * 16 + part * 4 + word % 4;
}

// The reference that VP_FORCE_ISA=scalar runs, with the kernel as it was given.
void convolve_ref(const DepthwiseCodeKernel& kernel, const DepthwiseCodeRow& row,
                  const SumsToCodes& how) {
  SumsToCodes packed = how;
  packed.scales = kernel.scales.data();
  for (std::size_t step = 0; step < row.steps; ++step) {
    for (std::size_t c = 0; c < kernel.codes; ++c) {
      std::int32_t sum = kernel.offsets[c];
      for (std::size_t t = 0; t < kernel.taps; ++t) {
        const auto weight = static_cast<std::int8_t>(kernel.weights[t * kernel.codes + c]);
        sum += row.x[step * row.stride + row.taps[t] + c] * (weight - kernel.zero_point);
      }
      row.y[step * kernel.codes + c] = code_of_sum(sum, c, packed);
    }
  }
}

}  // namespace

DepthwiseCodeKernel pack_depthwise_codes(std::span<const std::uint8_t> weights, std::size_t taps,
                                         std::int32_t zero_point, const SumsToCodes& how,
                                         std::size_t channels, std::size_t pixels) {
  DepthwiseCodeKernel kernel;
  kernel.taps = taps;
  kernel.codes = channels * pixels;
  kernel.zero_point = zero_point;
  const std::size_t vector = codes_per_vector();
  if (vector == 0) {
    for (std::size_t t = 0; t < taps; ++t) {
      for (std::size_t c = 0; c < kernel.codes; ++c)
        kernel.weights.push_back(weights[t * channels + c % channels]);
    }
    for (std::size_t c = 0; c < kernel.codes; ++c) {
      kernel.offsets.push_back(how.offsets[c % channels]);
      kernel.scales.push_back(how.scales[c % channels]);
    }
    return kernel;
  }
  const std::size_t quads = (taps + 3) / 4;
  const std::size_t blocks = (kernel.codes + vector - 1) / vector;
  kernel.weights.assign(blocks * quads * 4 * vector, 0);
  kernel.offsets.assign(blocks * vector, 0);
  kernel.scales.assign(blocks * vector, 0.0F);
  for (std::size_t block = 0; block < blocks; ++block) {
    const std::size_t begin =
        kernel.codes < vector ? 0 : std::min(block * vector, kernel.codes - vector);
    for (std::size_t at = 0; at < vector; ++at) {
      const std::size_t code = begin + channel_of(at, vector);
      if (code >= kernel.codes) continue;
      const std::size_t channel = code % channels;
      kernel.offsets[block * vector + at] = how.offsets[channel];
      kernel.scales[block * vector + at] = how.scales[channel];
      for (std::size_t t = 0; t < taps; ++t) {
        const std::size_t to = ((block * quads + t / 4) * vector + at) * 4 + t % 4;
        kernel.weights[to] = weights[t * channels + channel];
      }
    }
  }
  return kernel;
}

void convolve_depthwise_codes(const DepthwiseCodeKernel& kernel, const DepthwiseCodeRow& row,
                              const SumsToCodes& how) {
  if (codes_per_vector() == 0) return convolve_ref(kernel, row, how);
  HWY_DYNAMIC_DISPATCH(convolve)(kernel, row, how);
}

}  // namespace visionpress
#endif  // HWY_ONCE
