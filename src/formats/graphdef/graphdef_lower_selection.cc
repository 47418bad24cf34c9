#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "formats/graphdef/graphdef_lowering.h"

namespace visionpress::graphdef {
namespace {

/// inputs: x, indices, in GatherV2 the axis.
Result<void> lower_gather(NodeLowering& node) {
  const bool has_axis = node.node().op == "GatherV2";
  VP_RETURN_IF_ERROR(node.expect_inputs(has_axis ? 3 : 2, has_axis ? 3 : 2));
  std::int64_t wanted = 0;
  if (has_axis) {
    VP_ASSIGN_OR_RETURN(const auto axis, node.find_integer(2));
    if (!axis) return node.refuse_computed(2, "its axis is computed");
    wanted = *axis;
  }
  Value& x = node.input(0);
  Value& indices = node.input(1);
  if (!x.shape || !indices.shape) return node.refuse_computed(0, kUnknownRank);
  VP_ASSIGN_OR_RETURN(const int axis, node.check_axis(wanted, x.shape->size()));
  VP_ASSIGN_OR_RETURN(std::int64_t batch, read_int_attr(node.node(), "batch_dims"));
  const std::int64_t index_axes = std::ssize(*indices.shape);
  if (batch < 0) batch += index_axes;
  if (batch < 0 || batch > index_axes || batch > axis)
    return malformed(node, fmt::format("{} axes of batches along axis {}", batch, axis));
  return node.finish(Gather{axis, static_cast<int>(batch)}, {&x, &indices}, x.dtype);
}

Result<void> lower_gather_nd(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(2, 2));
  Value& x = node.input(0);
  Value& indices = node.input(1);
  const bool is_ranked = x.shape && indices.shape && !indices.shape->empty();
  if (!is_ranked) return node.refuse_computed(0, kUnknownRank);
  if (indices.shape->back() < 0)
    return node.refuse_computed(1, "how many axes it indexes is computed");
  return node.finish(GatherNd{}, {&x, &indices}, x.dtype);
}

/// inputs: indices, updates, shape. The updates are added up in a tensor of zeros.
Result<void> lower_scatter_nd(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(3, 3));
  VP_ASSIGN_OR_RETURN(const auto shape, node.find_integers(2));
  if (!shape) return node.refuse_computed(2, "its shape is computed");
  const auto count = are_sizes(*shape) ? element_count(*shape) : std::nullopt;
  if (!count || *count > kMostFolded)
    return node.refuse(fmt::format("it fills {}", to_string(*shape)));
  VP_RETURN_IF_ERROR(node.count_made(*count));
  Value& updates = node.input(1);
  Value zeros =
      make_known(*shape, std::vector<double>(static_cast<std::size_t>(*count), 0.0), updates.dtype);
  return node.finish(ScatterNd{ScatterKind::Add}, {&zeros, &node.input(0), &updates},
                     updates.dtype);
}

/// inputs: x, indices, updates.
template <ScatterKind kind>
Result<void> lower_tensor_scatter(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(3, 3));
  Value& x = node.input(0);
  return node.finish(ScatterNd{kind}, {&x, &node.input(1), &node.input(2)}, x.dtype);
}

Result<void> lower_reverse(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(2, 2));
  VP_ASSIGN_OR_RETURN(const auto axes, node.find_integers(1));
  if (!axes) return node.refuse_computed(1, "its axes are computed");
  Value& x = node.input(0);
  if (!x.shape) return node.refuse_computed(0, kUnknownRank);
  if (axes->empty()) return node.forward(x);
  Reverse reverse;
  for (const std::int64_t axis : *axes) {
    VP_ASSIGN_OR_RETURN(const int checked, node.check_axis(axis, x.shape->size()));
    reverse.axes.push_back(checked);
  }
  return node.finish(std::move(reverse), {&x}, x.dtype);
}

Result<void> lower_cumulative_sum(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(2, 2));
  VP_ASSIGN_OR_RETURN(const auto wanted, node.find_integer(1));
  if (!wanted) return node.refuse_computed(1, "its axis is computed");
  Value& x = node.input(0);
  if (!x.shape) return node.refuse_computed(0, kUnknownRank);
  CumulativeSum sum;
  VP_ASSIGN_OR_RETURN(sum.axis, node.check_axis(*wanted, x.shape->size()));
  VP_ASSIGN_OR_RETURN(sum.exclusive, read_bool_attr(node.node(), "exclusive"));
  VP_ASSIGN_OR_RETURN(sum.reverse, read_bool_attr(node.node(), "reverse"));
  return node.finish(sum, {&x}, x.dtype);
}

Result<void> lower_where(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  Value& x = node.input(0);
  if (!x.shape) return node.refuse_computed(0, kUnknownRank);
  return node.finish(Where{}, {&x}, DataType::Int64);
}

/// inputs: condition, a, b. In Select a vector chooses whole rows.
Result<void> lower_select(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(3, 3));
  Value& condition = node.input(0);
  Value& a = node.input(1);
  Value& b = node.input(2);
  VP_RETURN_IF_ERROR(node.expect_types(1, 3));
  Value rows = condition;
  const bool is_rows = node.node().op == "Select" && condition.shape && a.shape &&
                       condition.shape->size() == 1 && a.shape->size() > 1;
  if (is_rows) {
    ExpandDims expand;
    for (std::size_t axis = 1; axis < a.shape->size(); ++axis)
      expand.axes.push_back(static_cast<int>(axis));
    VP_ASSIGN_OR_RETURN(rows, node.apply(std::move(expand), {&condition}, condition.dtype));
  }
  return node.finish(Select{}, {&rows, &a, &b}, a.dtype);
}

