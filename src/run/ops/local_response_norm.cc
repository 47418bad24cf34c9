#include <algorithm>
#include <cmath>
#include <functional>

#include "base/bytes.h"
#include "base/error.h"
#include "base/parallel.h"
#include "run/operator.h"
#include "run/ops/running_window.h"

namespace visionpress {
namespace {

// Lines per task: enough to hide the cost of the parallel loop.
constexpr std::size_t kBlock = 64;

class LocalResponseNormOperator final : public Operator {
 public:
  LocalResponseNormOperator(const LocalResponseNorm& op, const Shape& dims, int axis, int threads)
      : op_(op), threads_(threads) {
    output_dims = {dims};
    const auto at = static_cast<std::size_t>(axis);
    for (std::size_t a = 0; a < dims.size(); ++a) {
      std::size_t& part = a < at ? outer_ : a == at ? length_ : inner_;
      part *= static_cast<std::size_t>(dims[a]);
    }
    const auto length = static_cast<std::int64_t>(length_);
    const std::int64_t radius = std::min(op.radius, length);
    windows_ = {length, length, 2 * radius + 1, 1, radius};
    scratch_bytes = static_cast<std::size_t>(std::max(threads, 1)) * 2 * length_ * sizeof(double);
  }

  void run(const RunContext& context) const override {
    const std::size_t lines = outer_ * inner_;
    const std::size_t blocks = (lines + kBlock - 1) / kBlock;
    parallel_for_workers(blocks, threads_, [&](std::size_t block, std::size_t worker) {
      double* scratch = view_as<double>(context.scratch) + worker * 2 * length_;
      const std::size_t end = std::min((block + 1) * kBlock, lines);
      for (std::size_t line = block * kBlock; line < end; ++line) {
        const std::size_t at = line / inner_ * length_ * inner_ + line % inner_;
        normalize(context.inputs[0] + at, scratch, context.outputs[0] + at);
      }
    });
  }

 private:
  // Sums in double, each window on its own: LiteRT adds to and subtracts from a float sum, which
  // keeps the rounding of every value that has left the window.
  void normalize(const float* x, double* scratch, float* y) const {
    const FoldBy by = {0.0, std::plus<double>()};
    const auto load = [&](std::size_t i, std::size_t /*lane*/) {
      const auto value = static_cast<double>(x[i * inner_]);
      return value * value;
    };
    const auto store = [&](std::size_t i, std::size_t /*lane*/, double sum) {
      const double base = static_cast<double>(op_.bias) + static_cast<double>(op_.alpha) * sum;
      y[i * inner_] = static_cast<float>(static_cast<double>(x[i * inner_]) * factor(base));
    };
    fold_line(windows_, 1, scratch, by, load, store);
  }

  // base ^ -beta. Roots where the exponent allows them, since std::pow takes several times as long.
  [[nodiscard]] double factor(double base) const {
    if (op_.beta == 0.5F) return 1.0 / std::sqrt(base);
    if (op_.beta == 0.75F) {
      const double root = std::sqrt(base);
      return 1.0 / (root * std::sqrt(root));
    }
    return std::pow(base, -static_cast<double>(op_.beta));
  }

  LocalResponseNorm op_;
  AxisWindows windows_ = {};
  int threads_;
  std::size_t outer_ = 1;
  std::size_t length_ = 1;
  std::size_t inner_ = 1;
};

}  // namespace

OperatorResult build_operator(const LocalResponseNorm& op, const BuildContext& context) {
  const Shape& dims = context.inputs[0].dims;
  VP_ASSIGN_OR_RETURN(const int axis, physical_axis(op.axis, dims.size(), context.layout));
  if (count_of(dims) == 0 && !context.may_be_empty)
    return fail(ErrorKind::Malformed, "normalization of an empty tensor {}", to_string(dims));
  return std::make_unique<LocalResponseNormOperator>(op, dims, axis, context.threads);
}

}  // namespace visionpress
