#include <utility>

#include "run/operator.h"

namespace visionpress {
namespace {

class ShapeOfOperator final : public Operator {
 public:
  explicit ShapeOfOperator(Shape sizes) : sizes_(std::move(sizes)) {
    output_dims = {{std::ssize(sizes_)}};
  }
  void run(const RunContext& context) const override {
    float* y = context.outputs[0];
    for (const std::int64_t size : sizes_) *y++ = static_cast<float>(size);
  }

 private:
  Shape sizes_;
};

}  // namespace

OperatorResult build_operator(const ShapeOf& /*op*/, const BuildContext& context) {
  return std::make_unique<ShapeOfOperator>(logical_shape(context.inputs[0].dims, context.layout));
}

}  // namespace visionpress
