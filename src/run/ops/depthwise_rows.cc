#include "run/ops/depthwise_rows.h"

#include "base/bytes.h"
#include "run/operator.h"

namespace visionpress {
namespace {

std::size_t to_size(std::int64_t value) { return static_cast<std::size_t>(value); }

// Splits the rows evenly, so that a task's padded rows stay in the second-level cache.
std::size_t choose_rows(std::size_t rows, std::size_t row_bytes, std::size_t threads) {
  constexpr std::size_t kTaskBytes = std::size_t{256} << 10;  // of 512 KB or more
  const std::size_t most =
      std::max<std::size_t>(kTaskBytes / std::max<std::size_t>(row_bytes, 1), 1);
  return std::max<std::size_t>(even_share(rows, most, threads), 1);
}

}  // namespace

DepthwiseRows::DepthwiseRows(const ConvSpec& spec, const std::vector<KernelTap>& taps, int threads)
    : threads_(threads_worth(count_products(spec), std::max(threads, 1))),
      in_height_(to_size(spec.in[0])),
      in_width_(to_size(spec.in[1])),
      out_rows_(to_size(spec.out[0])),
      out_width_(to_size(spec.out[1])),
      channels_(to_size(spec.out_channels)),
      multiplier_(to_size(spec.out_channels / spec.in_channels)),
      stride_height_(to_size(spec.stride[0])),
      stride_width_(to_size(spec.stride[1])),
      pad_top_(to_size(spec.before[0])),
      pad_left_(to_size(spec.before[1])) {
  extent_ = to_size((spec.kernel[0] - 1) * spec.dilation[0] + 1);
  const std::size_t width =
      (out_width_ - 1) * stride_width_ + to_size((spec.kernel[1] - 1) * spec.dilation[1] + 1);
  // A stride may leave the last columns of the image unread; they are copied with the rest.
  row_floats_ = std::max(width, pad_left_ + in_width_) * channels_;
  rows_per_task_ = choose_rows(out_rows_, stride_height_ * row_floats_ * sizeof(float),
                               static_cast<std::size_t>(threads_));
  fold_ = stride_width_ == 1 ? depthwise_fold(channels_) : 1;
  stride_ = depthwise_stride(folded_channels());
  for (const KernelTap& tap : taps) {
    offsets_.push_back(to_size(tap.y * spec.dilation[0]) * row_floats_ +
                       to_size(tap.x * spec.dilation[1]) * channels_);
  }
}

std::vector<float> DepthwiseRows::spread(const std::vector<float>& values) const {
  std::vector<float> wide(stride_, 0.0F);
  for (std::size_t c = 0; c < folded_channels(); ++c) wide[c] = values[c % channels_];
  return wide;
}

std::size_t DepthwiseRows::scratch_bytes() const {
  const std::size_t rows = (rows_per_task_ - 1) * stride_height_ + extent_;
  const std::size_t slack = std::max(kDepthwiseSlack, folded_channels() + kDepthwiseSlack);
  return align_up((rows * row_floats_ + slack) * sizeof(float)) *
         static_cast<std::size_t>(threads_);
}

float* DepthwiseRows::padded_rows(std::byte* scratch, std::size_t worker) const {
  return view_as<float>(scratch + worker * (scratch_bytes() / static_cast<std::size_t>(threads_)));
}

DepthwiseRow DepthwiseRows::job(const float* padded, std::size_t index, std::size_t row,
                                float* y) const {
  DepthwiseRow job;
  job.x = padded + index * stride_height_ * row_floats_;
  job.offsets = offsets_.data();
  job.taps = offsets_.size();
  job.channels = folded_channels();
  job.pixel_step = stride_width_ * folded_channels();
  job.pixels = (out_width_ + fold_ - 1) / fold_;
  job.weights = weights_.data();
  job.bias = bias_.data();
  job.y_floats = out_width_ * channels_;
  job.y = y + row * job.y_floats;
  return job;
}

void DepthwiseRows::widen(float* line) const {
  for (std::size_t i = in_width_ * channels_; i-- > 0;) line[i] = line[i / multiplier_];
}

}  // namespace visionpress
