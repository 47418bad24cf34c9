#include "lower/fold.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "lower/axis_order.h"

namespace visionpress {
namespace {

using Values = std::vector<double>;

/// Applies the function; nothing for functions that no graph computes sizes with.
std::optional<double> unary(const Unary& op, double x) {
  const auto epsilon = static_cast<double>(op.beta);        // of Rsqrt and Inverse
  const double shifted = epsilon == 0.0 ? x : x + epsilon;  // -0 keeps its sign
  switch (op.kind) {
    case UnaryKind::Relu:
      return std::max(x, 0.0);
    case UnaryKind::Relu6:
      return std::clamp(x, 0.0, 6.0);
    case UnaryKind::Sqrt:
      return std::sqrt(x);
    case UnaryKind::Rsqrt:
      return 1.0 / std::sqrt(shifted);
    case UnaryKind::Inverse:
      return 1.0 / shifted;
    case UnaryKind::Exp:
      return std::exp(x);
    case UnaryKind::Log:
      return std::log(x);
    case UnaryKind::Abs:
      return std::fabs(x);
    case UnaryKind::Square:
      return x * x;
    case UnaryKind::Negate:
      return -x;
    case UnaryKind::Sigmoid:
      return 1.0 / (1.0 + std::exp(-x));
    case UnaryKind::Tanh:
      return std::tanh(x);
    case UnaryKind::Sign:
      return std::isnan(x) ? x : static_cast<double>(x > 0.0) - static_cast<double>(x < 0.0);
    case UnaryKind::Floor:
      return std::floor(x);
    case UnaryKind::Ceil:
      return std::ceil(x);
    case UnaryKind::Round:
      return std::nearbyint(x);
    case UnaryKind::Truncate:
      return std::trunc(x);
    case UnaryKind::LogicalNot:
      return std::isnan(x) ? x : static_cast<double>(x == 0.0);
    default:
      return std::nullopt;
  }
}

double compare(BinaryKind kind, double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return std::numeric_limits<double>::quiet_NaN();
  switch (kind) {
    case BinaryKind::Greater:
      return static_cast<double>(a > b);
    case BinaryKind::GreaterEqual:
      return static_cast<double>(a >= b);
    case BinaryKind::Less:
      return static_cast<double>(a < b);
    case BinaryKind::LessEqual:
      return static_cast<double>(a <= b);
    case BinaryKind::Equal:
      return static_cast<double>(a == b);
    case BinaryKind::NotEqual:
      return static_cast<double>(a != b);
    case BinaryKind::LogicalAnd:
      return static_cast<double>(a != 0.0 && b != 0.0);
    case BinaryKind::LogicalOr:
      return static_cast<double>(a != 0.0 || b != 0.0);
    default:
      return std::numeric_limits<double>::quiet_NaN();
  }
}

double binary(BinaryKind kind, double a, double b, FoldRounding rounding) {
  if (std::isnan(a) || std::isnan(b)) return std::numeric_limits<double>::quiet_NaN();
  switch (kind) {
    case BinaryKind::Add:
      return a + b;
    case BinaryKind::Subtract:
      return a - b;
    case BinaryKind::Multiply:
      return a * b;
    case BinaryKind::Divide:
      return rounding == FoldRounding::Whole ? std::trunc(a / b) : a / b;
    case BinaryKind::Maximum:
      return std::max(a, b);
    case BinaryKind::Minimum:
      return std::min(a, b);
    case BinaryKind::FloorDivide:
      return std::floor(a / b);
    case BinaryKind::FloorModulo:
      return floor_modulo(a, b);
    case BinaryKind::Power:
      return std::pow(a, b);
    case BinaryKind::SquaredDifference:
      return (a - b) * (a - b);
    case BinaryKind::Atan2:
      return std::atan2(a, b);
    default:
      return compare(kind, a, b);
  }
}

/// The axis counted from the outermost; the operator's shape rule has checked it.
std::size_t place_of(int axis, std::size_t rank) {
  return static_cast<std::size_t>(axis < 0 ? axis + static_cast<int>(rank) : axis);
}

/// Calls visit(position of the result, index of it along each axis).
template <typename Visit>
void for_each_index(const Shape& shape, const Visit& visit) {
  std::vector<std::int64_t> index(shape.size(), 0);
  const std::int64_t count = element_count(shape).value_or(0);
  for (std::int64_t at = 0; at < count; ++at) {
    visit(static_cast<std::size_t>(at), index);
    for (std::size_t axis = shape.size(); axis-- > 0;) {
      if (++index[axis] < shape[axis]) break;
      index[axis] = 0;
    }
  }
}

/// Row-major place in an operand that broadcasts to the index.
std::size_t broadcast_place(const Shape& shape, const std::vector<std::int64_t>& index) {
  std::int64_t place = 0;
  const std::size_t skip = index.size() - shape.size();
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    place = place * shape[axis] + (shape[axis] == 1 ? 0 : index[axis + skip]);
  }
  return static_cast<std::size_t>(place);
}

Values fold_binary(BinaryKind kind, const FoldOperand& a, const FoldOperand& b, const Shape& shape,
                   FoldRounding rounding) {
  Values result(static_cast<std::size_t>(element_count(shape).value_or(0)));
  for_each_index(shape, [&](std::size_t at, const std::vector<std::int64_t>& index) {
    result[at] = binary(kind, a.values[broadcast_place(a.shape, index)],
                        b.values[broadcast_place(b.shape, index)], rounding);
  });
  return result;
}

/// Folds from the left, since AddN has more than two operands.
Values fold_many(BinaryKind kind, const std::vector<FoldOperand>& operands, const Shape& shape,
                 FoldRounding rounding) {
  Values result = fold_binary(kind, operands[0], operands[1], shape, rounding);
  for (std::size_t i = 2; i < operands.size(); ++i) {
    result = fold_binary(kind, {shape, result}, operands[i], shape, rounding);
  }
  return result;
}

Values fold_slice(const Slice& op, const FoldOperand& x, const Shape& shape) {
  Shape whole = x.shape;  // of the result before axes are dropped
  std::vector<std::int64_t> begin(whole.size(), 0);
  for (std::size_t axis = 0; axis < whole.size(); ++axis) {
    const SliceSpan span = slice_span(op.begin[axis], op.end[axis], op.stride[axis], x.shape[axis]);
    begin[axis] = span.begin;
    whole[axis] = span.count;
  }
  Values result(static_cast<std::size_t>(element_count(shape).value_or(0)));
  for_each_index(whole, [&](std::size_t at, const std::vector<std::int64_t>& index) {
    std::int64_t place = 0;
    for (std::size_t axis = 0; axis < whole.size(); ++axis) {
      place = place * x.shape[axis] + begin[axis] + index[axis] * op.stride[axis];
    }
    if (at < result.size()) result[at] = x.values[static_cast<std::size_t>(place)];
  });
  return result;
}

Values fold_concat(int axis, const std::vector<FoldOperand>& operands, const Shape& shape) {
  Values result;
  const auto split = shape.begin() + static_cast<std::ptrdiff_t>(place_of(axis, shape.size()));
  const auto outer = std::accumulate(shape.begin(), split, std::int64_t{1}, std::multiplies<>());
  for (std::int64_t row = 0; row < outer; ++row) {
    for (const FoldOperand& part : operands) {
      const auto length = static_cast<std::int64_t>(part.values.size()) / outer;
      result.insert(result.end(), part.values.begin() + row * length,
                    part.values.begin() + (row + 1) * length);
    }
  }
  return result;
}

std::optional<Values> fold_gather(std::size_t axis, const FoldOperand& x,
                                  const FoldOperand& indices) {
  const AxisSplit split = split_at(x.shape, axis);
  Values result;
  for (std::size_t outer = 0; outer < split.outer; ++outer) {
    for (const double wanted : indices.values) {
      if (!(wanted >= 0.0 && wanted < static_cast<double>(split.channels))) return std::nullopt;
      const std::size_t row = outer * split.channels + static_cast<std::size_t>(wanted);
      const auto from = x.values.begin() + static_cast<std::ptrdiff_t>(row * split.inner);
      result.insert(result.end(), from, from + static_cast<std::ptrdiff_t>(split.inner));
    }
  }
  return result;
}

/// If any part of the condition is unknown, the whole result is left to the run.
std::optional<Values> fold_select(const std::vector<FoldOperand>& operands, const Shape& shape) {
  const FoldOperand& condition = operands[0];
  if (std::ranges::any_of(condition.values, [](double v) { return std::isnan(v); }))
    return std::nullopt;
  Values result(static_cast<std::size_t>(element_count(shape).value_or(0)));
  for_each_index(shape, [&](std::size_t at, const std::vector<std::int64_t>& index) {
    const bool is_first = condition.values[broadcast_place(condition.shape, index)] != 0.0;
    const FoldOperand& chosen = operands[is_first ? 1 : 2];
    result[at] = chosen.values[broadcast_place(chosen.shape, index)];
  });
  return result;
}

/// Adds one value to a sum, product or extreme. NaN, an unknown value, makes the total unknown.
double reduce_step(ReduceKind kind, double total, double value) {
  if (std::isnan(total) || std::isnan(value)) return std::numeric_limits<double>::quiet_NaN();
  switch (kind) {
    case ReduceKind::Product:
      return total * value;
    case ReduceKind::Maximum:
      return std::max(total, value);
    case ReduceKind::Minimum:
      return std::min(total, value);
    default:
      return total + value;
  }
}

std::optional<Values> fold_reduce(const Reduce& op, const FoldOperand& x, const Shape& shape) {
  const bool is_mean = op.kind == ReduceKind::Mean;
  const bool is_known_kind = is_mean || op.kind == ReduceKind::Sum ||
                             op.kind == ReduceKind::Product || op.kind == ReduceKind::Maximum ||
                             op.kind == ReduceKind::Minimum;
  if (!is_known_kind || x.values.empty()) return std::nullopt;
  std::vector<bool> reduced(x.shape.size(), op.axes.empty());
  for (const int axis : op.axes) reduced[place_of(axis, x.shape.size())] = true;
  Values result(static_cast<std::size_t>(element_count(shape).value_or(0)));
  std::vector<std::size_t> counts(result.size(), 0);
  for_each_index(x.shape, [&](std::size_t at, const std::vector<std::int64_t>& index) {
    std::int64_t place = 0;
    for (std::size_t axis = 0; axis < index.size(); ++axis) {
      if (!reduced[axis]) place = place * x.shape[axis] + index[axis];
    }
    const auto to = static_cast<std::size_t>(place);
    result[to] = counts[to] == 0 ? x.values[at] : reduce_step(op.kind, result[to], x.values[at]);
    ++counts[to];
  });
  for (std::size_t i = 0; is_mean && i < result.size(); ++i)
    result[i] /= static_cast<double>(counts[i]);
  return result;
}

Values fold_tile(const FoldOperand& x, const Shape& shape) {
  Values result(static_cast<std::size_t>(element_count(shape).value_or(0)));
  for_each_index(shape, [&](std::size_t at, const std::vector<std::int64_t>& index) {
    std::int64_t place = 0;
    for (std::size_t axis = 0; axis < index.size(); ++axis)
      place = place * x.shape[axis] + index[axis] % x.shape[axis];
    result[at] = x.values[static_cast<std::size_t>(place)];
  });
  return result;
}

Values fold_transpose(const Transpose& op, const FoldOperand& x, const Shape& shape) {
  Values result(x.values.size());
  for_each_index(shape, [&](std::size_t at, const std::vector<std::int64_t>& index) {
    std::vector<std::int64_t> from(index.size(), 0);
    for (std::size_t axis = 0; axis < index.size(); ++axis) {
      from[place_of(op.permutation[axis], from.size())] = index[axis];
    }
    result[at] = x.values[broadcast_place(x.shape, from)];
  });
  return result;
}

Values fold_reverse(const Reverse& op, const FoldOperand& x, const Shape& shape) {
  std::vector<bool> reversed(shape.size(), false);
  for (const int axis : op.axes) reversed[place_of(axis, shape.size())] = true;
  Values result(x.values.size());
  for_each_index(shape, [&](std::size_t at, const std::vector<std::int64_t>& index) {
    std::int64_t place = 0;
    for (std::size_t axis = 0; axis < shape.size(); ++axis) {
      const std::int64_t i = reversed[axis] ? shape[axis] - 1 - index[axis] : index[axis];
      place = place * shape[axis] + i;
    }
    result[at] = x.values[static_cast<std::size_t>(place)];
  });
  return result;
}

std::optional<Values> fold_unary(const Unary& op, const FoldOperand& x) {
  Values result;
  result.reserve(x.values.size());
  for (const double value : x.values) {
    const auto computed = unary(op, value);
    if (!computed) return std::nullopt;
    result.push_back(*computed);
  }
  return result;
}

std::optional<Values> compute(const Op& op, const std::vector<FoldOperand>& operands,
                              const Shape& shape, FoldRounding rounding) {
  const FoldOperand& x = operands.front();
  if (const auto* elementwise = std::get_if<Unary>(&op)) return fold_unary(*elementwise, x);
  if (const auto* pair = std::get_if<Binary>(&op)) {
    if (pair->kind == BinaryKind::Average || pair->activation != FusedActivation::None)
      return std::nullopt;
    return fold_many(pair->kind, operands, shape, rounding);
  }
  if (const auto* slice = std::get_if<Slice>(&op)) return fold_slice(*slice, x, shape);
  if (const auto* concat = std::get_if<Concat>(&op)) {
    if (concat->activation != FusedActivation::None) return std::nullopt;
    return fold_concat(concat->axis, operands, shape);
  }
  if (const auto* transpose = std::get_if<Transpose>(&op)) {
    return fold_transpose(*transpose, x, shape);
  }
  if (const auto* reduce = std::get_if<Reduce>(&op)) return fold_reduce(*reduce, x, shape);
  if (std::holds_alternative<Tile>(op)) return fold_tile(x, shape);
  if (const auto* reverse = std::get_if<Reverse>(&op)) return fold_reverse(*reverse, x, shape);
  if (const auto* gather = std::get_if<Gather>(&op)) {
    if (gather->batch_axes > 0) return std::nullopt;
    return fold_gather(place_of(gather->axis, x.shape.size()), x, operands[1]);
  }
  if (std::holds_alternative<Reshape>(op) || std::holds_alternative<Squeeze>(op) ||
      std::holds_alternative<ExpandDims>(op) || std::holds_alternative<Identity>(op)) {
    return x.values;
  }
  if (std::holds_alternative<Select>(op)) return fold_select(operands, shape);
  return std::nullopt;
}

}  // namespace

