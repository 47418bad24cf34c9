// Layers that pick, place, order or add up elements along an axis.

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "formats/coreml/coreml_layers.h"

namespace visionpress::coreml {
namespace {

constexpr const char* kNoAxis = "its axis is none of its input's";
constexpr const char* kManyAxes = "its result has more than 5 axes";

/// The inputs with the same number of dropped axes, and an axis of the first as their tensors have
/// it.
struct AlongAxis {
  std::vector<Blob> inputs = {};
  int axis = 0;
};

/// Returns nothing if the first input does not have the axis. The sequence axis is restored where
/// the layer works along it, or where an input has one of its own.
std::optional<AlongAxis> view_along(LayerBuilder& layer, std::int64_t axis) {
  const int rank = layer.input(0).rank();
  if (axis < 0) axis += rank;
  if (axis < 0 || axis >= rank) return std::nullopt;
  bool restores = false;
  for (std::size_t i = 0; i < layer.input_count(); ++i) {
    const Blob& blob = layer.input(i);
    restores = restores || !find_axis(axis, layer.input(0)) ||
               blob.drops_sequence() != layer.input(0).drops_sequence();
  }
  AlongAxis view;
  for (std::size_t i = 0; i < layer.input_count(); ++i)
    view.inputs.push_back(restores ? restore_sequence(layer, layer.input(i)) : layer.input(i));
  view.axis = *find_axis(axis, view.inputs[0]);
  return view;
}

/// The permutation that moves `axis` to the end, or back.
Transpose move_axis(int axes, int axis, bool to_the_end) {
  Transpose transpose;
  transpose.permutation.resize(static_cast<std::size_t>(axes));
  std::iota(transpose.permutation.begin(), transpose.permutation.end(), 0);
  const auto from = transpose.permutation.begin() + axis;
  if (to_the_end) {
    std::rotate(from, from + 1, transpose.permutation.end());
  } else {
    std::rotate(from, transpose.permutation.end() - 1, transpose.permutation.end());
  }
  return transpose;
}

Result<ScatterKind> read_mode(const LayerBuilder& layer, std::uint32_t field) {
  constexpr std::array<ScatterKind, 7> kModes = {
      ScatterKind::Update, ScatterKind::Add,     ScatterKind::Subtract, ScatterKind::Multiply,
      ScatterKind::Divide, ScatterKind::Maximum, ScatterKind::Minimum};
  VP_ASSIGN_OR_RETURN(const std::uint64_t mode, layer.params().read_uint(field));
  if (mode < kModes.size()) return kModes[mode];
  return fail_at(ErrorKind::Malformed, layer.params().offset(), "{}: scatter mode {} of {}",
                 layer.path(), mode, kModes.size());
}

}  // namespace

/// GatherLayerParams { axis 1 }; inputs: x, indices.
Result<void> lower_gather(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(2, 2));
  VP_ASSIGN_OR_RETURN(std::int64_t axis, layer.params().read_int(1));
  const Blob& x = layer.input(0);
  const Blob indices = restore_sequence(layer, layer.input(1));
  if (axis < 0) axis += x.rank();
  if (axis < 0 || axis >= x.rank()) return layer.refuse(kNoAxis);
  const int rank = x.rank() - 1 + indices.rank();
  if (rank > 5) return layer.refuse(kManyAxes);
  Gather gather;
  gather.counts_back = true;
  const auto found = find_axis(axis, x);
  if (found && x.drops_sequence() && rank == 5) {
    gather.axis = *found;
    return layer.finish(gather, {x.id, indices.id}, x.axes);
  }
  gather.axis = static_cast<int>(axis);
  const Blob whole = restore_sequence(layer, x);
  return layer.finish(gather, {whole.id, indices.id}, {rank, rank});
}

/// inputs: x, indices [.., depth]. The result's rank depends on depth.
Result<void> lower_gather_nd(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(2, 2));
  const int rank = layer.stated_rank(0);
  if (rank < 1 || rank > 5) return layer.refuse("the file does not state its result's rank");
  const Blob x = restore_sequence(layer, layer.input(0));
  const Blob indices = restore_sequence(layer, layer.input(1));
  return layer.finish(GatherNd{true}, {x.id, indices.id}, {rank, rank});
}

