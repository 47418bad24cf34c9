// Matrix products.

#include <array>

#include "base/error.h"
#include "formats/onnx/onnx_gather.h"
#include "formats/onnx/onnx_lowering.h"
#include "formats/onnx/onnx_matrix.h"

namespace visionpress::onnx {
namespace {

/// x times a constant matrix [in, out].
Result<Value> multiply_by_constant(NodeLowering& node, Value& x, Value& kernel) {
  bool added = false;
  VP_ASSIGN_OR_RETURN(Value rows, leave_image_order(node, x, added));
  FullyConnected op;
  op.kernel_is_in_out = true;
  op.keep_dims = true;
  VP_ASSIGN_OR_RETURN(Value result,
                      node.apply_with(op, rows, {{&kernel, {WeightRole::Kernel, 1}}}));
  if (!added) return result;
  return node.view(Squeeze{{0}}, result);
}

/// A product in which either operand may be computed. Operands of four axes get a fifth, since the
/// runner keeps those of four as images.
Result<Value> multiply_batches(NodeLowering& node, Value& a, Value& b) {
  std::array<bool, 2> added = {false, false};
  VP_ASSIGN_OR_RETURN(Value left, leave_image_order(node, a, added[0]));
  VP_ASSIGN_OR_RETURN(Value right, leave_image_order(node, b, added[1]));
  Value result;
  if (b.is_constant() && !a.is_constant()) {
    const int columns = static_cast<int>(right.shape->size()) - 1;
    VP_ASSIGN_OR_RETURN(
        result, node.apply_with(BatchMatMul{}, left, {{&right, {WeightRole::Kernel, columns}}}));
  } else {
    VP_ASSIGN_OR_RETURN(result, node.apply(BatchMatMul{}, {&left, &right}, a.dtype));
  }
  if (!added[0] && !added[1]) return result;
  return node.view(Squeeze{{0}}, result);
}

}  // namespace

Result<Value> multiply(NodeLowering& node, Value& a, Value& b) {
  // A vector on the left is one row, one on the right is one column; that axis is dropped again.
  const bool is_row = a.shape->size() == 1;
  const bool is_column = b.shape->size() == 1;
  Value left = a;
  Value right = b;
  if (is_row) {
    VP_ASSIGN_OR_RETURN(left, node.view(ExpandDims{{0}}, left));
  }
  if (is_column) {
    VP_ASSIGN_OR_RETURN(right, node.view(ExpandDims{{1}}, right));
  }
  if (left.shape->size() < 2 || right.shape->size() < 2)
    return node.malformed("it multiplies a scalar");
  const bool is_layer = right.is_constant() && right.shape->size() == 2 && !left.is_constant() &&
                        element_count(*right.shape).value_or(0) > 0 &&
                        (left.shape->back() < 0 || left.shape->back() == right.shape->front());
  VP_ASSIGN_OR_RETURN(Value result, is_layer ? multiply_by_constant(node, left, right)
                                             : multiply_batches(node, left, right));
  if (!is_row && !is_column) return result;
  const int rank = static_cast<int>(result.shape->size());
  Squeeze squeeze;
  if (is_row) squeeze.axes.push_back(rank - 2);
  if (is_column) squeeze.axes.push_back(rank - 1);
  return node.view(std::move(squeeze), result);
}

namespace {

Result<void> lower_matmul(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(2, 2));
  Value& a = node.input(0);
  Value& b = node.input(1);
  if (!a.shape || !b.shape) return node.refuse_computed(0, kUnknownRank);
  if (!is_real(a.dtype)) return node.refuse("it multiplies " + name_of(a.dtype));
  return node.finish(multiply(node, a, b));
}

/// alpha * a * b + beta * c, with either matrix transposed.
struct GemmRules {
  float alpha = 1.0F;
  float beta = 1.0F;
  bool turns_a = false;
  bool turns_b = false;
};

/// The product plus beta * c.
Result<Value> add_matrix(NodeLowering& node, const GemmRules& rules, Value product) {
  if (!node.has_input(2) || rules.beta == 0.0F) return product;
  Value c = node.input(2);
  if (rules.beta != 1.0F) {
    VP_ASSIGN_OR_RETURN(c, node.binary(BinaryKind::Multiply, c, static_cast<double>(rules.beta)));
  }
  return node.binary(BinaryKind::Add, product, c);
}

Result<GemmRules> read_gemm(NodeLowering& node) {
  GemmRules rules;
  VP_ASSIGN_OR_RETURN(rules.alpha, node.read_float("alpha", 1.0F));
  VP_ASSIGN_OR_RETURN(rules.beta, node.read_float("beta", 1.0F));
  VP_ASSIGN_OR_RETURN(const std::int64_t turns_a, node.read_int("transA", 0));
  VP_ASSIGN_OR_RETURN(const std::int64_t turns_b, node.read_int("transB", 0));
  rules.turns_a = turns_a != 0;
  rules.turns_b = turns_b != 0;
  return rules;
}

/// x times a kernel, with a constant vector as its bias.
Result<bool> finish_as_layer(NodeLowering& node, const GemmRules& rules) {
  Value& a = node.input(0);
  Value& b = node.input(1);
  const bool fits = rules.alpha == 1.0F && !rules.turns_a && b.is_constant() && !a.is_constant() &&
                    a.shape->size() == 2 && b.shape->size() == 2;
  if (!fits) return false;
  const std::size_t in = rules.turns_b ? 1 : 0;
  const std::int64_t outputs = (*b.shape)[1 - in];
  if ((*a.shape)[1] >= 0 && (*a.shape)[1] != (*b.shape)[in]) return false;
  if (outputs == 0 || (*b.shape)[in] == 0) return false;
  FullyConnected op;
  op.kernel_is_in_out = !rules.turns_b;
  std::vector<std::pair<Value*, Use>> parameters = {
      {&b, {WeightRole::Kernel, static_cast<int>(1 - in)}}};
  const bool has_c = node.has_input(2);
  const bool is_bias = has_c && rules.beta == 1.0F && node.input(2).is_constant() &&
                       node.input(2).shape == Shape{outputs};
  if (is_bias) parameters.push_back({&node.input(2), {WeightRole::Bias, 0}});
  VP_ASSIGN_OR_RETURN(Value result, node.apply_with(op, a, parameters));
  if (!is_bias) {
    VP_ASSIGN_OR_RETURN(result, add_matrix(node, rules, std::move(result)));
  }
  VP_RETURN_IF_ERROR(node.finish(std::move(result)));
  return true;
}

Result<void> lower_gemm(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(2, 3));
  VP_ASSIGN_OR_RETURN(const GemmRules rules, read_gemm(node));
  Value& a = node.input(0);
  Value& b = node.input(1);
  if (!a.shape || !b.shape) return node.refuse_computed(0, kUnknownRank);
  if (!is_real(a.dtype)) return node.refuse("it multiplies " + name_of(a.dtype));
  if (a.shape->size() != 2 || b.shape->size() != 2) {
    return node.malformed(
        fmt::format("Gemm of {} and {}", to_string(*a.shape), to_string(*b.shape)));
  }
  VP_ASSIGN_OR_RETURN(const bool done, finish_as_layer(node, rules));
  if (done) return {};
  BatchMatMul op = {rules.turns_a, rules.turns_b};
  VP_ASSIGN_OR_RETURN(Value result, node.apply(op, {&a, &b}, a.dtype));
  if (rules.alpha != 1.0F) {
    VP_ASSIGN_OR_RETURN(result, node.unary(UnaryKind::Linear, result, rules.alpha, 0.0F));
  }
  return node.finish(add_matrix(node, rules, std::move(result)));
}

