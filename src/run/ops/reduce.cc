#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "base/error.h"
#include "run/operator.h"
#include "run/ops/column_totals.h"
#include "run/ops/litert_sum.h"
#include "run/ops/strided.h"

namespace visionpress {
namespace {

/// total: of `count` terms.
double finish_sum(ReduceKind kind, double total, std::size_t count) {
  if (kind == ReduceKind::Mean) return total / static_cast<double>(count);
  if (kind == ReduceKind::L2) return std::sqrt(total);
  return total;
}

/// Sums over the pixels of each image: [images, pixels, channels] to [images, channels].
class PixelSumOperator final : public Operator {
 public:
  PixelSumOperator(ReduceKind kind, std::size_t images, std::size_t pixels, Shape out, int threads)
      : kind_(kind), images_(images), pixels_(pixels) {
    output_dims = {std::move(out)};
    channels_ = count_of(output_dims[0]) / images;
    threads_ = threads_worth(images * pixels * channels_, threads);
  }

  static bool takes(ReduceKind kind) {
    return kind == ReduceKind::Sum || kind == ReduceKind::Mean ||
           kind == ReduceKind::SumOfSquares || kind == ReduceKind::L2;
  }

  void run(const RunContext& context) const override {
    const bool squares = kind_ == ReduceKind::SumOfSquares || kind_ == ReduceKind::L2;
    for (std::size_t image = 0; image < images_; ++image) {
      const ColumnRows rows = {.x = context.inputs[0] + image * pixels_ * channels_,
                               .rows = pixels_,
                               .columns = channels_};
      const std::vector<double> totals =
          total_columns(rows, squares ? ColumnTerm::Square : ColumnTerm::Value, threads_);
      float* y = context.outputs[0] + image * channels_;
      for (std::size_t c = 0; c < channels_; ++c)
        y[c] = static_cast<float>(finish_sum(kind_, totals[c], pixels_));
    }
  }

 private:
  ReduceKind kind_;
  std::size_t images_, pixels_;
  std::size_t channels_ = 0;
  int threads_ = 1;
};

class ReduceOperator final : public Operator {
 public:
  /// out_strides: the stride in the result for each physical axis of the input; 0 if the axis is
  /// reduced.
  ReduceOperator(const Reduce& op, Shape in, Strides out_strides, Shape out)
      : op_(op), in_(std::move(in)), out_strides_(std::move(out_strides)) {
    output_dims = {std::move(out)};
    out_count_ = count_of(output_dims[0]);
    const bool finds = op_.kind == ReduceKind::ArgMax || op_.kind == ReduceKind::ArgMin;
    const bool is_innermost = !out_strides_.empty() && out_strides_.back() == 0;
    rejects_nan_ = finds && (op_.keeps_nan || is_innermost);
    reduced_count_ = out_count_ == 0 ? 0 : count_of(in_) / out_count_;
    scratch_bytes = out_count_ * (sizeof(double) + sizeof(std::int64_t));
  }

  void run(const RunContext& context) const override {
    // Sums in double, because a float sum over a plane of 300,000 pixels would lose three digits.
    auto* totals = view_as<double>(context.scratch);
    auto* seen = view_as<std::int64_t>(totals + out_count_);
    std::fill(totals, totals + out_count_, initial());
    std::fill(seen, seen + out_count_, 0);
    if (op_.kind == ReduceKind::ArgMax || op_.kind == ReduceKind::ArgMin) {
      if (rejects_nan_ && std::any_of(context.inputs[0], context.inputs[0] + count_of(in_),
                                      [](float x) { return std::isnan(x); })) {
        context.report->status = fail(
            ErrorKind::Unsupported,
            "its input holds NaN; which index its runtime gives then depends on the processor");
        return;
      }
      std::fill(context.outputs[0], context.outputs[0] + out_count_, 0.0F);
      find_extremes(context.inputs[0], totals, seen, context.outputs[0]);
      return;
    }
    walk_lines(in_, dense_strides(in_), out_strides_,
               [&](std::int64_t from, std::int64_t to, std::int64_t count, std::int64_t,
                   std::int64_t step) {
                 const float* x = context.inputs[0] + from;
                 for (std::int64_t i = 0; i < count; ++i)
                   add(totals[to + i * step], static_cast<double>(x[i]));
               });
    for (std::size_t i = 0; i < out_count_; ++i)
      context.outputs[0][i] = static_cast<float>(finish_sum(op_.kind, totals[i], reduced_count_));
  }

 private:
  [[nodiscard]] double initial() const {
    switch (op_.kind) {
      case ReduceKind::Product:
        return 1.0;
      case ReduceKind::Maximum:
      case ReduceKind::ArgMax:
        return -std::numeric_limits<double>::infinity();
      case ReduceKind::Minimum:
      case ReduceKind::ArgMin:
        return std::numeric_limits<double>::infinity();
      default:
        return 0.0;
    }
  }

