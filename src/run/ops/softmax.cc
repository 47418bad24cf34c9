#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/parallel.h"
#include "kernels/float_functions.h"
#include "kernels/litert_math.h"
#include "run/operator.h"

namespace visionpress {
namespace {

class SoftmaxOperator final : public Operator {
 public:
  SoftmaxOperator(const Shape& dims, int axis, float beta, const BuildContext& context)
      : beta_(beta), math_(context.float_math) {
    output_dims = {dims};
    const auto at = static_cast<std::size_t>(axis);
    for (std::size_t a = 0; a < dims.size(); ++a) {
      std::size_t& part = a < at ? outer_ : a == at ? length_ : inner_;
      part *= static_cast<std::size_t>(dims[a]);
    }
    constexpr std::size_t kPerValue = 8;  // the work on a value, in multiplications
    threads_ = threads_worth(outer_ * length_ * inner_ * kPerValue, context.threads);
  }
  void run(const RunContext& context) const override {
    if (math_ != FloatMath::Plain && inner_ == 1) return run_as_litert(context);
    parallel_for(outer_, threads_, [&](std::size_t o) {
      for (std::size_t i = 0; i < inner_; ++i) {
        const std::size_t at = o * length_ * inner_ + i;
        normalize(context.inputs[0] + at, context.outputs[0] + at);
      }
    });
  }

 private:
  // XNNPACK takes a softmax only if beta is 1.
  void run_as_litert(const RunContext& context) const {
    const float* x = context.inputs[0];
    float* y = context.outputs[0];
    if (math_ == FloatMath::Builtin || beta_ != 1.0F)
      return builtin_softmax(x, outer_, length_, beta_, y);
    for (std::size_t o = 0; o < outer_; ++o)
      xnnpack_softmax(x + o * length_, length_, y + o * length_);
  }

  void normalize(const float* x, float* y) const {
    float largest = x[0];
    for (std::size_t k = 1; k < length_; ++k) largest = std::max(largest, x[k * inner_]);
    double sum = 0.0;
    for (std::size_t k = 0; k < length_; ++k) y[k * inner_] = (x[k * inner_] - largest) * beta_;
    if (inner_ == 1) {
      apply_function(FloatFunction::Exp, y, length_, y);
    } else {
      for (std::size_t k = 0; k < length_; ++k) y[k * inner_] = std::exp(y[k * inner_]);
    }
    for (std::size_t k = 0; k < length_; ++k) sum += static_cast<double>(y[k * inner_]);
    for (std::size_t k = 0; k < length_; ++k) {
      y[k * inner_] = static_cast<float>(static_cast<double>(y[k * inner_]) / sum);
    }
  }

  float beta_;
  FloatMath math_;
  int threads_ = 1;
  std::size_t outer_ = 1;
  std::size_t length_ = 1;
  std::size_t inner_ = 1;
};

}  // namespace

OperatorResult build_operator(const Softmax& op, const BuildContext& context) {
  const Shape& dims = context.inputs[0].dims;
  VP_ASSIGN_OR_RETURN(const int axis, physical_axis(op.axis, dims.size(), context.layout));
  if (count_of(dims) == 0 && !context.may_be_empty)
    return fail(ErrorKind::Malformed, "softmax of an empty tensor {}", to_string(dims));
  return std::make_unique<SoftmaxOperator>(dims, axis, op.beta, context);
}

}  // namespace visionpress
