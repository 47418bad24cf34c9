// Functions that integer networks compute on codes, in a run that computes in float.

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "run/operator.h"

namespace visionpress {
namespace {

class CodedFunctionOperator final : public Operator {
 public:
  CodedFunctionOperator(CodedFunctionKind kind, const Shape& dims)
      : kind_(kind), depth_(static_cast<std::size_t>(dims.back())) {
    output_dims = {dims};
  }

  void run(const RunContext& context) const override {
    if (depth_ == 0) return;
    for (std::size_t row = 0; row < count_of(output_dims[0]) / depth_; ++row) {
      const float* x = context.inputs[0] + row * depth_;
      float* y = context.outputs[0] + row * depth_;
      if (kind_ == CodedFunctionKind::LogSoftmax) {
        log_softmax(x, y);
      } else {
        normalize(x, y);
      }
    }
  }

 private:
  void log_softmax(const float* x, float* y) const {
    const double most = *std::max_element(x, x + depth_);
    double sum = 0.0;
    for (std::size_t i = 0; i < depth_; ++i) sum += std::exp(static_cast<double>(x[i]) - most);
    const double base = most + std::log(sum);
    for (std::size_t i = 0; i < depth_; ++i)
      y[i] = static_cast<float>(static_cast<double>(x[i]) - base);
  }

  void normalize(const float* x, float* y) const {
    constexpr double kLeastLength = 1e-6;
    double sum = 0.0;
    for (std::size_t i = 0; i < depth_; ++i)
      sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    const double length = std::max(std::sqrt(sum), kLeastLength);
    for (std::size_t i = 0; i < depth_; ++i)
      y[i] = static_cast<float>(static_cast<double>(x[i]) / length);
  }

  CodedFunctionKind kind_;
  std::size_t depth_;
};

}  // namespace

OperatorResult build_operator(const CodedFunction& op, const BuildContext& context) {
  if (context.results[0].empty()) return fail(ErrorKind::Unsupported, "it takes a single value");
  return std::make_unique<CodedFunctionOperator>(op.kind, context.results[0]);
}

}  // namespace visionpress
