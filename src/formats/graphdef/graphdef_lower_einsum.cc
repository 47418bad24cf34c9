// Einsum of one or two operands: sums over axes that the equation names alike.

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/error.h"
#include "formats/graphdef/graphdef_lowering.h"

namespace visionpress::graphdef {
namespace {

/// One letter per axis. The axes of an ellipsis get letters below 'A', from the right.
using Labels = std::string;

struct Equation {
  std::vector<Labels> operands = {};
  Labels result = {};
};

bool has(const Labels& labels, char label) { return labels.find(label) != Labels::npos; }

/// The labels of a term over so many axes; nothing if they do not fit, or one stands twice.
std::optional<Labels> expand(std::string_view term, std::size_t rank) {
  Labels labels;
  const std::size_t dots = term.find("...");
  if (dots == std::string_view::npos) {
    labels = term;
  } else {
    constexpr std::size_t kMost = 16;
    if (rank + 3 < term.size() || rank + 3 - term.size() > kMost) return std::nullopt;
    labels = term.substr(0, dots);
    for (std::size_t left = rank + 3 - term.size(); left > 0; --left)
      labels += static_cast<char>('0' + left - 1);
    labels += term.substr(dots + 3);
  }
  Labels sorted = labels;
  std::sort(sorted.begin(), sorted.end());
  const bool fits =
      labels.size() == rank && std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end();
  return fits ? std::optional(labels) : std::nullopt;
}

/// Reads "ab,bc->ac". Nothing if the equation is of another kind, or names a diagonal.
std::optional<Equation> parse(std::string text, const std::vector<const Shape*>& shapes) {
  std::erase(text, ' ');
  const std::size_t arrow = text.find("->");
  if (arrow == std::string::npos) return std::nullopt;
  Equation equation;
  std::string_view left = std::string_view(text).substr(0, arrow);
  std::size_t spread = 0;  // axes of the widest ellipsis
  for (const Shape* shape : shapes) {
    const std::string_view term = left.substr(0, left.find(','));
    auto labels = expand(term, shape->size());
    if (!labels) return std::nullopt;
    if (term.find("...") != std::string_view::npos)
      spread = std::max(spread, shape->size() + 3 - term.size());
    equation.operands.push_back(std::move(*labels));
    left.remove_prefix(std::min(left.size(), term.size() + 1));
  }
  const std::string_view right = std::string_view(text).substr(arrow + 2);
  const bool has_dots = right.find("...") != std::string_view::npos;
  auto result = expand(right, has_dots ? right.size() - 3 + spread : right.size());
  const bool is_whole = left.empty() && result && (has_dots || spread == 0);
  if (!is_whole) return std::nullopt;
  equation.result = std::move(*result);
  for (const char label : equation.result) {
    const bool is_known = std::ranges::any_of(
        equation.operands, [label](const Labels& labels) { return has(labels, label); });
    if (!is_known) return std::nullopt;
  }
  return equation;
}

/// One operand and what its axes are called.
struct Term {
  Value value = {};
  Labels labels = {};