/// Reads the thresholds of the operator's version: inputs 2 to 5, or an attribute.
Result<std::optional<NonMaxSuppression>> read_suppression(NodeLowering& node, int version) {
  std::optional<NonMaxSuppression> nothing;
  NonMaxSuppression op;
  VP_ASSIGN_OR_RETURN(const auto count, node.find_integer(2));
  if (!count) return nothing;
  op.max_outputs = *count;
  std::array<float, 3> thresholds = {0.5F, 0.0F, 0.0F};  // overlap, score, softness
  const std::size_t inputs = version == 1 ? 0 : version == 2 ? 1 : version == 5 ? 3 : 2;
  for (std::size_t i = 0; i < inputs; ++i) {
    VP_ASSIGN_OR_RETURN(const auto value, node.find_number(3 + i));
    if (!value) return nothing;
    thresholds[i] = static_cast<float>(*value);
  }
  if (version == 1) {
    VP_ASSIGN_OR_RETURN(thresholds[0], read_float_attr(node.node(), "iou_threshold", 0.5F));
  }
  if (thresholds[2] != 0.0F) return nothing;
  op.iou_threshold = thresholds[0];
  op.score_threshold = thresholds[1];
  // The default score threshold, -infinity, lets every score pass and so counts as none.
  op.has_score_threshold = version >= 3 && std::isfinite(thresholds[1]);
  VP_ASSIGN_OR_RETURN(op.pad, read_bool_attr(node.node(), "pad_to_max_output_size"));
  return std::optional<NonMaxSuppression>(op);
}

/// inputs: boxes, scores, most results, thresholds. outputs: indices; version 4: and their count;
/// version 5: scores, and the count.
Result<void> lower_suppression(NodeLowering& node) {
  const char last = node.node().op.back();
  const int version = last >= '2' && last <= '5' ? last - '0' : 1;
  const std::size_t inputs = version == 1 ? 3 : version == 2 ? 4 : version == 5 ? 6 : 5;
  VP_RETURN_IF_ERROR(node.expect_inputs(inputs, inputs));
  VP_ASSIGN_OR_RETURN(const auto op, read_suppression(node, version));
  if (!op) {
    return node.refuse_computed(2, "its limits are computed, or scores are softened by overlap");
  }
  if (op->max_outputs < 0 || op->max_outputs > (1 << 24)) {
    return malformed(node, fmt::format("at most {} boxes", op->max_outputs));
  }
  std::vector<DataType> types = {DataType::Int32};
  if (version >= 4) types.push_back(DataType::Int32);
  if (version == 5) types.push_back(DataType::Float);
  VP_ASSIGN_OR_RETURN(std::vector<Value> results,
                      node.apply_many(*op, {&node.input(0), &node.input(1)}, types));
  if (version == 5) std::swap(results[1], results[2]);
  for (std::size_t k = 0; k < results.size(); ++k) node.set_output(k, std::move(results[k]));
  return {};
}

/// inputs: x and, in version 2, k.
Result<void> lower_top_k(NodeLowering& node) {
  const bool has_input = node.node().op == "TopKV2";
  VP_RETURN_IF_ERROR(node.expect_inputs(has_input ? 2 : 1, has_input ? 2 : 1));
  TopK op;
  if (has_input) {
    VP_ASSIGN_OR_RETURN(const auto k, node.find_integer(1));
    if (!k) return node.refuse_computed(1, "how many it takes is computed");
    op.k = *k;
  } else {
    VP_ASSIGN_OR_RETURN(op.k, read_int_attr(node.node(), "k"));
  }
  Value& x = node.input(0);
  if (!x.shape) return node.refuse_computed(0, kUnknownRank);
  VP_ASSIGN_OR_RETURN(const DataType index_type,
                      read_type_attr(node.node(), "index_type", DataType::Int32));
  VP_ASSIGN_OR_RETURN(std::vector<Value> results, node.apply_many(op, {&x}, {x.dtype, index_type}));
  node.set_output(0, std::move(results[0]));
  node.set_output(1, std::move(results[1]));
  return {};
}

constexpr std::array kSelectionRows = std::to_array<OperatorRow>({
    {"Gather", lower_gather},
    {"GatherV2", lower_gather},
    {"GatherNd", lower_gather_nd},
    {"ScatterNd", lower_scatter_nd},
    {"TensorScatterUpdate", lower_tensor_scatter<ScatterKind::Update>},
    {"TensorScatterAdd", lower_tensor_scatter<ScatterKind::Add>},
    {"TensorScatterSub", lower_tensor_scatter<ScatterKind::Subtract>},
    {"TensorScatterMax", lower_tensor_scatter<ScatterKind::Maximum>},
    {"TensorScatterMin", lower_tensor_scatter<ScatterKind::Minimum>},
    {"ReverseV2", lower_reverse},
    {"Cumsum", lower_cumulative_sum},
    {"Where", lower_where},
    {"Select", lower_select},
    {"SelectV2", lower_select},
    {"NonMaxSuppression", lower_suppression},
    {"NonMaxSuppressionV2", lower_suppression},
    {"NonMaxSuppressionV3", lower_suppression},
    {"NonMaxSuppressionV4", lower_suppression},
    {"NonMaxSuppressionV5", lower_suppression},
    {"TopK", lower_top_k},
    {"TopKV2", lower_top_k},
});

}  // namespace

std::span<const OperatorRow> selection_rows() { return kSelectionRows; }

}  // namespace visionpress::graphdef
