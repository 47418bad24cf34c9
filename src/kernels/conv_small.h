#pragma once

// Direct float convolution for kernels with few taps, such as a first layer's 3x3x3, on which a
// general convolution leaves most vector lanes unused.

#include <cstddef>
#include <cstdint>
#include <span>

namespace visionpress {

/// The order in which the products of one output are summed. Runtimes differ in it, and in a hybrid
/// network a difference of one ulp can flip a code of a later layer.
enum class SumOrder : std::uint8_t {
  FusedBiasFirst,  ///< start at the bias, one fused multiply-add per tap; ky outermost, then kx, c
                   ///< (XNNPACK)
  PlainBiasLast,   ///< start at zero, multiply then add in the same order, bias last (TFLite
                   ///< builtin)
  PlainBiasFirst,  ///< start at the bias, multiply then add (TFLite builtin, depthwise)
};

/// Sizes in pixels and channels; images are dense H,W,C.
struct SmallConvShape {
  std::size_t in_height = 0;
  std::size_t in_width = 0;
  std::size_t in_channels = 0;
  std::size_t out_width = 0;
  std::size_t out_channels = 0;
  std::size_t kernel_height = 1;
  std::size_t kernel_width = 1;
  std::size_t stride_height = 1;
  std::size_t stride_width = 1;
  std::size_t pad_top = 0;
  std::size_t pad_left = 0;
};

/// Applied to each sum: y < 0 ? slope * y : y, then clamped. Slope 1 and infinite bounds change
/// nothing.
struct SmallConvActivation {
  float slope = 1.0F;
  float low = 0.0F;
  float high = 0.0F;
};

struct SmallConvOptions {
  SumOrder order = SumOrder::FusedBiasFirst;
  SmallConvActivation activation = {};
  bool max_pool_2x2 = false;  ///< write the maximum of each 2x2 block, NaN where it holds NaN; an
                              ///< odd last row or column is dropped
};

/// Length of the padded bias in floats: the output channels, rounded up to whole vectors.
[[nodiscard]] std::size_t small_conv_padded_channels(const SmallConvShape& shape);
/// Length in floats of a kernel packed for `conv_small`: taps x out_channels, the channels rounded
/// up to whole vectors.
[[nodiscard]] std::size_t small_conv_packed_size(const SmallConvShape& shape);
/// kernel: [taps][out_channels], taps in the order ky, kx, c.
void pack_small_conv(const SmallConvShape& shape, std::span<const float> kernel,
                     std::span<float> packed);

struct SmallConvBuffers {
  const float* x = nullptr;       ///< the whole input image
  const float* packed = nullptr;  ///< from pack_small_conv
  const float* bias = nullptr;    ///< padded to whole vectors like the kernel
  float* scratch = nullptr;       ///< small_conv_scratch_size floats, not shared between tasks
  float* y = nullptr;             ///< the whole output
};

/// Writes rows [row_begin, row_end) of the output (of the pooled output when pooling).
void conv_small(const SmallConvShape& shape, const SmallConvOptions& options,
                const SmallConvBuffers& buffers, std::size_t row_begin, std::size_t row_end);
/// Length of the scratch in floats for `rows` output rows at once (of the pooled output when
/// pooling).
[[nodiscard]] std::size_t small_conv_scratch_size(const SmallConvShape& shape,
                                                  const SmallConvOptions& options,
                                                  std::size_t rows);

}  // namespace visionpress