  [[nodiscard]] std::int64_t size_of(char label) const {
    return (*value.shape)[labels.find(label)];
  }
};

/// Sums over the axes that neither the result nor the other operand has.
Result<void> sum_rest(NodeLowering& node, Term& term, const Labels& kept) {
  Reduce reduce;
  reduce.kind = ReduceKind::Sum;
  reduce.keep_dims = false;
  Labels left;
  for (std::size_t a = 0; a < term.labels.size(); ++a) {
    if (has(kept, term.labels[a])) {
      left += term.labels[a];
    } else {
      reduce.axes.push_back(static_cast<int>(a));
    }
  }
  if (reduce.axes.empty()) return {};
  VP_ASSIGN_OR_RETURN(term.value, node.apply(std::move(reduce), {&term.value}, term.value.dtype));
  term.labels = left;
  return {};
}

Result<void> reorder(NodeLowering& node, Term& term, const Labels& order) {
  if (term.labels == order) return {};
  Transpose transpose;
  for (const char label : order)
    transpose.permutation.push_back(static_cast<int>(term.labels.find(label)));
  VP_ASSIGN_OR_RETURN(term.value,
                      node.apply(std::move(transpose), {&term.value}, term.value.dtype));
  term.labels = order;
  return {};
}

/// Gives the value another shape. A constant of the file stays one.
Result<Value> reshape(NodeLowering& node, Value value, const Shape& shape) {
  if (value.shape == shape) return value;
  if (!value.stored) return node.apply(Reshape{shape}, {&value}, value.dtype);
  value.id = kNoTensor;
  value.shape = shape;
  return value;
}

std::optional<std::int64_t> product_of(const Term& term, const Labels& labels) {
  Shape sizes;
  for (const char label : labels) sizes.push_back(term.size_of(label));
  return element_count(sizes);
}

/// The axes of a product of two terms by their part in it.
struct Roles {
  Labels batch = {}, summed = {}, rows = {}, columns = {};
};

Roles find_roles(const Term& a, const Term& b, const Labels& result) {
  Roles roles;
  for (const char label : a.labels) {
    if (!has(b.labels, label)) {
      roles.rows += label;
    } else {
      (has(result, label) ? roles.batch : roles.summed) += label;
    }
  }
  for (const char label : b.labels) {
    if (has(a.labels, label)) continue;
    // An ellipsis may have more axes in one operand; they broadcast.
    roles.columns += label;
  }
  return roles;
}

/// A product of [M, K] and the constant [K, N], which stays a weight.
Result<Value> multiply_by_weight(NodeLowering& node, Value& x, Value& kernel) {
  FullyConnected op;
  op.kernel_is_in_out = true;
  return node.apply_with(op, x, {{&kernel, {WeightRole::Kernel, 1}}});
}

/// The product of two terms in the order batch, rows, summed and batch, summed, columns. is_weight:
/// b is a constant of the file.
Result<Term> multiply_in_order(NodeLowering& node, Term a, Term b, const Roles& roles,
                               bool is_weight) {
  const auto rows = product_of(a, roles.rows);
  const auto inner = product_of(a, roles.summed);
  const auto columns = product_of(b, roles.columns);
  Shape shape_a;
  for (const char label : roles.batch) shape_a.push_back(a.size_of(label));
  Shape shape_b = shape_a;
  Shape shape = shape_a;
  if (!rows || !inner || !columns) return malformed(node, "its operands are too large");
  shape_a.insert(shape_a.end(), {*rows, *inner});
  shape_b.insert(shape_b.end(), {*inner, *columns});
  for (const char label : roles.rows) shape.push_back(a.size_of(label));
  for (const char label : roles.columns) shape.push_back(b.size_of(label));
  VP_ASSIGN_OR_RETURN(Value left, reshape(node, std::move(a.value), shape_a));
  VP_ASSIGN_OR_RETURN(Value right, reshape(node, std::move(b.value), shape_b));
  Term product;
  product.labels = roles.batch + roles.rows + roles.columns;
  if (is_weight && roles.batch.empty()) {
    VP_ASSIGN_OR_RETURN(product.value, multiply_by_weight(node, left, right));
  } else {
    VP_ASSIGN_OR_RETURN(product.value, node.apply(BatchMatMul{}, {&left, &right}, left.dtype));
  }
  VP_ASSIGN_OR_RETURN(product.value, reshape(node, std::move(product.value), shape));
  return product;
}

Result<void> multiply(NodeLowering& node, Term a, Term b, const Labels& result) {
  const Roles roles = find_roles(a, b, result);
  for (const char label : roles.batch + roles.summed) {
    if (a.size_of(label) != b.size_of(label)) {
      return node.refuse(
          fmt::format("it repeats {} to {}", to_string(*a.value.shape), to_string(*b.value.shape)));
    }
  }
  VP_RETURN_IF_ERROR(reorder(node, a, roles.batch + roles.rows + roles.summed));
  VP_RETURN_IF_ERROR(reorder(node, b, roles.batch + roles.summed + roles.columns));
  const bool is_weight = node.is_constant(1) && !node.is_constant(0);
  VP_ASSIGN_OR_RETURN(Term product,
                      multiply_in_order(node, std::move(a), std::move(b), roles, is_weight));
  VP_RETURN_IF_ERROR(reorder(node, product, result));
  return node.forward(product.value);
}

/// The shapes of the operands; nothing, having refused the node, if one cannot be multiplied.
Result<std::optional<std::vector<const Shape*>>> find_shapes(NodeLowering& node) {
  std::vector<const Shape*> shapes;
  for (std::size_t i = 0; i < node.input_count(); ++i) {
    const Value& value = node.input(i);
    const bool is_sized = value.shape && element_count(*value.shape);
    if (value.dtype == DataType::Float && is_sized) {
      shapes.push_back(&*value.shape);
      continue;
    }
    if (value.dtype != DataType::Float) {
      VP_RETURN_IF_ERROR(node.refuse("it multiplies other than float32"));
    } else {
      VP_RETURN_IF_ERROR(node.refuse_computed(i, "the sizes of its operands are open"));
    }
    return std::optional<std::vector<const Shape*>>();
  }
  return std::optional(std::move(shapes));
}

Result<void> lower_einsum(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1U << 10));
  VP_ASSIGN_OR_RETURN(const std::string text, read_text_attr(node.node(), "equation"));
  if (node.input_count() > 2)
    return node.refuse(fmt::format("it multiplies {} operands", node.input_count()));
  VP_ASSIGN_OR_RETURN(const auto shapes, find_shapes(node));
  if (!shapes) return {};
  const auto equation = parse(text, *shapes);
  if (!equation) return node.refuse(fmt::format("its equation is \"{}\"", text));
  std::vector<Term> terms;
  for (std::size_t i = 0; i < node.input_count(); ++i) {
    Labels kept = equation->result;
    for (std::size_t k = 0; k < node.input_count(); ++k)
      if (k != i) kept += equation->operands[k];
    terms.push_back({node.input(i), equation->operands[i]});
    VP_RETURN_IF_ERROR(sum_rest(node, terms.back(), kept));
  }
  if (terms.size() == 2)
    return multiply(node, std::move(terms[0]), std::move(terms[1]), equation->result);
  VP_RETURN_IF_ERROR(reorder(node, terms[0], equation->result));
  return node.forward(terms[0].value);
}

constexpr std::array kEinsumRows = std::to_array<OperatorRow>({{"Einsum", lower_einsum}});

}  // namespace

std::span<const OperatorRow> einsum_rows() { return kEinsumRows; }

}  // namespace visionpress::graphdef
