#include <cstring>
#include <utility>

#include "base/error.h"
#include "run/operator.h"

namespace visionpress {
namespace {

class TakeRowsOperator final : public Operator {
 public:
  explicit TakeRowsOperator(Shape x) : row_(count_of(Shape(x.begin() + 1, x.end()))) {
    output_dims = {std::move(x)};
    counted_outputs = {true};
  }

  void run(const RunContext& context) const override {
    const Shape& x = output_dims[0];
    const float* sizes = context.inputs[1];
    for (std::size_t axis = 0; axis < x.size(); ++axis) {
      const auto whole = static_cast<float>(x[axis]);
      const bool fits = sizes[axis] == -1.0F || sizes[axis] == whole ||
                        (axis == 0 && sizes[axis] >= 0.0F && sizes[axis] < whole);
      if (fits) continue;
      context.report->status =
          fail(axis == 0 ? ErrorKind::Malformed : ErrorKind::Unsupported,
               "it takes {} elements of axis {} of {}{}", sizes[axis], axis, to_string(x),
               axis == 0 ? "" : ", a computed part of the first axis alone is run");
      return;
    }
    const std::int64_t count = sizes[0] < 0.0F ? x[0] : static_cast<std::int64_t>(sizes[0]);
    std::memcpy(context.outputs[0], context.inputs[0],
                static_cast<std::size_t>(count) * row_ * sizeof(float));
    context.report->counts[0] = count;
  }

 private:
  std::size_t row_;
};

}  // namespace

OperatorResult build_operator(const TakeRows& /*op*/, const BuildContext& context) {
  const Shape& x = context.inputs[0].dims;
  if (orders_differ(x, context.layout)) {
    return fail(ErrorKind::Unsupported, "it takes rows of {}, an image of a channels-first graph",
                to_string(logical_shape(x, context.layout)));
  }
  return std::make_unique<TakeRowsOperator>(x);
}

}  // namespace visionpress
