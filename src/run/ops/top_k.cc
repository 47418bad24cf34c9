#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "base/bytes.h"
#include "base/error.h"
#include "run/operator.h"

namespace visionpress {
namespace {

class TopKOperator final : public Operator {
 public:
  TopKOperator(const Shape& x, std::size_t k, Shape out)
      : length_(static_cast<std::size_t>(x.back())), k_(k) {
    rows_ = count_of(Shape(x.begin(), x.end() - 1));
    output_dims = {out, std::move(out)};
    scratch_bytes = length_ * sizeof(std::uint32_t);
  }

  void run(const RunContext& context) const override {
    auto* order = view_as<std::uint32_t>(context.scratch);
    for (std::size_t row = 0; row < rows_; ++row) {
      const float* x = context.inputs[0] + row * length_;
      const auto key = [x](std::uint32_t i) {
        // NaN has no place in an order, so it sorts as -infinity, last.
        return std::isnan(x[i]) ? -std::numeric_limits<float>::infinity() : x[i];
      };
      std::iota(order, order + length_, 0U);
      std::partial_sort(order, order + k_, order + length_, [&](std::uint32_t a, std::uint32_t b) {
        return key(a) > key(b) || (key(a) == key(b) && a < b);
      });
      for (std::size_t i = 0; i < k_; ++i) {
        context.outputs[0][row * k_ + i] = x[order[i]];
        context.outputs[1][row * k_ + i] = static_cast<float>(order[i]);
      }
    }
  }

 private:
  std::size_t length_;
  std::size_t k_;
  std::size_t rows_ = 1;
};

}  // namespace

OperatorResult build_operator(const TopK& op, const BuildContext& context) {
  const Shape x = logical_shape(context.inputs[0].dims, context.layout);
  if (x.back() > std::numeric_limits<std::uint32_t>::max()) {
    return fail(ErrorKind::Malformed, "the {} largest of {}", op.k, to_string(x));
  }
  if (orders_differ(context.inputs[0].dims, context.layout)) {
    return fail(ErrorKind::Unsupported, "the largest of {}, an image of a channels-first graph",
                to_string(x));
  }
  return std::make_unique<TopKOperator>(x, static_cast<std::size_t>(op.k), context.results[0]);
}

}  // namespace visionpress
