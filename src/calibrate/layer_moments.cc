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
  const std::size_t pictures = changed.picture_count();
  for (std::size_t p = 0; p < pictures; ++p) {
    const std::size_t count = std::max<std::size_t>(1, (options.samples + p) / pictures);
    positions_.push_back(pick_positions(total, count, options.seed * 0x9E3779B97F4A7C15U + p));
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
  const std::size_t rows = matrix_.rows();
  const std::size_t columns = matrix_.columns();
  LayerMoments moments;
  moments.gram.resize(columns * columns);
  moments.cross.resize(rows * columns);
  moments.mean_input.resize(columns);
  moments.mean_lack.resize(rows);
  const MatrixView gram = {moments.gram.data(), columns, columns, columns};
  const MatrixView cross = {moments.cross.data(), rows, columns, columns};
  // A read-only operand of a product; MatrixView serves results too.
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast): multiply does not write its operands
  const MatrixView weights = {const_cast<float*>(kernel.data()), rows, columns, columns};
  // Pictures with few positions are joined: products of many samples are faster.
  constexpr std::size_t kBatch = 2048;
  std::vector<float> samples;
  std::vector<float> lacking_inputs;
  std::vector<float> lacks;
  std::size_t filled = 0;
  const auto flush = [&] {
    const MatrixView x = {samples.data(), filled, columns, columns};
    const MatrixView missing = {lacking_inputs.data(), filled, columns, columns};
    for (std::size_t i = 0; i < filled * columns; ++i) lacking_inputs[i] -= samples[i];
    const MatrixView lack = {lacks.data(), filled, rows, rows};
    multiply({missing, Transposed::No, weights, Transposed::Yes, 1.0F, 1.0F}, lack, threads);
    multiply({lack, Transposed::Yes, x, Transposed::No, 1.0F, 1.0F}, cross, threads);
    add_gram(x, gram, threads);
    add_mean(x, moments.mean_input);
    add_mean(lack, moments.mean_lack);
    moments.samples += filled;
    filled = 0;
  };
  for (std::size_t p = 0; p < positions_.size(); ++p) {
    const std::size_t count = positions_[p].size();
    if (samples.size() < (filled + count) * columns) {
      samples.resize((filled + count) * columns);
      lacking_inputs.resize(samples.size());
    }
    lacks.resize(std::max(lacks.size(), (filled + count) * rows));
    std::fill_n(lacks.data() + filled * rows, count * rows, 0.0F);
    if (joined_ != kNoTensor) add_joined(p, group, lacks.data() + filled * rows);
    gather(changed_, p, group, samples.data() + filled * columns);
    gather(original_, p, group, lacking_inputs.data() + filled * columns);
    filled += count;
    if (filled >= kBatch) flush();
  }
  if (filled > 0) flush();
  for (double& mean : moments.mean_input) mean /= static_cast<double>(moments.samples);
  for (double& mean : moments.mean_lack) mean /= static_cast<double>(moments.samples);
  return moments;
}

}  // namespace visionpress
