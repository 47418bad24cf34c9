#include "calibrate/layer_moments.h"

#include <algorithm>
#include <random>

#include "kernels/dense_matrix.h"
#include "lower/axis_order.h"

namespace visionpress {
namespace {

/// Positions [0, total), one from each of `count` strata of equal size, ascending.
std::vector<std::size_t> pick_positions(std::size_t total, std::size_t count, std::uint64_t seed) {
  std::vector<std::size_t> positions;
  if (count >= total) {
    for (std::size_t i = 0; i < total; ++i) positions.push_back(i);
    return positions;
  }
  std::mt19937_64 random(seed);
  for (std::size_t i = 0; i < count; ++i) {
    const double within = static_cast<double>(random() >> 11U) * 0x1p-53;
    const double at =
        (static_cast<double>(i) + within) * static_cast<double>(total) / static_cast<double>(count);
    positions.push_back(std::min(static_cast<std::size_t>(at), total - 1));
  }
  return positions;
}

/// An image and the steps between its neighbours, whatever its layout.
struct ImageSteps {
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::size_t row = 0;
  std::size_t pixel = 0;
  std::size_t channel = 0;
};

ImageSteps steps_of(const Shape& logical, Layout layout) {
  const Shape image = physical_shape(logical, layout);
  const auto width = static_cast<std::size_t>(image[2]);
  const auto channels = static_cast<std::size_t>(image[3]);
  ImageSteps steps = {.height = image[1], .width = image[2]};
  const bool is_first = layout == Layout::ChannelsFirst;
  steps.pixel = is_first ? 1 : channels;
  steps.row = width * steps.pixel;
  steps.channel = is_first ? width * static_cast<std::size_t>(image[1]) : 1;
  return steps;
}

void add_mean(const MatrixView& samples, std::vector<double>& sums) {
  for (std::size_t r = 0; r < samples.rows; ++r) {
    for (std::size_t c = 0; c < samples.columns; ++c) sums[c] += samples.at(r, c);
  }
}

/// Samples of a few pictures, and the sums over those before them.
class SampleBatch {
 public:
  /// kernel: [rows, columns].
  SampleBatch(std::span<const float> kernel, std::size_t rows, std::size_t columns, int threads)
      : kernel_(kernel.begin(), kernel.end()), rows_(rows), columns_(columns), threads_(threads) {
    moments_.gram.resize(columns * columns);
    moments_.cross.resize(rows * columns);
    moments_.mean_input.resize(columns);
    moments_.mean_lack.resize(rows);
  }

  /// Makes room for so many samples after those that are there.
  void make_room(std::size_t count) {
    const std::size_t samples = filled_ + count;
    inputs_.resize(std::max(inputs_.size(), samples * columns_));
    originals_.resize(inputs_.size());
    lacks_.resize(std::max(lacks_.size(), samples * rows_));
    std::fill_n(next_lack(), count * rows_, 0.0F);
  }
  /// From here on, inputs are those of the original network and nothing is joined: no results lack
  /// anything.
  void expect_no_lacks() { has_lacks_ = false; }
  float* next_input() { return inputs_.data() + filled_ * columns_; }
  float* next_original() { return originals_.data() + filled_ * columns_; }
  float* next_lack() { return lacks_.data() + filled_ * rows_; }

  void add(std::size_t count) {
    // Pictures with few positions are joined: products of many samples are faster.
    constexpr std::size_t kBatch = 2048;
    filled_ += count;
    if (filled_ >= kBatch) sum_up();
  }

  LayerMoments finish() {
    if (filled_ > 0) sum_up();
    const auto samples = static_cast<double>(moments_.samples);
    for (double& mean : moments_.mean_input) mean /= samples;
    for (double& mean : moments_.mean_lack) mean /= samples;
    return std::move(moments_);
  }

 private:
  void sum_up() {
    const MatrixView x = {inputs_.data(), filled_, columns_, columns_};
    if (has_lacks_) sum_up_lacks(x);
    add_gram(x, {moments_.gram.data(), columns_, columns_, columns_}, threads_);
    add_mean(x, moments_.mean_input);
    moments_.samples += filled_;
    filled_ = 0;
  }

  void sum_up_lacks(const MatrixView& x) {
    const MatrixView missing = {originals_.data(), filled_, columns_, columns_};
    const MatrixView kernel = {kernel_.data(), rows_, columns_, columns_};
    for (std::size_t i = 0; i < filled_ * columns_; ++i) originals_[i] -= inputs_[i];
    const MatrixView lack = {lacks_.data(), filled_, rows_, rows_};
    multiply({missing, Transposed::No, kernel, Transposed::Yes, 1.0F, 1.0F}, lack, threads_);
    multiply({lack, Transposed::Yes, x, Transposed::No, 1.0F, 1.0F},
             {moments_.cross.data(), rows_, columns_, columns_}, threads_);
    add_mean(lack, moments_.mean_lack);
  }

