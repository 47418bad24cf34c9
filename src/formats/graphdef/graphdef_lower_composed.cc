// Operators that are several of the graph's: log softmax, norms, simulated quantization, one-hot
// codes, rolled axes.

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "formats/graphdef/graphdef_lowering.h"
#include "lower/quantized_range.h"

namespace visionpress::graphdef {
namespace {

Binary plain(BinaryKind kind) { return Binary{kind, FusedActivation::None}; }

Reduce reduce_over(ReduceKind kind, std::vector<int> axes, bool keep_dims) {
  Reduce reduce;
  reduce.kind = kind;
  reduce.axes = std::move(axes);
  reduce.keep_dims = keep_dims;
  reduce.keeps_nan = true;
  return reduce;
}

/// x minus the logarithm of the sum of exp(x) along the last axis; the largest value is taken out
/// first, so that nothing overflows.
Result<void> lower_log_softmax(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  VP_RETURN_IF_ERROR(node.expect_types(0, 1));
  Value& x = node.input(0);
  VP_ASSIGN_OR_RETURN(Value most,
                      node.apply(reduce_over(ReduceKind::Maximum, {-1}, true), {&x}, x.dtype));
  VP_ASSIGN_OR_RETURN(Value below, node.apply(plain(BinaryKind::Subtract), {&x, &most}, x.dtype));
  VP_ASSIGN_OR_RETURN(Value powers,
                      node.apply(Unary{UnaryKind::Exp, 0.0F, 0.0F}, {&below}, x.dtype));
  VP_ASSIGN_OR_RETURN(Value sum,
                      node.apply(reduce_over(ReduceKind::Sum, {-1}, true), {&powers}, x.dtype));
  VP_ASSIGN_OR_RETURN(Value log, node.apply(Unary{UnaryKind::Log, 0.0F, 0.0F}, {&sum}, x.dtype));
  return node.finish(plain(BinaryKind::Subtract), {&below, &log}, x.dtype);
}

/// scale * (max(x, 0) + alpha * (exp(min(x, 0)) - 1))
/// source: tensorflow/core/kernels/relu_op_functor.h, Selu.
Result<void> lower_selu(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  VP_RETURN_IF_ERROR(node.expect_types(0, 1));
  constexpr float kScale = 1.0507009873554804934F;
  constexpr float kAlpha = 1.6732632423543772848F;
  Value& x = node.input(0);
  VP_ASSIGN_OR_RETURN(Value bent, node.apply(Unary{UnaryKind::Elu, kAlpha, 0.0F}, {&x}, x.dtype));
  return node.finish(Unary{UnaryKind::Linear, kScale, 0.0F}, {&bent}, x.dtype);
}

Result<void> lower_erfc(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  VP_RETURN_IF_ERROR(node.expect_types(0, 1));
  Value& x = node.input(0);
  VP_ASSIGN_OR_RETURN(Value erf, node.apply(Unary{UnaryKind::Erf, 0.0F, 0.0F}, {&x}, x.dtype));
  return node.finish(Unary{UnaryKind::Linear, -1.0F, 1.0F}, {&erf}, x.dtype);
}

/// a / b, or 0 where b is 0.
Result<void> lower_div_no_nan(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(2, 2));
  VP_RETURN_IF_ERROR(node.expect_types(0, 2));
  Value& a = node.input(0);
  Value& b = node.input(1);
  Value zero = make_known({}, {0.0}, b.dtype);
  VP_ASSIGN_OR_RETURN(Value is_zero,
                      node.apply(plain(BinaryKind::Equal), {&b, &zero}, DataType::Bool));
  VP_ASSIGN_OR_RETURN(Value quotient, node.apply(plain(BinaryKind::Divide), {&a, &b}, a.dtype));
  return node.finish(Select{}, {&is_zero, &zero, &quotient}, a.dtype);
}

/// The quotient of whole numbers, towards zero.
Result<void> lower_truncate_div(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(2, 2));
  VP_RETURN_IF_ERROR(node.expect_types(0, 2));
  Value& a = node.input(0);
  Value& b = node.input(1);
  VP_ASSIGN_OR_RETURN(Value quotient,
                      node.apply(plain(BinaryKind::Divide), {&a, &b}, DataType::Float));
  return node.finish(Unary{UnaryKind::Truncate, 0.0F, 0.0F}, {&quotient}, a.dtype);
}

