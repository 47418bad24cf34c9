#pragma once

// Depthwise convolutions by rows: which rows a task computes, the padded copy of its input, and the
// packed kernel. What a copy holds (values or codes) is the operator's choice.

#include <algorithm>
#include <vector>

#include "base/parallel.h"
#include "kernels/depthwise.h"
#include "run/onednn_adapter.h"

namespace visionpress {

/// A position in the kernel.
struct KernelTap {
  std::int64_t y = 0, x = 0;
};

class DepthwiseRows {
 public:
  /// taps: in the order of the sums. spec: each output channel reads one input channel.
  DepthwiseRows(const ConvSpec& spec, const std::vector<KernelTap>& taps, int threads);

  /// kernel(tap, channel) gives a weight; bias: one per output channel.
  template <typename Kernel>
  void pack(const std::vector<KernelTap>& taps, const std::vector<float>& bias,
            const Kernel& kernel) {
    weights_.assign(taps.size() * stride_, 0.0F);
    for (std::size_t t = 0; t < taps.size(); ++t) {
      for (std::size_t c = 0; c < folded_channels(); ++c)
        weights_[t * stride_ + c] = kernel(taps[t], c % channels_);
    }
    bias_ = spread(bias);
  }
  /// Values of the channels as the kernels read them.
  [[nodiscard]] std::vector<float> spread(const std::vector<float>& values) const;

  [[nodiscard]] std::size_t scratch_bytes() const;
  /// That the work is worth.
  [[nodiscard]] int threads() const { return threads_; }

  /// Calls copy(y, line) for each input row of one image that a task reads, then finish(row) for
  /// each output row. copy writes in_width * in_channels values.
  /// y: the output image.
  template <typename Copy, typename Finish>
  void run(std::byte* scratch, float* y, const Copy& copy, const Finish& finish) const {
    const std::size_t tasks = (out_rows_ + rows_per_task_ - 1) / rows_per_task_;
    parallel_for_workers(tasks, threads_, [&](std::size_t task, std::size_t worker) {
      float* padded = padded_rows(scratch, worker);
      const std::size_t begin = task * rows_per_task_;
      const std::size_t end = std::min(begin + rows_per_task_, out_rows_);
      fill(padded, begin, end, copy);
      for (std::size_t row = begin; row < end; ++row) finish(job(padded, row - begin, row, y));
    });
  }

 private:
  [[nodiscard]] std::size_t folded_channels() const { return channels_ * fold_; }
  [[nodiscard]] float* padded_rows(std::byte* scratch, std::size_t worker) const;
  [[nodiscard]] DepthwiseRow job(const float* padded, std::size_t index, std::size_t row,
                                 float* y) const;
  /// Repeats each value of a line once per output channel that reads it. Starts at the end, since
  /// the line lies at the front of its own result.
  void widen(float* line) const;

  template <typename Copy>
  void fill(float* padded, std::size_t begin, std::size_t end, const Copy& copy) const {
    const std::size_t rows = (end - begin - 1) * stride_height_ + extent_;
    for (std::size_t r = 0; r < rows; ++r) {
      float* row = padded + r * row_floats_;
      const std::size_t from = begin * stride_height_ + r;
      if (from < pad_top_ || from - pad_top_ >= in_height_) {
        std::fill_n(row, row_floats_, 0.0F);
        continue;
      }
      float* line = row + pad_left_ * channels_;
      copy(from - pad_top_, line);
      if (multiplier_ > 1) widen(line);
      std::fill_n(row, pad_left_ * channels_, 0.0F);
      std::fill(line + in_width_ * channels_, row + row_floats_, 0.0F);
    }
  }

  int threads_;
  std::size_t in_height_, in_width_, out_rows_, out_width_, channels_, multiplier_;
  std::size_t stride_height_, stride_width_, pad_top_, pad_left_;
  std::size_t extent_ = 0;         ///< input rows of one window
  std::size_t row_floats_ = 0;     ///< of a padded row
  std::size_t rows_per_task_ = 0;  ///< output rows
  std::size_t fold_ = 1;           ///< neighbouring pixels treated as one
  std::size_t stride_ = 0;         ///< of the packed kernel
  std::vector<std::size_t> offsets_ = {};
  std::vector<float> weights_ = {};
  std::vector<float> bias_ = {};
};

}  // namespace visionpress