/// GatherAlongAxisLayerParams { axis 1 }; inputs: x, indices.
Result<void> lower_gather_along_axis(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(2, 2));
  VP_ASSIGN_OR_RETURN(const std::int64_t axis, layer.params().read_int(1));
  const auto view = view_along(layer, axis);
  if (!view || layer.input(1).rank() != layer.input(0).rank()) return layer.refuse(kNoAxis);
  return layer.finish(GatherElements{view->axis, true}, ids_of(view->inputs), view->inputs[0].axes);
}

/// ScatterAlongAxisLayerParams { axis 1, mode 2 }; inputs: x, indices, updates.
Result<void> lower_scatter_along_axis(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(3, 3));
  VP_ASSIGN_OR_RETURN(const std::int64_t axis, layer.params().read_int(1));
  VP_ASSIGN_OR_RETURN(const ScatterKind mode, read_mode(layer, 2));
  const auto view = view_along(layer, axis);
  if (!view) return layer.refuse(kNoAxis);
  return layer.finish(ScatterElements{view->axis, mode, true}, ids_of(view->inputs),
                      view->inputs[0].axes);
}

/// ScatterNDLayerParams { mode 1 }; inputs: x, indices [.., depth], updates.
Result<void> lower_scatter_nd(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(3, 3));
  VP_ASSIGN_OR_RETURN(const ScatterKind mode, read_mode(layer, 1));
  std::vector<Blob> inputs;
  for (std::size_t i = 0; i < 3; ++i) inputs.push_back(restore_sequence(layer, layer.input(i)));
  return layer.finish(ScatterNd{mode, true}, ids_of(inputs), inputs[0].axes);
}

/// ScatterLayerParams { axis 1, mode 2 }; inputs: x, indices, updates. The axis is moved to the
/// front, where the indices name rows.
Result<void> lower_scatter(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(3, 3));
  VP_ASSIGN_OR_RETURN(std::int64_t axis, layer.params().read_int(1));
  VP_ASSIGN_OR_RETURN(const ScatterKind mode, read_mode(layer, 2));
  const Blob x = restore_sequence(layer, layer.input(0));
  const Blob indices = restore_sequence(layer, layer.input(1));
  const Blob updates = restore_sequence(layer, layer.input(2));
  if (axis < 0) axis += x.rank();
  if (axis < 0 || axis >= x.rank()) return layer.refuse(kNoAxis);
  if (updates.rank() != x.rank() - 1 + indices.rank()) return layer.refuse(kManyAxes);
  const auto at = static_cast<int>(axis);
  // The axes of the indices stand in the updates from `axis` on.
  const auto to_front = [at](int axes, int moved) {
    Transpose transpose;
    for (int a = 0; a < moved; ++a) transpose.permutation.push_back(at + a);
    for (int a = 0; a < axes; ++a)
      if (a < at || a >= at + moved) transpose.permutation.push_back(a);
    return transpose;
  };
  Transpose back;
  for (int a = 0; a < x.rank(); ++a) back.permutation.push_back(a == at ? 0 : a < at ? a + 1 : a);
  const TensorId rows = layer.add_inner_node(to_front(x.rank(), 1), {x.id});
  const TensorId names = layer.add_inner_node(ExpandDims{{indices.rank()}}, {indices.id});
  const TensorId parts =
      layer.add_inner_node(to_front(updates.rank(), indices.rank()), {updates.id});
  const TensorId placed = layer.add_inner_node(ScatterNd{mode, true}, {rows, names, parts});
  return layer.finish(std::move(back), {placed}, x.axes);
}

/// TopKLayerParams { axis 1, K 2, useBottomK 3 }; outputs: values, indices.
Result<void> lower_top_k(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 2));
  if (layer.input_count() == 2) return layer.refuse("how many it takes is computed");
  VP_ASSIGN_OR_RETURN(const std::int64_t axis, layer.params().read_int(1));
  TopK top;
  VP_ASSIGN_OR_RETURN(top.k, read_size(layer, layer.params(), 2));
  VP_ASSIGN_OR_RETURN(top.is_smallest, layer.params().read_bool(3));
  const auto view = view_along(layer, axis);
  if (!view || top.k == 0) return layer.refuse(kNoAxis);
  if (layer.output_count() != 2) return layer.refuse("it does not have two outputs");
  const Blob& x = view->inputs[0];
  if (view->axis == x.axes.kept - 1) return layer.finish(top, {x.id}, x.axes);
  const TensorId turned = layer.add_inner_node(move_axis(x.axes.kept, view->axis, true), {x.id});
  const std::vector<TensorId> results = layer.add_inner_nodes(top, {turned}, 2);
  const Transpose back = move_axis(x.axes.kept, view->axis, false);
  return layer.finish_each_of({back, back}, results, x.axes);
}