Result<void> lower_euclidean_norm(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(2, 2));
  VP_ASSIGN_OR_RETURN(const auto axes, node.find_integers(1));
  if (!axes) return node.refuse_computed(1, "its axes are computed");
  Value& x = node.input(0);
  if (!x.shape) return node.refuse_computed(0, kUnknownRank);
  VP_ASSIGN_OR_RETURN(const bool keep_dims, read_bool_attr(node.node(), "keep_dims"));
  std::vector<int> reduced;
  for (const std::int64_t axis : *axes) {
    VP_ASSIGN_OR_RETURN(const int checked, node.check_axis(axis, x.shape->size()));
    if (std::find(reduced.begin(), reduced.end(), checked) == reduced.end())
      reduced.push_back(checked);
  }
  VP_ASSIGN_OR_RETURN(Value squares,
                      node.apply(Unary{UnaryKind::Square, 0.0F, 0.0F}, {&x}, x.dtype));
  Value sum = squares;
  if (!reduced.empty()) {
    VP_ASSIGN_OR_RETURN(
        sum, node.apply(reduce_over(ReduceKind::Sum, reduced, keep_dims), {&squares}, x.dtype));
  }
  return node.finish(Unary{UnaryKind::Sqrt, 0.0F, 0.0F}, {&sum}, x.dtype);
}

/// Half of the sum of the squares.
Result<void> lower_l2_loss(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  VP_RETURN_IF_ERROR(node.expect_types(0, 1));
  Value& x = node.input(0);
  if (!x.shape) return node.refuse_computed(0, kUnknownRank);
  VP_ASSIGN_OR_RETURN(Value squares,
                      node.apply(Unary{UnaryKind::Square, 0.0F, 0.0F}, {&x}, x.dtype));
  std::vector<int> axes(x.shape->size());
  for (std::size_t a = 0; a < axes.size(); ++a) axes[a] = static_cast<int>(a);
  Value sum = squares;
  if (!axes.empty()) {
    VP_ASSIGN_OR_RETURN(sum,
                        node.apply(reduce_over(ReduceKind::Sum, axes, false), {&squares}, x.dtype));
  }
  return node.finish(Unary{UnaryKind::Linear, 0.5F, 0.0F}, {&sum}, x.dtype);
}

struct Limits {
  std::vector<double> low = {};
  std::vector<double> high = {};
};

/// The ends of the range, from the attributes or from inputs 1 and 2; nothing if they are computed.
Result<std::optional<Limits>> read_limits(NodeLowering& node) {
  Limits limits;
  if (node.input_count() == 1) {
    VP_ASSIGN_OR_RETURN(const float low, read_float_attr(node.node(), "min", -6.0F));
    VP_ASSIGN_OR_RETURN(const float high, read_float_attr(node.node(), "max", 6.0F));
    limits = {{static_cast<double>(low)}, {static_cast<double>(high)}};
  } else {
    for (std::size_t i = 1; i < 3; ++i) {
      VP_ASSIGN_OR_RETURN(const std::vector<double>* known,
                          load_known(node.lowering(), node.input(i)));
      if (known == nullptr) return std::optional<Limits>();
      (i == 1 ? limits.low : limits.high) = *known;
    }
  }
  return std::optional<Limits>(std::move(limits));
}

/// The numbers of each range: its ends, its steps per unit, and its step.
struct RangeNumbers {
  std::vector<double> low = {};
  std::vector<double> high = {};
  std::vector<double> rate = {};
  std::vector<double> step = {};
};

/// returns: nothing if a range is empty.
std::optional<RangeNumbers> find_numbers(const Limits& limits, int bits, bool is_narrow) {
  RangeNumbers numbers;
  for (std::size_t i = 0; i < limits.low.size(); ++i) {
    const auto low = static_cast<float>(limits.low[i]);
    const auto high = static_cast<float>(limits.high[i]);
    if (!(low < high)) return std::nullopt;
    const QuantizedRange range = nudge_range(low, high, bits, is_narrow);
    numbers.low.push_back(static_cast<double>(range.low));
    numbers.high.push_back(static_cast<double>(range.high));
    numbers.rate.push_back(static_cast<double>(1.0F / range.step));
    numbers.step.push_back(static_cast<double>(range.step));
  }
  return numbers;
}

