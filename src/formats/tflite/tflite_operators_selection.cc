#include <array>
#include <cmath>

#include "base/error.h"
#include "formats/tflite/tflite_operands.h"

namespace visionpress::tflite {
namespace {

using Code = tfl::BuiltinOperator;

/// The most boxes that a suppression may request: more than any detector has priors.
constexpr std::int64_t kMostBoxes = std::int64_t{1} << 24;

/// Whether the condition is a vector and the operands have more axes; each element then chooses a
/// whole row.
bool chooses_rows(const TfliteOperator& source) {
  return source.code == Code::SELECT && find_input(source, 0)->shape.size() == 1 &&
         find_input(source, 1)->shape.size() > 1;
}

}  // namespace

Lowered lower_gather(const TfliteOperator& source) {
  VP_RETURN_IF_ERROR(check_operand_counts(source, 2, 1));
  VP_RETURN_IF_ERROR(check_index_type(source, 1));
  const auto* options = source.table.builtin_options_as_GatherOptions();
  if (options == nullptr) return missing_options(source);
  VP_ASSIGN_OR_RETURN(const int axis,
                      check_axis(source, options->axis(), find_input(source, 0)->shape.size()));
  const auto index_axes = static_cast<int>(find_input(source, 1)->shape.size());
  const int batch = options->batch_dims() + (options->batch_dims() < 0 ? index_axes : 0);
  if (batch < 0 || batch > axis || batch > index_axes) {
    return fail(ErrorKind::Malformed, "{}: GATHER along axis {} has {} axes of batches",
                source.path, axis, options->batch_dims());
  }
  return lowered(Gather{axis, batch}, source.inputs);
}

Lowered lower_gather_nd(const TfliteOperator& source) {
  VP_RETURN_IF_ERROR(check_operand_counts(source, 2, 1));
  VP_RETURN_IF_ERROR(check_index_type(source, 1));
  return lowered(GatherNd{}, source.inputs);
}

/// inputs: rows to take, a table.
Lowered lower_embedding_lookup(const TfliteOperator& source) {
  VP_RETURN_IF_ERROR(check_operand_counts(source, 2, 1));
  VP_RETURN_IF_ERROR(check_index_type(source, 0));
  return lowered(Gather{0}, {source.inputs[1], source.inputs[0]});
}

/// inputs: indices, updates, the shape of the result, whose other elements are 0.
Lowered lower_scatter_nd(const TfliteOperator& source) {
  VP_RETURN_IF_ERROR(check_operand_counts(source, 3, 1));
  VP_RETURN_IF_ERROR(check_index_type(source, 0));
  VP_RETURN_IF_ERROR(check_index_type(source, 2));
  const auto target = find_integers(find_input(source, 2));
  const Shape shape = target ? *target : stated_shape(source);
  const auto count = element_count(shape);
  const bool is_stated = target || (!find_input(source, 2)->is_constant() && !shape.empty());
  if (!is_stated || !count) return unsupported(source, "its shape is computed");
  constexpr std::int64_t kLargest = 1 << 24;  // 64 MiB of zeros
  if (*count < 1 || *count > kLargest)
    return unsupported(source, fmt::format("it fills {}", to_string(shape)));
  Tensor zeros;
  zeros.name = source.graph.tensor(source.outputs[0]).name + "/zeros";
  zeros.dtype = find_input(source, 1)->dtype;
  zeros.shape = shape;
  zeros.literal.assign(static_cast<std::size_t>(*count), 0.0F);
  LoweredOperator result;
  result.op = ScatterNd{ScatterKind::Add};
  result.inputs = {make_value(source, result, std::move(zeros)), source.inputs[0],
                   source.inputs[1]};
  return result;
}

Lowered lower_select(const TfliteOperator& source) {
  VP_RETURN_IF_ERROR(check_operand_counts(source, 3, 1));
  VP_RETURN_IF_ERROR(check_type(source, 0, DType::Bool));
  VP_RETURN_IF_ERROR(check_same_type(source, 1, 2));
  if (!chooses_rows(source)) return lowered(Select{}, source.inputs);
  LoweredOperator result;
  ExpandDims expand;
  for (std::size_t axis = 1; axis < find_input(source, 1)->shape.size(); ++axis)
    expand.axes.push_back(static_cast<int>(axis));
  const TensorId rows = make_value(source, result, "rows", 0);
  result.before = {{std::move(expand), {source.inputs[0]}, {rows}}};
  result.op = Select{};
  result.inputs = {rows, source.inputs[1], source.inputs[2]};
  return result;
}

Lowered lower_where(const TfliteOperator& source) {
  VP_RETURN_IF_ERROR(check_operand_counts(source, 1, 1));
  return lowered(Where{}, source.inputs);
}

Lowered lower_top_k(const TfliteOperator& source) {
  VP_RETURN_IF_ERROR(check_operand_counts(source, 2, 2));
  const auto k = find_integer(find_input(source, 1));
  if (!k) return unsupported(source, "how many it takes is computed");
  if (*k < 0)
    return fail(ErrorKind::Malformed, "{}: TOPK_V2 takes the {} largest", source.path, *k);
  return lowered(TopK{*k}, {source.inputs[0]});
}

/// inputs: boxes, scores, most results, overlap, score; V5: softness. outputs: indices, V5: scores,
/// count. Both versions always pad their results to the most.
Lowered lower_suppression(const TfliteOperator& source) {
  const bool gives_scores = source.code == Code::NON_MAX_SUPPRESSION_V5;
  VP_RETURN_IF_ERROR(check_operand_counts(source, gives_scores ? 6 : 5, gives_scores ? 3 : 2));
  VP_RETURN_IF_ERROR(check_type(source, 0, DType::Float32));
  VP_RETURN_IF_ERROR(check_type(source, 1, DType::Float32));
  VP_RETURN_IF_ERROR(check_type(source, 2, DType::Int32));
  const auto most = find_integer(find_input(source, 2));
  const auto overlap = find_float(source, 3);
  const auto score = find_float(source, 4);
  const auto softness = gives_scores ? find_float(source, 5) : std::optional(0.0F);
  if (!most || !overlap || !score || !softness)
    return unsupported(source, "its limits are computed");
  if (*softness != 0.0F) return unsupported(source, "it softens scores by overlap");
  if (*most < 0 || *most > kMostBoxes) {
    return fail(ErrorKind::Malformed, "{}: {} takes {} boxes, expected 0..{}", source.path,
                source.type, *most, kMostBoxes);
  }
  NonMaxSuppression op;
  op.max_outputs = *most;
  op.iou_threshold = *overlap;
  op.score_threshold = *score;
  op.has_score_threshold = std::isfinite(*score);
  op.pad = true;
  VP_ASSIGN_OR_RETURN(LoweredOperator result, lowered(op, {source.inputs[0], source.inputs[1]}));
  if (gives_scores) result.outputs = {source.outputs[0], source.outputs[2], source.outputs[1]};
  return result;
}

}  // namespace visionpress::tflite