  void add(double& total, double x) const {
    switch (op_.kind) {
      case ReduceKind::Product:
        total *= x;
        break;
      case ReduceKind::Maximum:
        total = total > x || (op_.keeps_nan && std::isnan(total)) ? total : x;
        break;
      case ReduceKind::Minimum:
        total = total < x || (op_.keeps_nan && std::isnan(total)) ? total : x;
        break;
      case ReduceKind::SumOfSquares:
      case ReduceKind::L2:
        total += x * x;
        break;
      case ReduceKind::L1:
        total += std::fabs(x);
        break;
      case ReduceKind::LogSum:
        total += std::log(x + static_cast<double>(op_.epsilon));
        break;
      default:
        total += x;
        break;
    }
  }

  // The first of equal extremes wins and NaN never wins; elements arrive in increasing order along
  // the one reduced axis.
  void find_extremes(const float* x, double* best, std::int64_t* seen, float* y) const {
    const bool wants_largest = op_.kind == ReduceKind::ArgMax;
    walk_lines(in_, dense_strides(in_), out_strides_,
               [&](std::int64_t from, std::int64_t to, std::int64_t count, std::int64_t,
                   std::int64_t step) {
                 for (std::int64_t i = 0; i < count; ++i) {
                   const std::int64_t at = to + i * step;
                   const auto value = static_cast<double>(x[from + i]);
                   if (wants_largest ? value > best[at] : value < best[at]) {
                     best[at] = value;
                     y[at] = static_cast<float>(seen[at]);
                   }
                   ++seen[at];
                 }
               });
  }

  Reduce op_;
  Shape in_;
  Strides out_strides_;
  std::size_t out_count_ = 0;
  std::size_t reduced_count_ = 0;
  bool rejects_nan_ = false;
};

/// The input's axis for each axis of the result, in physical order. reduced: one flag per axis of
/// the input.
std::vector<std::size_t> find_left_axes(const Reduce& op, const std::vector<bool>& reduced,
                                        Layout layout) {
  // Axis numbers are permuted by the same functions as sizes, so they stand in for sizes here.
  Shape axes(reduced.size());
  std::iota(axes.begin(), axes.end(), 0);
  Shape left;
  for (const std::int64_t axis : logical_shape(axes, layout))
    if (op.keep_dims || !reduced[static_cast<std::size_t>(axis)]) left.push_back(axis);
  left = physical_shape(left, layout);
  return {left.begin(), left.end()};
}

/// The images where all axes between the first ones and the last are reduced, and the others keep
/// their order (strides: in the result, by axis of the input); nothing otherwise.
std::optional<std::size_t> count_images(const Shape& dims, const std::vector<bool>& reduced,
                                        const Strides& strides) {
  if (dims.size() < 2 || reduced.back()) return std::nullopt;
  std::size_t axis = dims.size() - 1;
  std::int64_t expected = dims[axis];
  if (strides[axis] != 1 || !reduced[axis - 1]) return std::nullopt;
  while (axis > 0 && reduced[axis - 1]) --axis;
  std::size_t images = 1;
  for (; axis > 0; --axis) {
    if (reduced[axis - 1] || strides[axis - 1] != expected) return std::nullopt;
    expected *= dims[axis - 1];
    images *= static_cast<std::size_t>(dims[axis - 1]);
  }
  return images;
}

}  // namespace

OperatorResult build_operator(const Reduce& op, const BuildContext& context) {
  const Shape& in = context.inputs[0].dims;
  const std::size_t rank = in.size();
  std::vector<bool> reduced(rank, op.axes.empty());  // one flag per physical axis
  for (const int axis : op.axes) {
    VP_ASSIGN_OR_RETURN(const int at, physical_axis(axis, rank, context.layout));
    reduced[static_cast<std::size_t>(at)] = true;
  }
  const bool finds = op.kind == ReduceKind::ArgMax || op.kind == ReduceKind::ArgMin;
  if (count_of(in) == 0 && (finds || !context.may_be_empty)) {
    return fail(ErrorKind::Malformed, "reduction of an empty tensor {}", to_string(in));
  }
  const Shape& out = context.results[0];
  const bool sums = op.kind == ReduceKind::Sum || op.kind == ReduceKind::Mean;
  const Tensor* tensor = context.inputs[0].tensor;
  const bool is_float = tensor == nullptr || tensor->dtype == DType::Float32;
  if (sums && is_float && context.float_math != FloatMath::Plain && count_of(in) > 0) {
    const LitertSum sum = {context.float_math, op.kind == ReduceKind::Mean, in, reduced};
    return make_litert_sum(sum, out);
  }
  Strides strides(rank, 0);
  const Strides dense = dense_strides(out);
  const std::vector<std::size_t> left = find_left_axes(op, reduced, context.layout);
  for (std::size_t i = 0; i < left.size(); ++i)
    if (!reduced[left[i]]) strides[left[i]] = dense[i];
  const auto images = count_images(in, reduced, strides);
  if (images && PixelSumOperator::takes(op.kind) && count_of(in) > 0) {
    const std::size_t pixels = count_of(in) / count_of(out);
    return std::make_unique<PixelSumOperator>(op.kind, *images, pixels, out, context.threads);
  }
  return std::make_unique<ReduceOperator>(op, in, std::move(strides), out);
}

}  // namespace visionpress
