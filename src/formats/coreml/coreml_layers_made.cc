// Layers whose result takes its shape from parameters or from another blob, and masks of matrices.

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "formats/coreml/coreml_layers.h"

namespace visionpress::coreml {
namespace {

constexpr std::int64_t kMostMade = std::int64_t{1} << 24;  // values: 64 MiB

/// 0 for every element of x, also for NaN.
TensorId add_zeros_like(LayerBuilder& layer, TensorId x) {
  return layer.add_inner_node(Binary{BinaryKind::LogicalAnd}, {x, layer.add_literal({1}, {0.0F})});
}

/// The target of { targetShape FIELD }: 1 to 5 positive sizes; nothing for another.
Result<std::optional<Shape>> read_target(const LayerBuilder& layer, std::uint32_t field) {
  VP_ASSIGN_OR_RETURN(const Shape target, layer.params().read_ints(field));
  const bool fits = !target.empty() && target.size() <= 5 &&
                    std::ranges::all_of(target, [](std::int64_t n) { return n >= 1; }) &&
                    element_count(target).value_or(kMostMade + 1) <= kMostMade;
  return fits ? std::optional(target) : std::nullopt;
}

BlobAxes whole_axes(const Shape& shape) {
  const auto rank = static_cast<int>(shape.size());
  return {rank, rank};
}

/// x where `keeps` of its column minus its row holds, 0 elsewhere. Rows and columns are counted in
/// the run, so their number may be open.
struct Diagonals {
  std::optional<std::int64_t> least = std::nullopt;  ///< of column - row
  std::optional<std::int64_t> most = std::nullopt;
};

Result<void> finish_diagonals(LayerBuilder& layer, const Diagonals& kept) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  const Blob& x = layer.input(0);
  if (x.rank() < 2) return layer.refuse("its input is not a matrix");
  const TensorId ones =
      layer.add_inner_node(Unary{UnaryKind::LogicalNot, 0.0F, 0.0F}, {add_zeros_like(layer, x.id)});
  const auto count = [&](int axis) {
    return layer.add_inner_node(CumulativeSum{axis, true, false}, {ones});
  };
  const TensorId place = layer.add_inner_node(Binary{BinaryKind::Subtract}, {count(-1), count(-2)});
  TensorId mask = ones;
  const auto limit = [&](BinaryKind kind, std::int64_t bound) {
    const TensorId holds = layer.add_inner_node(
        Binary{kind}, {place, layer.add_literal({1}, {static_cast<float>(bound)})});
    mask = layer.add_inner_node(Binary{BinaryKind::LogicalAnd}, {mask, holds});
  };
  if (kept.least) limit(BinaryKind::GreaterEqual, *kept.least);
  if (kept.most) limit(BinaryKind::LessEqual, *kept.most);
  return layer.finish(Select{}, {mask, x.id, layer.add_literal({1}, {0.0F})}, x.axes);
}

}  // namespace

/// FillStaticLayerParams { value 1, targetShape 2 }
Result<void> lower_fill_static(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(0, 0));
  VP_ASSIGN_OR_RETURN(const float value, layer.params().read_float(1));
  VP_ASSIGN_OR_RETURN(const auto target, read_target(layer, 2));
  if (!target) return layer.refuse("its target shape is none");
  const auto count = static_cast<std::size_t>(*element_count(*target));
  const TensorId filled = layer.add_literal(*target, std::vector<float>(count, value));
  return layer.finish(Identity{}, {filled}, whole_axes(*target));
}

/// FillLikeLayerParams { value 1 }
Result<void> lower_fill_like(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(const float value, layer.params().read_float(1));
  const TensorId zeros = add_zeros_like(layer, layer.input(0).id);
  return layer.finish(Unary{UnaryKind::Linear, 1.0F, value}, {zeros}, layer.input(0).axes);
}

/// RangeStaticLayerParams { endValue 1, startValue 2, stepSizeValue 3 }
Result<void> lower_range_static(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(0, 0));
  VP_ASSIGN_OR_RETURN(const float end, layer.params().read_float(1));
  VP_ASSIGN_OR_RETURN(const float start, layer.params().read_float(2));
  VP_ASSIGN_OR_RETURN(const float step, layer.params().read_float(3));
  const double count = std::ceil((static_cast<double>(end) - static_cast<double>(start)) /
                                 static_cast<double>(step));
  if (!(count >= 1.0 && count <= static_cast<double>(kMostMade)))
    return layer.refuse(fmt::format("it counts from {} to {} in steps of {}", start, end, step));
  std::vector<float> values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = start + static_cast<float>(i) * step;
  const TensorId range = layer.add_literal({std::ssize(values)}, values);
  return layer.finish(Identity{}, {range}, {1, 1});
}

/// BroadcastToStaticLayerParams { targetShape 1 }
Result<void> lower_broadcast_to_static(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(const auto target, read_target(layer, 1));
  const Blob x = restore_sequence(layer, layer.input(0));
  if (!target || std::ssize(*target) < x.rank()) return layer.refuse("its target shape is none");
  const auto count = static_cast<std::size_t>(*element_count(*target));
  const TensorId zeros = layer.add_literal(*target, std::vector<float>(count, 0.0F));
  return layer.finish(Binary{BinaryKind::Add}, {x.id, zeros}, whole_axes(*target));
}

/// inputs: x, a blob whose shape the result gets.
Result<void> lower_broadcast_to_like(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(2, 2));
  const Blob& like = layer.input(1);
  if (like.rank() < layer.input(0).rank()) return layer.refuse("its target has fewer axes");
  return layer.finish(Binary{BinaryKind::Add}, {layer.input(0).id, add_zeros_like(layer, like.id)},
                      like.axes);
}

/// inputs: x, a blob whose shape the result gets.
Result<void> lower_reshape_like(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(2, 2));
  const TensorId sizes = layer.add_inner_node(ShapeOf{}, {layer.input(1).id});
  return layer.finish(Reshape{}, {layer.input(0).id, sizes}, layer.input(1).axes);
}

Result<void> lower_get_shape(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  const Blob x = restore_sequence(layer, layer.input(0));
  return layer.finish(ShapeOf{}, {x.id}, {1, 1});
}

/// MatrixBandPartLayerParams { numLower 1, numUpper 2 }: negative keeps all diagonals.
Result<void> lower_matrix_band_part(LayerBuilder& layer) {
  VP_ASSIGN_OR_RETURN(const std::int64_t lower, layer.params().read_int(1));
  VP_ASSIGN_OR_RETURN(const std::int64_t upper, layer.params().read_int(2));
  Diagonals kept;
  if (lower >= 0) kept.least = -lower;
  if (upper >= 0) kept.most = upper;
  return finish_diagonals(layer, kept);
}

/// LowerTriangularLayerParams { k 1 }: the diagonals up to k.
Result<void> lower_lower_triangular(LayerBuilder& layer) {
  VP_ASSIGN_OR_RETURN(const std::int64_t k, layer.params().read_int(1));
  return finish_diagonals(layer, {std::nullopt, k});
}

/// UpperTriangularLayerParams { k 1 }: the diagonals from k on.
Result<void> lower_upper_triangular(LayerBuilder& layer) {
  VP_ASSIGN_OR_RETURN(const std::int64_t k, layer.params().read_int(1));
  return finish_diagonals(layer, {k, std::nullopt});
}

}  // namespace visionpress::coreml