/// Caffe2's fully connected layer, which WinMLTools wrote: x from `axis` on is one row, the kernel
/// [out, in]. inputs: x, kernel, bias.
Result<void> lower_fully_connected(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(2, 3));
  VP_ASSIGN_OR_RETURN(const std::int64_t axis, node.read_int("axis", 1));
  VP_ASSIGN_OR_RETURN(const std::int64_t axis_w, node.read_int("axis_w", 1));
  Value& x = node.input(0);
  Value& kernel = node.input(1);
  const bool fits = x.shape && axis == 1 && axis_w == 1 && kernel.is_constant() && kernel.shape &&
                    kernel.shape->size() >= 2 && x.shape->size() >= 2;
  if (!fits) return node.refuse("only a matrix product of rows by a constant kernel is run");
  std::vector<std::pair<Value*, Use>> parameters = {{&kernel, {WeightRole::Kernel, 0}}};
  if (node.has_input(2)) {
    if (!node.input(2).is_constant()) return node.refuse("its bias is computed");
    parameters.push_back({&node.input(2), {WeightRole::Bias, 0}});
  }
  Value rows = x;
  if (x.shape->size() != 2) {
    const auto columns = element_count(Shape(x.shape->begin() + 1, x.shape->end()));
    if (!columns) return node.refuse_computed(0, "the sizes of its input are not known");
    VP_ASSIGN_OR_RETURN(rows, node.view(Reshape{{-1, *columns}}, x));
  }
  return node.finish(node.apply_with(FullyConnected{}, rows, parameters));
}

constexpr std::array kMatrixRows = std::to_array<OperatorRow>({
    {"FC", lower_fully_connected},
    {"Gemm", lower_gemm},
    {"MatMul", lower_matmul},
    {"com.microsoft.FC", lower_fully_connected},
});

}  // namespace

std::span<const OperatorRow> matrix_rows() { return kMatrixRows; }

}  // namespace visionpress::onnx
