#include "kernels/conv_small.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv_small.cc"
#include <hwy/foreach_target.h>

#include "kernels/float_vectors_inl.h"

HWY_BEFORE_NAMESPACE();
namespace visionpress {
namespace HWY_NAMESPACE {
namespace {

// Output pixels summed at once: enough accumulators to hide the latency of a multiply-add.
constexpr std::size_t kPixels = 8;

struct Block {
  std::array<const float*, kPixels> pixels =
      {};                         // first tap of each output pixel, in the padded rows
  const float* kernel = nullptr;  // the packed kernel of this vector of channels
  const float* bias = nullptr;
  std::size_t row_stride = 0;  // floats between kernel rows of the padded input
  std::size_t row_taps = 0;    // kernel_width * in_channels
  std::size_t kernel_height = 0;
  std::size_t kernel_stride = 0;  // floats between taps of the packed kernel
};

using Sums = std::array<FloatVector, kPixels>;

template <bool kFused>
FloatVector add_product(const float* pixel, FloatVector weights, FloatVector sum) {
  return multiply_add<kFused>(hn::Set(FloatTag(), *pixel), weights, sum);
}

// The accumulators are separate variables, because the compiler would keep an array of them in
// memory.
template <bool kFused>
Sums sum_taps(const Block& block) {
  const FloatTag d;
  const auto start = kFused ? hn::LoadU(d, block.bias) : hn::Zero(d);
  auto s0 = start, s1 = start, s2 = start, s3 = start;
  auto s4 = start, s5 = start, s6 = start, s7 = start;
  const float* kernel = block.kernel;
  for (std::size_t ky = 0; ky < block.kernel_height; ++ky) {
    const std::size_t end = ky * block.row_stride + block.row_taps;
    for (std::size_t at = ky * block.row_stride; at < end; ++at) {
      const auto weights = hn::LoadU(d, kernel);
      s0 = add_product<kFused>(block.pixels[0] + at, weights, s0);
      s1 = add_product<kFused>(block.pixels[1] + at, weights, s1);
      s2 = add_product<kFused>(block.pixels[2] + at, weights, s2);
      s3 = add_product<kFused>(block.pixels[3] + at, weights, s3);
      s4 = add_product<kFused>(block.pixels[4] + at, weights, s4);
      s5 = add_product<kFused>(block.pixels[5] + at, weights, s5);
      s6 = add_product<kFused>(block.pixels[6] + at, weights, s6);
      s7 = add_product<kFused>(block.pixels[7] + at, weights, s7);
      kernel += block.kernel_stride;
    }
  }
  Sums sums = {s0, s1, s2, s3, s4, s5, s6, s7};
  if constexpr (!kFused) {
    for (FloatVector& sum : sums) sum = hn::Add(sum, hn::LoadU(d, block.bias));
  }
  return sums;
}

FloatVector activate(FloatVector y, const SmallConvActivation& activation) {
  const FloatTag d;
  const auto scaled = hn::Mul(y, hn::Set(d, activation.slope));
  y = hn::IfThenElse(hn::Lt(y, hn::Zero(d)), scaled, y);
  return clamp_keeping_nan(y, activation.low, activation.high);
}

void store(FloatVector y, std::size_t channels, float* out) {
  const FloatTag d;
  if (channels >= hn::Lanes(d)) {
    hn::StoreU(y, d, out);
  } else {
    hn::BlendedStore(y, hn::FirstN(d, channels), d, out);
  }
}

Sums sum_in_order(const Block& block, SumOrder order) {
  return order == SumOrder::FusedBiasFirst ? sum_taps<true>(block) : sum_taps<false>(block);
}

// Computes one output row: kPixels sums and one vector of channels at a time.
struct RowJob {
  const SmallConvShape* shape = nullptr;
  const SmallConvOptions* options = nullptr;
  const SmallConvBuffers* buffers = nullptr;
  const float* padded = nullptr;  // padded input row of the first kernel row of this output row
  std::size_t padded_stride = 0;  // floats of one padded row
  float* out = nullptr;           // start of the output row
};

Block make_block(const RowJob& job, std::size_t channel) {
  const SmallConvShape& s = *job.shape;
  const FloatTag d;
  Block block;
  block.kernel = job.buffers->packed + channel;
  block.bias = job.buffers->bias + channel;
  block.row_stride = job.padded_stride;
  block.row_taps = s.kernel_width * s.in_channels;
  block.kernel_height = s.kernel_height;
  block.kernel_stride = hwy::RoundUpTo(s.out_channels, hn::Lanes(d));
  return block;
}

// Computes `count` pixels from pixel `x`. Accumulators beyond `count` repeat the last pixel and are
// not stored.
void plain_pixels(const RowJob& job, std::size_t x, std::size_t count) {
  const SmallConvShape& s = *job.shape;
  const FloatTag d;
  for (std::size_t channel = 0; channel < s.out_channels; channel += hn::Lanes(d)) {
    Block block = make_block(job, channel);
    for (std::size_t p = 0; p < kPixels; ++p) {
      block.pixels[p] = job.padded + (x + std::min(p, count - 1)) * s.stride_width * s.in_channels;
    }
    const Sums sums = sum_in_order(block, job.options->order);
    for (std::size_t p = 0; p < count; ++p) {
      store(activate(sums[p], job.options->activation), s.out_channels - channel,
            job.out + (x + p) * s.out_channels + channel);
    }
  }
}

constexpr std::size_t kPooled = kPixels / 4;

// The larger of both, or NaN if either is NaN. hn::Max alone is the second operand on x86 where one
// is NaN.
template <typename V>
V larger(V a, V b) {
  return hn::IfThenElse(hn::IsNaN(a), a, hn::IfThenElse(hn::IsNaN(b), b, hn::Max(a, b)));
}

// Computes `count` pooled pixels from pooled pixel `x`, each from two pixels of one row and two of
// the next.
void pooled_pixels(const RowJob& job, std::size_t x, std::size_t count) {
  const SmallConvShape& s = *job.shape;
  const FloatTag d;
  const float* next = job.padded + s.stride_height * job.padded_stride;
  for (std::size_t channel = 0; channel < s.out_channels; channel += hn::Lanes(d)) {
    Block block = make_block(job, channel);
    for (std::size_t p = 0; p < 2 * kPooled; ++p) {
      const std::size_t pixel = 2 * (x + std::min(p / 2, count - 1)) + p % 2;
      const std::size_t at = pixel * s.stride_width * s.in_channels;
      block.pixels[p] = job.padded + at;
      block.pixels[2 * kPooled + p] = next + at;
    }
    const Sums sums = sum_in_order(block, job.options->order);
    for (std::size_t p = 0; p < count; ++p) {
      const auto upper = larger(sums[2 * p], sums[2 * p + 1]);
      const auto lower = larger(sums[2 * kPooled + 2 * p], sums[2 * kPooled + 2 * p + 1]);
      store(activate(larger(upper, lower), job.options->activation), s.out_channels - channel,
            job.out + (x + p) * s.out_channels + channel);
    }
  }
}

void convolve_rows(const SmallConvShape& s, const SmallConvOptions& options,
                   const SmallConvBuffers& buffers, std::size_t row_begin, std::size_t row_end) {
  const std::size_t pool = options.max_pool_2x2 ? 2 : 1;
  const std::size_t padded_width = (s.out_width - 1) * s.stride_width + s.kernel_width;
  const std::size_t padded_stride = padded_width * s.in_channels;
  const std::size_t first = row_begin * pool * s.stride_height;  // padded row of the first tap
  const std::size_t rows = ((row_end - row_begin) * pool - 1) * s.stride_height + s.kernel_height;
  const std::size_t copied =
      std::min(s.in_width, padded_width - std::min(padded_width, s.pad_left));
  for (std::size_t r = 0; r < rows; ++r) {
    float* row = buffers.scratch + r * padded_stride;
    std::memset(row, 0, padded_stride * sizeof(float));
    const std::size_t y = first + r;
    if (y < s.pad_top || y - s.pad_top >= s.in_height) continue;
    std::memcpy(row + s.pad_left * s.in_channels,
                buffers.x + (y - s.pad_top) * s.in_width * s.in_channels,
                copied * s.in_channels * sizeof(float));
  }
  const std::size_t out_width = s.out_width / pool;
  for (std::size_t row = row_begin; row < row_end; ++row) {
    RowJob job = {&s, &options, &buffers, nullptr, padded_stride, nullptr};
    job.padded = buffers.scratch + (row - row_begin) * pool * s.stride_height * padded_stride;
    job.out = buffers.y + row * out_width * s.out_channels;
    const std::size_t step = options.max_pool_2x2 ? kPooled : kPixels;
    for (std::size_t x = 0; x < out_width; x += step) {
      const std::size_t count = std::min(step, out_width - x);
      options.max_pool_2x2 ? pooled_pixels(job, x, count) : plain_pixels(job, x, count);
    }
  }
}

std::size_t vector_lanes() { return hn::Lanes(FloatTag()); }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace visionpress
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace visionpress {

HWY_EXPORT(convolve_rows);
HWY_EXPORT(vector_lanes);

namespace {

// The reference that VP_FORCE_ISA=scalar runs: one output at a time, channels without padding.

/// The value before the activation. Pixels outside the image are multiplied as zeros, as in the
/// padded rows of the vector code, so that NaN and infinities in the kernel give the same result.
float sum_output_ref(const SmallConvShape& s, SumOrder order, const SmallConvBuffers& buffers,
                     const std::array<std::size_t, 3>& at) {
  const auto [row, column, channel] = at;
  const bool is_fused = order == SumOrder::FusedBiasFirst;
  const float bias = buffers.bias[channel];
  float sum = is_fused ? bias : 0.0F;
  const float* weight = buffers.packed + channel;
  for (std::size_t tap = 0; tap < s.kernel_height * s.kernel_width; ++tap) {
    // Above or left of the image, the unsigned subtraction wraps to a value beyond the image's end,
    // so one comparison covers both sides.
    const std::size_t y = row * s.stride_height + tap / s.kernel_width - s.pad_top;
    const std::size_t x = column * s.stride_width + tap % s.kernel_width - s.pad_left;
    const bool is_inside = y < s.in_height && x < s.in_width;
    for (std::size_t c = 0; c < s.in_channels; ++c, weight += s.out_channels) {
      const float value = is_inside ? buffers.x[(y * s.in_width + x) * s.in_channels + c] : 0.0F;
      sum = is_fused ? std::fma(value, *weight, sum) : value * *weight + sum;
    }
  }
  return is_fused ? sum : sum + bias;
}

float activate_ref(float y, const SmallConvActivation& activation) {
  if (y < 0.0F) y *= activation.slope;
  if (y < activation.low) return activation.low;
  return y > activation.high ? activation.high : y;
}

void convolve_rows_ref(const SmallConvShape& s, const SmallConvOptions& options,
                       const SmallConvBuffers& buffers, std::size_t row_begin,
                       std::size_t row_end) {
  const std::size_t pool = options.max_pool_2x2 ? 2 : 1;
  float* out = buffers.y + row_begin * (s.out_width / pool) * s.out_channels;
  for (std::size_t row = row_begin; row < row_end; ++row) {
    for (std::size_t x = 0; x < s.out_width / pool; ++x) {
      for (std::size_t channel = 0; channel < s.out_channels; ++channel) {
        const auto sum_at = [&](std::size_t down, std::size_t right) {
          return sum_output_ref(s, options.order, buffers,
                                {row * pool + down, x * pool + right, channel});
        };
        float y = sum_at(0, 0);
        if (pool == 2) {
          for (const float sum : {sum_at(0, 1), sum_at(1, 0), sum_at(1, 1)})
            y = std::isnan(y) || y > sum ? y : sum;
        }
        *out++ = activate_ref(y, options.activation);
      }
    }
  }
}

}  // namespace

std::size_t small_conv_padded_channels(const SmallConvShape& shape) {
  if (active_isa() == Isa::Scalar) return shape.out_channels;
  return hwy::RoundUpTo(shape.out_channels, HWY_DYNAMIC_DISPATCH(vector_lanes)());
}

std::size_t small_conv_packed_size(const SmallConvShape& shape) {
  return shape.kernel_height * shape.kernel_width * shape.in_channels *
         small_conv_padded_channels(shape);
}

void pack_small_conv(const SmallConvShape& shape, std::span<const float> kernel,
                     std::span<float> packed) {
  const std::size_t taps = shape.kernel_height * shape.kernel_width * shape.in_channels;
  const std::size_t stride = packed.size() / taps;
  std::fill(packed.begin(), packed.end(), 0.0F);
  for (std::size_t tap = 0; tap < taps; ++tap) {
    std::copy_n(kernel.begin() + static_cast<std::ptrdiff_t>(tap * shape.out_channels),
                shape.out_channels, packed.begin() + static_cast<std::ptrdiff_t>(tap * stride));
  }
}

std::size_t small_conv_scratch_size(const SmallConvShape& shape, const SmallConvOptions& options,
                                    std::size_t rows) {
  const std::size_t out_rows = rows * (options.max_pool_2x2 ? 2 : 1);
  const std::size_t padded_rows = (out_rows - 1) * shape.stride_height + shape.kernel_height;
  return padded_rows * ((shape.out_width - 1) * shape.stride_width + shape.kernel_width) *
         shape.in_channels;
}

void conv_small(const SmallConvShape& shape, const SmallConvOptions& options,
                const SmallConvBuffers& buffers, std::size_t row_begin, std::size_t row_end) {
  if (active_isa() == Isa::Scalar) {
    return convolve_rows_ref(shape, options, buffers, row_begin, row_end);
  }
  HWY_DYNAMIC_DISPATCH(convolve_rows)(shape, options, buffers, row_begin, row_end);
}

}  // namespace visionpress
#endif  // HWY_ONCE
