#include <utility>

#include "run/operator.h"

namespace visionpress {
namespace {

class WhereOperator final : public Operator {
 public:
  explicit WhereOperator(Shape x) : x_(std::move(x)), total_(count_of(x_)) {
    output_dims = {{static_cast<std::int64_t>(total_), static_cast<std::int64_t>(x_.size())}};
    counted_outputs = {true};
  }

  void run(const RunContext& context) const override {
    const std::size_t rank = x_.size();
    float* y = context.outputs[0];
    std::int64_t found = 0;
    for (std::size_t at = 0; at < total_; ++at) {
      if (context.inputs[0][at] == 0.0F) continue;
      std::size_t rest = at;
      for (std::size_t a = rank; a-- > 0;) {
        const auto size = static_cast<std::size_t>(x_[a]);
        y[a] = static_cast<float>(rest % size);
        rest /= size;
      }
      y += rank;
      ++found;
    }
    context.report->counts[0] = found;
  }

 private:
  Shape x_;
  std::size_t total_;
};

}  // namespace

OperatorResult build_operator(const Where& /*op*/, const BuildContext& context) {
  return std::make_unique<WhereOperator>(context.inputs[0].dims);
}

}  // namespace visionpress