/// Clamps x to the range and rounds it to the range's steps; with one range per channel where the
/// limits are vectors. source: tensorflow/core/kernels/fake_quant_ops_functor.h.
Result<void> lower_fake_quant(NodeLowering& node) {
  const bool has_inputs = node.node().op != "FakeQuantWithMinMaxArgs";
  VP_RETURN_IF_ERROR(node.expect_inputs(has_inputs ? 3 : 1, has_inputs ? 3 : 1));
  VP_ASSIGN_OR_RETURN(const std::int64_t bits, read_int_attr(node.node(), "num_bits", 8));
  VP_ASSIGN_OR_RETURN(const bool is_narrow, read_bool_attr(node.node(), "narrow_range"));
  VP_ASSIGN_OR_RETURN(const auto limits, read_limits(node));
  if (!limits) return node.refuse_computed(1, "its range is computed");
  const std::size_t count = limits->low.size();
  if (bits < 2 || bits > 16 || count == 0 || limits->high.size() != count)
    return malformed(node, fmt::format("{} bits, {} ranges", bits, count));
  const auto numbers = find_numbers(*limits, static_cast<int>(bits), is_narrow);
  if (!numbers) return node.refuse("its range is empty");
  const Shape shape = count == 1 ? Shape() : Shape{static_cast<std::int64_t>(count)};
  Value low = make_known(shape, numbers->low, DataType::Float);
  Value high = make_known(shape, numbers->high, DataType::Float);
  Value rate = make_known(shape, numbers->rate, DataType::Float);
  Value step = make_known(shape, numbers->step, DataType::Float);
  Value half = make_known({}, {0.5}, DataType::Float);
  Value x = node.input(0);
  const std::array<std::pair<BinaryKind, Value*>, 5> before = {{{BinaryKind::Maximum, &low},
                                                                {BinaryKind::Minimum, &high},
                                                                {BinaryKind::Subtract, &low},
                                                                {BinaryKind::Multiply, &rate},
                                                                {BinaryKind::Add, &half}}};
  for (const auto& [kind, operand] : before) {
    VP_ASSIGN_OR_RETURN(x, node.apply(plain(kind), {&x, operand}, DataType::Float));
  }
  VP_ASSIGN_OR_RETURN(x, node.apply(Unary{UnaryKind::Floor, 0.0F, 0.0F}, {&x}, DataType::Float));
  VP_ASSIGN_OR_RETURN(x, node.apply(plain(BinaryKind::Multiply), {&x, &step}, DataType::Float));
  return node.finish(plain(BinaryKind::Add), {&x, &low}, DataType::Float);
}

/// inputs: indices, depth, the value at an index, the value elsewhere.
Result<void> lower_one_hot(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(4, 4));
  VP_ASSIGN_OR_RETURN(const auto depth, node.find_integer(1));
  if (!depth) return node.refuse_computed(1, "its depth is computed");
  Value& indices = node.input(0);
  if (!indices.shape) return node.refuse_computed(0, kUnknownRank);
  if (*depth < 1 || *depth > kMostKnown) return node.refuse(fmt::format("its depth is {}", *depth));
  const std::size_t rank = indices.shape->size() + 1;
  VP_ASSIGN_OR_RETURN(const std::int64_t wanted, read_int_attr(node.node(), "axis", -1));
  VP_ASSIGN_OR_RETURN(const int axis, node.check_axis(wanted, rank));
  std::vector<double> places;
  for (std::int64_t i = 0; i < *depth; ++i) places.push_back(static_cast<double>(i));
  Shape shape(rank - static_cast<std::size_t>(axis), 1);
  shape[0] = *depth;
  Value all = make_known(shape, std::move(places), indices.dtype);
  VP_ASSIGN_OR_RETURN(Value rows, node.apply(ExpandDims{{axis}}, {&indices}, indices.dtype));
  VP_ASSIGN_OR_RETURN(Value hit,
                      node.apply(plain(BinaryKind::Equal), {&rows, &all}, DataType::Bool));
  return node.finish(Select{}, {&hit, &node.input(2), &node.input(3)}, node.input(2).dtype);
}