  std::vector<float> kernel_;
  std::size_t rows_;
  std::size_t columns_;
  int threads_;
  std::vector<float> inputs_ = {};
  std::vector<float> originals_ = {};
  std::vector<float> lacks_ = {};
  std::size_t filled_ = 0;
  bool has_lacks_ = true;
  LayerMoments moments_ = {};
};

}  // namespace

MomentCollector::MomentCollector(const KernelMatrix& matrix, Layout layout,
                                 const ActivationWalk& changed, const ActivationWalk& original,
                                 const MomentOptions& options)
    : matrix_(matrix),
      layout_(layout),
      joined_(options.joined),
      changed_(changed),
      original_(original) {
  const auto total = static_cast<std::size_t>(matrix.reads.positions[0]) *
                     static_cast<std::size_t>(matrix.reads.positions[1]);
  const std::size_t pictures = changed.picture_count() - options.left_out.size();
  std::size_t sampled = 0;
  for (std::size_t p = 0; p < changed.picture_count(); ++p) {
    positions_.emplace_back();
    if (std::ranges::binary_search(options.left_out, p)) continue;
    const std::size_t count = std::max<std::size_t>(1, (options.samples + sampled++) / pictures);
    positions_.back() = pick_positions(total, count, options.seed * 0x9E3779B97F4A7C15U + p);
  }
}

void MomentCollector::gather(const ActivationWalk& walk, std::size_t picture, std::size_t group,
                             float* samples) const {
  const std::span<const float> values = walk.values(picture, matrix_.input);
  const LayerColumns& reads = matrix_.reads;
  const std::size_t columns = matrix_.columns();
  const std::vector<std::size_t>& positions = positions_[picture];
  if (!reads.is_image) {
    for (std::size_t i = 0; i < positions.size(); ++i)
      std::copy_n(values.data() + positions[i] * columns, columns, samples + i * columns);
    return;
  }
  const ImageSteps steps = steps_of(walk.shape(matrix_.input), layout_);
  const std::size_t channels = reads.channels_per_group;
  const float* plane = values.data() + group * channels * steps.channel;
  float* out = samples;
  for (const std::size_t position : positions) {
    const auto wide = static_cast<std::size_t>(reads.positions[1]);
    const std::int64_t top =
        static_cast<std::int64_t>(position / wide) * reads.stride[0] - reads.before[0];
    const std::int64_t left =
        static_cast<std::int64_t>(position % wide) * reads.stride[1] - reads.before[1];
    for (std::int64_t ky = 0; ky < reads.kernel[0]; ++ky) {
      const std::int64_t y = top + ky * reads.dilation[0];
      for (std::int64_t kx = 0; kx < reads.kernel[1]; ++kx, out += channels) {
        const std::int64_t x = left + kx * reads.dilation[1];
        if (y < 0 || y >= steps.height || x < 0 || x >= steps.width) {
          std::fill_n(out, channels, 0.0F);
          continue;
        }
        const float* pixel = plane + static_cast<std::size_t>(y) * steps.row +
                             static_cast<std::size_t>(x) * steps.pixel;
        for (std::size_t c = 0; c < channels; ++c) out[c] = pixel[c * steps.channel];
      }
    }
  }
}

void MomentCollector::add_joined(std::size_t picture, std::size_t group, float* lacks) const {
  const std::span<const float> changed = changed_.values(picture, joined_);
  const std::span<const float> original = original_.values(picture, joined_);
  const ImageSteps steps = steps_of(changed_.shape(joined_), layout_);
  const std::size_t rows = matrix_.rows();
  for (std::size_t i = 0; i < positions_[picture].size(); ++i) {
    const std::size_t pixel = positions_[picture][i] * steps.pixel + group * rows * steps.channel;
    for (std::size_t r = 0; r < rows; ++r) {
      const std::size_t at = pixel + r * steps.channel;
      lacks[i * rows + r] = original[at] - changed[at];
    }
  }
}

LayerMoments MomentCollector::collect(std::size_t group, std::span<const float> kernel,
                                      int threads) const {
  SampleBatch batch(kernel, matrix_.rows(), matrix_.columns(), threads);
  const bool has_lacks = &changed_ != &original_;
  if (!has_lacks) batch.expect_no_lacks();
  for (std::size_t p = 0; p < positions_.size(); ++p) {
    batch.make_room(positions_[p].size());
    gather(changed_, p, group, batch.next_input());
    if (has_lacks) gather(original_, p, group, batch.next_original());
    if (has_lacks && joined_ != kNoTensor) add_joined(p, group, batch.next_lack());
    batch.add(positions_[p].size());
  }
  return batch.finish();
}

}  // namespace visionpress
