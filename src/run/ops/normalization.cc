// Operators with one constant per channel: batch norm, instance norm, PReLU.

#include <cmath>

#include "base/error.h"
#include "base/parallel.h"
#include "run/operator.h"

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

// y = scale[c] * x + shift[c]
class AffineOperator final : public Operator {
 public:
  AffineOperator(const Shape& dims, const Channels& channels, int threads)
      : channels_(channels), threads_(threads) {
    output_dims = {dims};
  }
  void run(const RunContext& context) const override {
    parallel_for(channels_.batch * channels_.pixels,
                 threads_ > 1 && channels_.pixels > 64 ? threads_ : 1, [&](std::size_t p) {
                   const float* x = context.inputs[0] + p * channels_.count;
                   float* y = context.outputs[0] + p * channels_.count;
                   for (std::size_t c = 0; c < channels_.count; ++c)
                     y[c] = scale[c] * x[c] + shift[c];
                 });
  }
  std::vector<float> scale = {};
  std::vector<float> shift = {};

 private:
  Channels channels_;
  int threads_;
};

class InstanceNormOperator final : public Operator {
 public:
  InstanceNormOperator(const Shape& dims, const Channels& channels, float epsilon)
      : channels_(channels), epsilon_(epsilon) {
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
    std::vector<double> mean(count, 0.0);
    std::vector<double> variance(count, 0.0);
    for (std::size_t p = 0; p < channels_.pixels; ++p) {
      for (std::size_t c = 0; c < count; ++c) mean[c] += static_cast<double>(x[p * count + c]);
    }
    for (double& m : mean) m /= static_cast<double>(channels_.pixels);
    for (std::size_t p = 0; p < channels_.pixels; ++p) {
      for (std::size_t c = 0; c < count; ++c) {
        const double delta = static_cast<double>(x[p * count + c]) - mean[c];
        variance[c] += delta * delta;
      }
    }
    std::vector<float> scale(count);
    std::vector<float> shift(count);
    for (std::size_t c = 0; c < count; ++c) {
      const double deviation = std::sqrt(variance[c] / static_cast<double>(channels_.pixels) +
                                         static_cast<double>(epsilon_));
      const double factor = static_cast<double>(gamma[c]) / deviation;
      scale[c] = static_cast<float>(factor);
      shift[c] = static_cast<float>(static_cast<double>(beta[c]) - factor * mean[c]);
    }
    for (std::size_t p = 0; p < channels_.pixels; ++p) {
      for (std::size_t c = 0; c < count; ++c)
        y[p * count + c] = scale[c] * x[p * count + c] + shift[c];
    }
  }

  Channels channels_;
  float epsilon_;
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

OperatorResult build_operator(const BatchNorm& op, const BuildContext& context) {
  const Shape& dims = context.inputs[0].dims;
  const Channels channels = channels_of(dims);
  auto result = std::make_unique<AffineOperator>(dims, channels, context.threads);
  VP_ASSIGN_OR_RETURN(const auto gamma, load_vector(context.inputs[1], channels.count, "gamma"));
  VP_ASSIGN_OR_RETURN(const auto beta, load_vector(context.inputs[2], channels.count, "beta"));
  VP_ASSIGN_OR_RETURN(const auto mean, load_vector(context.inputs[3], channels.count, "mean"));
  VP_ASSIGN_OR_RETURN(const auto variance,
                      load_vector(context.inputs[4], channels.count, "variance"));
  for (std::size_t c = 0; c < channels.count; ++c) {
    const double factor =
        static_cast<double>(gamma[c]) /
        std::sqrt(static_cast<double>(variance[c]) + static_cast<double>(op.epsilon));
    result->scale.push_back(static_cast<float>(factor));
    result->shift.push_back(
        static_cast<float>(static_cast<double>(beta[c]) - factor * static_cast<double>(mean[c])));
  }
  return result;
}

OperatorResult build_operator(const InstanceNorm& op, const BuildContext& context) {
  const Shape& dims = context.inputs[0].dims;
  const Channels channels = channels_of(dims);
  auto result = std::make_unique<InstanceNormOperator>(dims, channels, op.epsilon);
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
