#include <utility>

#include "run/operator.h"
#include "run/ops/broadcast.h"

namespace visionpress {
namespace {

class SelectOperator final : public Operator {
 public:
  SelectOperator(const BuildContext& context, Shape out)
      : condition_(broadcast_strides(context.inputs[0].dims, out, context.layout)),
        first_(broadcast_strides(context.inputs[1].dims, out, context.layout)),
        second_(broadcast_strides(context.inputs[2].dims, out, context.layout)) {
    output_dims = {std::move(out)};
  }

  void run(const RunContext& context) const override {
    // Lines arrive in the result's order, so the write position only advances. A line walks two
    // operands but Select has three, so `second` is broadcast to the result first.
    float* y = context.outputs[0];
    walk_lines(
        output_dims[0], second_, second_,
        [&](std::int64_t from, std::int64_t, std::int64_t count, std::int64_t step, std::int64_t) {
          for (std::int64_t i = 0; i < count; ++i) *y++ = context.inputs[2][from + i * step];
        });
    y = context.outputs[0];
    walk_lines(output_dims[0], condition_, first_,
               [&](std::int64_t asks, std::int64_t from, std::int64_t count, std::int64_t ask_step,
                   std::int64_t step) {
                 for (std::int64_t i = 0; i < count; ++i, ++y) {
                   if (context.inputs[0][asks + i * ask_step] != 0.0F)
                     *y = context.inputs[1][from + i * step];
                 }
               });
  }

 private:
  Strides condition_;
  Strides first_;
  Strides second_;
};

}  // namespace

OperatorResult build_operator(const Select& /*op*/, const BuildContext& context) {
  return std::make_unique<SelectOperator>(context, context.results[0]);
}

}  // namespace visionpress