FoldType fold_type_of(DType dtype) {
  switch (dtype) {
    case DType::Float32:
      return {};
    case DType::Float16:
    case DType::Float64:
      return {FoldRounding::None};
    case DType::UInt8:
      return {FoldRounding::Whole, 0.0, 255.0};
    case DType::Int8:
      return {FoldRounding::Whole, -128.0, 127.0};
    case DType::Int16:
      return {FoldRounding::Whole, -32768.0, 32767.0};
    case DType::Int32:
      return {FoldRounding::Whole, -2147483648.0, 2147483647.0};
    default:
      return {FoldRounding::Whole};
  }
}

std::optional<std::vector<double>> fold(const Op& op, const std::vector<FoldOperand>& operands,
                                        const Shape& shape, const FoldType& type) {
  std::optional<Values> result = compute(op, operands, shape, type.rounding);
  if (!result || static_cast<std::int64_t>(result->size()) != element_count(shape))
    return std::nullopt;
  for (double& value : *result) {
    if (type.rounding == FoldRounding::Float32)
      value = static_cast<double>(static_cast<float>(value));
    if (type.rounding != FoldRounding::Whole) continue;
    value = std::trunc(value);
    if (value < type.least || value > type.most) return std::nullopt;  // NaN (unknown) passes
  }
  return result;
}

}  // namespace visionpress
