// Operators with one constant per channel: batch norm, instance norm, PReLU.

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/parallel.h"
#include "run/operator.h"
#include "run/ops/column_totals.h"

namespace visionpress {
namespace {

struct Channels {
  std::size_t pixels = 0;  ///< pixels per batch item
  std::size_t count = 0;
  std::size_t batch = 1;
};

// Channels are the innermost axis in the physical order, whatever the rank: [.., C].
Channels channels_of(const Shape& dims) {
  Channels channels;
  channels.count = static_cast<std::size_t>(dims.back());
  channels.batch = dims.size() == 4 ? static_cast<std::size_t>(dims[0]) : 1;
  channels.pixels = channels.batch == 0 ? 0 : count_of(dims) / channels.count / channels.batch;
  return channels;
}

Result<std::vector<float>> load_vector(const InputDesc& input, std::size_t count,
                                       const char* what) {
  VP_ASSIGN_OR_RETURN(std::vector<float> values, load_constant(input));
  if (values.size() == 1) values.assign(count, values[0]);
  if (values.size() != count) {
    return fail(ErrorKind::Malformed, "{} of {} values for {} channels", what, values.size(),
                count);
  }
  return values;
}

/// y = scale[c] * x + shift[c]
void scale_pixels(const Channels& channels, const float* scale, const float* shift, int threads,
                  const float* x, float* y) {
  const std::size_t count = channels.count;
  constexpr std::size_t kValues = std::size_t{1} << 14;  // per task
  const std::size_t step = std::max<std::size_t>(kValues / std::max<std::size_t>(count, 1), 1);
  parallel_for_ranges(channels.pixels, step, threads, [&](std::size_t begin, std::size_t end) {
    for (std::size_t at = begin * count; at < end * count; at += count) {
      for (std::size_t c = 0; c < count; ++c) y[at + c] = scale[c] * x[at + c] + shift[c];
    }
  });
}

class AffineOperator final : public Operator {
 public:
  AffineOperator(const Shape& dims, const Channels& channels, int threads)
      : channels_(channels), threads_(threads_worth(count_of(dims), threads)) {
    output_dims = {dims};
  }
  void run(const RunContext& context) const override {
    scale_pixels({channels_.batch * channels_.pixels, channels_.count, 1}, scale.data(),
                 shift.data(), threads_, context.inputs[0], context.outputs[0]);
  }
  std::vector<float> scale = {};
  std::vector<float> shift = {};

 private:
  Channels channels_;
  int threads_;
};

class InstanceNormOperator final : public Operator {
 public:
  InstanceNormOperator(const Shape& dims, const Channels& channels, float epsilon, int threads)
      : channels_(channels), epsilon_(epsilon), threads_(threads_worth(count_of(dims), threads)) {
    output_dims = {dims};
  }
  void run(const RunContext& context) const override {
    for (std::size_t n = 0; n < channels_.batch; ++n) {
      const std::size_t offset = n * channels_.pixels * channels_.count;
      normalize(context.inputs[0] + offset, context.outputs[0] + offset);
    }
  }
  std::vector<float> gamma = {};
  std::vector<float> beta = {};

 private:
  // Sums in double, because a float sum over a plane of 300,000 pixels would lose three digits.
  void normalize(const float* x, float* y) const {
    const std::size_t count = channels_.count;
    ColumnRows rows = {.x = x, .rows = channels_.pixels, .columns = count};
    std::vector<double> mean = total_columns(rows, ColumnTerm::Value, threads_);
    for (double& m : mean) m /= static_cast<double>(channels_.pixels);
    rows.means = mean.data();
    const std::vector<double> variance =
        total_columns(rows, ColumnTerm::SquaredDifference, threads_);
    std::vector<float> scale(count);
    std::vector<float> shift(count);
    for (std::size_t c = 0; c < count; ++c) {
      const double deviation = std::sqrt(variance[c] / static_cast<double>(channels_.pixels) +
                                         static_cast<double>(epsilon_));
      const double factor = static_cast<double>(gamma[c]) / deviation;
      scale[c] = static_cast<float>(factor);
      shift[c] = static_cast<float>(static_cast<double>(beta[c]) - factor * mean[c]);
    }
    scale_pixels(channels_, scale.data(), shift.data(), threads_, x, y);
  }

  Channels channels_;
  float epsilon_;
  int threads_;
};

class PreluOperator final : public Operator {
 public:
  PreluOperator(const Shape& dims, const Channels& channels) : channels_(channels) {
    output_dims = {dims};
  }
  void run(const RunContext& context) const override {
    for (std::size_t p = 0; p < channels_.batch * channels_.pixels; ++p) {
      const float* x = context.inputs[0] + p * channels_.count;
      float* y = context.outputs[0] + p * channels_.count;
      for (std::size_t c = 0; c < channels_.count; ++c)
        y[c] = x[c] < 0.0F ? slopes[c] * x[c] : x[c];
    }
  }
  std::vector<float> slopes = {};

 private:
  Channels channels_;
};

}  // namespace

Result<ChannelAffine> load_affine(const BatchNorm& op, std::span<const InputDesc> inputs) {
  const std::size_t count = channels_of(inputs[0].dims).count;
  VP_ASSIGN_OR_RETURN(const auto gamma, load_vector(inputs[1], count, "gamma"));
  VP_ASSIGN_OR_RETURN(const auto beta, load_vector(inputs[2], count, "beta"));
  VP_ASSIGN_OR_RETURN(const auto mean, load_vector(inputs[3], count, "mean"));
  VP_ASSIGN_OR_RETURN(const auto variance, load_vector(inputs[4], count, "variance"));
  ChannelAffine affine;
  for (std::size_t c = 0; c < count; ++c) {
    const double factor =
        static_cast<double>(gamma[c]) /
        std::sqrt(static_cast<double>(variance[c]) + static_cast<double>(op.epsilon));
    affine.scale.push_back(factor);
    affine.shift.push_back(static_cast<double>(beta[c]) - factor * static_cast<double>(mean[c]));
  }
  return affine;
}

OperatorResult build_operator(const BatchNorm& op, const BuildContext& context) {
  const Shape& dims = context.inputs[0].dims;
  auto result = std::make_unique<AffineOperator>(dims, channels_of(dims), context.threads);
  VP_ASSIGN_OR_RETURN(const ChannelAffine affine, load_affine(op, context.inputs));
  result->scale.assign(affine.scale.begin(), affine.scale.end());
  result->shift.assign(affine.shift.begin(), affine.shift.end());
  return result;
}

OperatorResult build_operator(const InstanceNorm& op, const BuildContext& context) {
  const Shape& dims = context.inputs[0].dims;
  const Channels channels = channels_of(dims);
  auto result = std::make_unique<InstanceNormOperator>(dims, channels, op.epsilon, context.threads);
  VP_ASSIGN_OR_RETURN(result->gamma, load_vector(context.inputs[1], channels.count, "gamma"));
  VP_ASSIGN_OR_RETURN(result->beta, load_vector(context.inputs[2], channels.count, "beta"));
  return result;
}

OperatorResult build_operator(const Prelu& /*op*/, const BuildContext& context) {
  const Shape& dims = context.inputs[0].dims;
  const Channels channels = channels_of(dims);
  auto result = std::make_unique<PreluOperator>(dims, channels);
  VP_ASSIGN_OR_RETURN(result->slopes, load_vector(context.inputs[1], channels.count, "slopes"));
  return result;
}

}  // namespace visionpress