/// ArgSortLayerParams { axis 1, descending 2 }
Result<void> lower_arg_sort(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(const std::int64_t axis, layer.params().read_int(1));
  VP_ASSIGN_OR_RETURN(const bool descends, layer.params().read_bool(2));
  const auto view = view_along(layer, axis);
  if (!view) return layer.refuse(kNoAxis);
  const Blob& x = view->inputs[0];
  const bool is_last = view->axis == x.axes.kept - 1;
  TensorId id = x.id;
  if (!is_last) id = layer.add_inner_node(move_axis(x.axes.kept, view->axis, true), {id});
  const std::vector<TensorId> results = layer.add_inner_nodes(TopK{-1, !descends}, {id}, 2);
  if (is_last) return layer.finish(Identity{}, {results[1]}, x.axes);
  return layer.finish(move_axis(x.axes.kept, view->axis, false), {results[1]}, x.axes);
}

/// CumSumLayerParams { axis 1, excludeFinalSum 2, reverse 3 }
Result<void> lower_cumulative_sum(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 2));
  if (layer.input_count() == 2) return layer.refuse("its axis is computed");
  VP_ASSIGN_OR_RETURN(const std::int64_t axis, layer.params().read_int(1));
  CumulativeSum sum;
  VP_ASSIGN_OR_RETURN(sum.exclusive, layer.params().read_bool(2));
  VP_ASSIGN_OR_RETURN(sum.reverse, layer.params().read_bool(3));
  const auto view = view_along(layer, axis);
  if (!view) return layer.refuse(kNoAxis);
  sum.axis = view->axis;
  return layer.finish(sum, {view->inputs[0].id}, view->inputs[0].axes);
}

/// ReverseLayerParams { reverseDim 1: one flag per axis }
Result<void> lower_reverse(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(const std::vector<std::int64_t> flags, layer.params().read_ints(1));
  const Blob& x = layer.input(0);
  if (std::ssize(flags) != x.rank()) return layer.refuse("it does not name each axis");
  Reverse reverse;
  for (int axis = 0; axis < x.rank(); ++axis) {
    const auto found = find_axis(axis, x);
    if (flags[static_cast<std::size_t>(axis)] != 0 && found) reverse.axes.push_back(*found);
  }
  return layer.finish(std::move(reverse), {x.id}, x.axes);
}

/// OneHotLayerParams { oneHotVectorSize 1, axis 2, onValue 3, offValue 4 }
Result<void> lower_one_hot(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 2));
  if (layer.input_count() == 2) return layer.refuse("its depth is computed");
  VP_ASSIGN_OR_RETURN(const std::int64_t depth, read_size(layer, layer.params(), 1));
  VP_ASSIGN_OR_RETURN(std::int64_t axis, layer.params().read_int(2));
  VP_ASSIGN_OR_RETURN(const float on, layer.params().read_float(3));
  VP_ASSIGN_OR_RETURN(const float off, layer.params().read_float(4));
  const Blob x = restore_sequence(layer, layer.input(0));
  const int rank = x.rank() + 1;
  constexpr std::int64_t kDeepest = 1 << 20;
  if (axis < 0) axis += rank;
  if (axis < 0 || axis >= rank || rank > 5) return layer.refuse(kNoAxis);
  if (depth < 1 || depth > kDeepest) return layer.refuse(fmt::format("its depth is {}", depth));
  Shape shape(static_cast<std::size_t>(rank), 1);
  shape[static_cast<std::size_t>(axis)] = depth;
  std::vector<float> places(static_cast<std::size_t>(depth));
  std::iota(places.begin(), places.end(), 0.0F);
  const TensorId rows = layer.add_inner_node(ExpandDims{{static_cast<int>(axis)}}, {x.id});
  const TensorId hit = layer.add_inner_node(Binary{BinaryKind::Equal},
                                            {rows, layer.add_literal(shape, std::move(places))});
  return layer.finish(Select{}, {hit, layer.add_literal({1}, {on}), layer.add_literal({1}, {off})},
                      {rank, rank});
}

/// inputs: condition, a, b.
Result<void> lower_where_broadcastable(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(3, 3));
  return layer.finish(Select{}, layer.input_ids());
}

/// The result has one row of indices for each element that is not 0.
Result<void> lower_where_non_zero(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  const Blob x = restore_sequence(layer, layer.input(0));
  return layer.finish(Where{}, {x.id}, {2, 2});
}

}  // namespace visionpress::coreml
