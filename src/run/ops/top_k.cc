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
  TopKOperator(const TopK& op, const Shape& x, Shape out)
      : length_(static_cast<std::size_t>(x.back())),
        k_(static_cast<std::size_t>(out.back())),
        sign_(op.is_smallest ? -1.0F : 1.0F) {
    rows_ = count_of(Shape(x.begin(), x.end() - 1));
    output_dims = {out, std::move(out)};
    scratch_bytes = length_ * sizeof(std::uint32_t);
  }

  void run(const RunContext& context) const override {
    auto* order = view_as<std::uint32_t>(context.scratch);
    for (std::size_t row = 0; row < rows_; ++row) {
      const float* x = context.inputs[0] + row * length_;
      const auto key = [this, x](std::uint32_t i) {
        // NaN has no place in an order, so it sorts last.
        return std::isnan(x[i]) ? -std::numeric_limits<float>::infinity() : sign_ * x[i];
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
  float sign_;  ///< -1: the order is that of the negated values
  std::size_t rows_ = 1;
};

}  // namespace

OperatorResult build_operator(const TopK& op, const BuildContext& context) {
  const Shape& x = context.inputs[0].dims;
  if (x.back() > std::numeric_limits<std::uint32_t>::max()) {
    return fail(ErrorKind::Malformed, "the {} largest of {}", op.k, to_string(x));
  }
  return std::make_unique<TopKOperator>(op, x, context.results[0]);
}

}  // namespace visionpress