/// The part of x from `begin` up to `end` along an axis.
Slice part_of(const Shape& x, int axis, std::int64_t begin, std::int64_t end) {
  Slice slice;
  slice.begin.assign(x.size(), 0);
  slice.end = x;
  slice.stride.assign(x.size(), 1);
  slice.begin[static_cast<std::size_t>(axis)] = begin;
  slice.end[static_cast<std::size_t>(axis)] = end;
  return slice;
}

/// inputs: x, shifts, axes. What leaves an axis at its end comes in at its front.
Result<void> lower_roll(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(3, 3));
  VP_ASSIGN_OR_RETURN(const auto shifts, node.find_integers(1));
  VP_ASSIGN_OR_RETURN(const auto axes, node.find_integers(2));
  if (!shifts || !axes) return node.refuse_computed(1, "its shifts are computed");
  Value x = node.input(0);
  if (!x.shape || !element_count(*x.shape)) return node.refuse_computed(0, "its sizes are open");
  if (shifts->size() != axes->size())
    return malformed(node, fmt::format("{} shifts of {} axes", shifts->size(), axes->size()));
  for (std::size_t i = 0; i < axes->size(); ++i) {
    VP_ASSIGN_OR_RETURN(const int axis, node.check_axis((*axes)[i], x.shape->size()));
    const Shape shape = *x.shape;
    const std::int64_t size = shape[static_cast<std::size_t>(axis)];
    const std::int64_t shift = size == 0 ? 0 : ((*shifts)[i] % size + size) % size;
    if (shift == 0) continue;
    VP_ASSIGN_OR_RETURN(Value tail,
                        node.apply(part_of(shape, axis, size - shift, size), {&x}, x.dtype));
    VP_ASSIGN_OR_RETURN(Value head,
                        node.apply(part_of(shape, axis, 0, size - shift), {&x}, x.dtype));
    VP_ASSIGN_OR_RETURN(x,
                        node.apply(Concat{axis, FusedActivation::None}, {&tail, &head}, x.dtype));
  }
  return node.forward(x);
}

/// inputs: x, how many diagonals to keep below and above the main one; negative keeps all.
Result<void> lower_band(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(3, 3));
  VP_ASSIGN_OR_RETURN(const auto below, node.find_integer(1));
  VP_ASSIGN_OR_RETURN(const auto above, node.find_integer(2));
  if (!below || !above) return node.refuse_computed(1, "its band is computed");
  Value& x = node.input(0);
  const std::size_t rank = x.shape ? x.shape->size() : 0;
  if (rank < 2 || (*x.shape)[rank - 1] < 0 || (*x.shape)[rank - 2] < 0)
    return node.refuse_computed(0, "the sizes of its matrices are not known");
  const std::int64_t rows = (*x.shape)[rank - 2];
  const std::int64_t columns = (*x.shape)[rank - 1];
  const auto count = checked_multiply(rows, columns);
  if (!count || *count > kMostFolded) return node.refuse("its matrices are too large");
  std::vector<double> kept;
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < columns; ++c)
      kept.push_back((*below < 0 || r - c <= *below) && (*above < 0 || c - r <= *above) ? 1 : 0);
  }
  VP_RETURN_IF_ERROR(node.count_made(*count));
  Value mask = make_known({rows, columns}, std::move(kept), DataType::Bool);
  Value zero = make_known({}, {0.0}, x.dtype);
  return node.finish(Select{}, {&mask, &x, &zero}, x.dtype);
}

constexpr std::array kComposedRows = std::to_array<OperatorRow>({
    {"LogSoftmax", lower_log_softmax},
    {"Selu", lower_selu},
    {"Erfc", lower_erfc},
    {"DivNoNan", lower_div_no_nan},
    {"TruncateDiv", lower_truncate_div},
    {"EuclideanNorm", lower_euclidean_norm},
    {"L2Loss", lower_l2_loss},
    {"FakeQuantWithMinMaxArgs", lower_fake_quant},
    {"FakeQuantWithMinMaxVars", lower_fake_quant},
    {"FakeQuantWithMinMaxVarsPerChannel", lower_fake_quant},
    {"OneHot", lower_one_hot},
    {"Roll", lower_roll},
    {"MatrixBandPart", lower_band},
});

}  // namespace

std::span<const OperatorRow> composed_rows() { return kComposedRows; }

}  // namespace visionpress::graphdef
