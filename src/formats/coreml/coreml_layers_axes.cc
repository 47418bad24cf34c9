#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "formats/coreml/coreml_layers.h"

namespace visionpress::coreml {
namespace {

constexpr const char* kNotRank5 = "its input is not of rank 5";

/// Core ML: -1 is inferred. Other sizes must be positive.
bool is_reshape_target(const Shape& shape) {
  int inferred = 0;
  for (const std::int64_t size : shape) {
    if (size == -1) {
      ++inferred;
    } else if (size < 1) {
      return false;
    }
  }
  return inferred <= 1;
}

Result<void> refuse_target(LayerBuilder& layer, const Shape& target) {
  return layer.refuse(fmt::format("its target shape is {}", to_string(target)));
}

/// A Reshape to `shape`, in which 0 means the input's size on that axis.
Reshape reshape_keeping(Shape shape) {
  Reshape reshape;
  reshape.target = std::move(shape);
  reshape.zero_keeps = true;
  return reshape;
}

/// Moves the channels, axis -3, after height and width, or back.
Transpose move_channels(int axes, bool to_the_end) {
  Transpose transpose;
  transpose.permutation.resize(static_cast<std::size_t>(axes));
  std::iota(transpose.permutation.begin(), transpose.permutation.end(), 0);
  const auto channels = transpose.permutation.end() - 3;
  std::rotate(channels, to_the_end ? channels + 1 : channels + 2, transpose.permutation.end());
  return transpose;
}

/// Converts axes of a blob of `rank` to counts from 0; nothing if one is out of range or repeated.
std::optional<std::vector<int>> count_axes(const std::vector<std::int64_t>& axes, int rank) {
  std::vector<int> counted;
  for (const std::int64_t axis : axes) {
    const std::int64_t at = axis < 0 ? axis + rank : axis;
    if (at < 0 || at >= rank) return std::nullopt;
    if (std::count(counted.begin(), counted.end(), static_cast<int>(at)) != 0) return std::nullopt;
    counted.push_back(static_cast<int>(at));
  }
  return counted;
}

/// Finishes the layer with the axes of `x` in this order. A sequence axis that stays in front stays
/// dropped.
Result<void> finish_transpose(LayerBuilder& layer, Blob x, std::vector<int> order) {
  if (x.drops_sequence() && order[0] == 0) {
    order.erase(order.begin());
    for (int& axis : order) --axis;
  } else {
    x = restore_sequence(layer, x);
  }
  return layer.finish(Transpose{std::move(order)}, {x.id}, x.axes);
}

}  // namespace

Result<void> lower_flatten(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(const std::uint64_t mode, layer.params().read_uint(1));
  const Blob& x = layer.input(0);
  if (x.rank() < 3) return layer.refuse(kNoImage);
  Shape target(static_cast<std::size_t>(x.axes.kept) - 3, 0);
  target.insert(target.end(), {-1, 1, 1});
  TensorId id = x.id;
  if (mode != 0) id = layer.add_inner_node(move_channels(x.axes.kept, true), {id});
  return layer.finish(reshape_keeping(std::move(target)), {id});
}

/// FlattenTo2DLayerParams { axis 1 }: the result is [product of the sizes before the axis, product
/// of the rest].
Result<void> lower_flatten_to_2d(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(std::int64_t axis, layer.params().read_int(1));
  const Blob x = restore_sequence(layer, layer.input(0));
  if (axis < 0) axis += x.rank();
  if (axis < 0 || axis > x.rank()) return layer.refuse("its axis is none of its input's");
  if (axis == 0) return layer.finish(Reshape{{1, -1}}, {x.id}, {2, 2});
  if (axis == 1) return layer.finish(reshape_keeping({0, -1}), {x.id}, {2, 2});
  if (axis == x.rank()) return layer.finish(Reshape{{-1, 1}}, {x.id}, {2, 2});
  // Merges one axis at a time into the next: [a,b,..] to [1,a*b,..], which keeps the other axes.
  TensorId id = x.id;
  for (std::int64_t joined = 1; joined < axis; ++joined) {
    Shape target(static_cast<std::size_t>(x.rank()), 0);
    std::fill(target.begin(), target.begin() + joined, 1);
    target[static_cast<std::size_t>(joined)] = -1;
    id = layer.add_inner_node(reshape_keeping(std::move(target)), {id});
  }
  Squeeze front;
  for (int a = 0; a + 1 < static_cast<int>(axis); ++a) front.axes.push_back(a);
  id = layer.add_inner_node(front, {id});
  return layer.finish(reshape_keeping({0, -1}), {id}, {2, 2});
}

Result<void> lower_reshape(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(Shape target, layer.params().read_ints(1));
  VP_ASSIGN_OR_RETURN(const std::uint64_t mode, layer.params().read_uint(2));
  if (target.size() == 4) {
    if (target[0] != 1) return layer.refuse(kSequence);
    target.erase(target.begin());
  }
  if (target.size() != 3 || !is_reshape_target(target)) return refuse_target(layer, target);
  const Blob& x = layer.input(0);
  if (x.rank() != 5) return layer.refuse(kNotRank5);
  if (!x.drops_sequence()) return layer.refuse(kSequence);
  if (mode == 0) {
    return layer.finish(reshape_keeping({0, target[0], target[1], target[2]}), {x.id});
  }
  const TensorId moved = layer.add_inner_node(move_channels(4, true), {x.id});
  const TensorId flat =
      layer.add_inner_node(reshape_keeping({0, target[1], target[2], target[0]}), {moved});
  return layer.finish(move_channels(4, false), {flat});
}

Result<void> lower_reshape_static(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(Shape target, layer.params().read_ints(1));
  const auto rank = static_cast<int>(target.size());
  if (rank < 1 || rank > 5 || !is_reshape_target(target)) return refuse_target(layer, target);
  BlobAxes axes = {rank, rank};
  if (rank == 5 && target[0] == 1) {
    target.erase(target.begin());
    axes.kept = 4;
  }
  return layer.finish(Reshape{target}, {layer.input(0).id}, axes);
}

/// RankPreservingReshapeLayerParams { targetShape 1 }: 0 keeps the input's size, -1 is inferred.
Result<void> lower_rank_preserving_reshape(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(Shape target, layer.params().read_ints(1));
  const Blob x = restore_sequence(layer, layer.input(0));
  const bool fits =
      std::all_of(target.begin(), target.end(), [](std::int64_t n) { return n > -2; });
  if (target.size() != static_cast<std::size_t>(x.rank()) || !fits ||
      std::count(target.begin(), target.end(), -1) > 1) {
    return refuse_target(layer, target);
  }
  return layer.finish(reshape_keeping(std::move(target)), {x.id}, x.axes);
}

Result<void> lower_permute(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(std::vector<std::int64_t> axes, layer.params().read_ints(1));
  if (axes.empty()) axes = {0, 1, 2, 3};
  std::vector<std::int64_t> sorted = axes;
  std::sort(sorted.begin(), sorted.end());
  if (sorted != std::vector<std::int64_t>{0, 1, 2, 3}) {
    return layer.refuse(fmt::format("its axes {} are not a permutation of 0..3", to_string(axes)));
  }
  if (layer.input(0).rank() != 5) return layer.refuse(kNotRank5);
  // The layer counts the axes of [Seq,C,H,W]; the batch, the second of five axes, stays in place.
  std::vector<int> order;
  order.reserve(5);
  for (const std::int64_t axis : axes) order.push_back(static_cast<int>(axis == 0 ? 0 : axis + 1));
  order.insert(order.begin() + 1, 1);
  return finish_transpose(layer, layer.input(0), std::move(order));
}

Result<void> lower_transpose(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(const std::vector<std::int64_t> axes, layer.params().read_ints(1));
  const int rank = layer.input(0).rank();
  auto order = count_axes(axes, rank);
  if (!order || static_cast<int>(order->size()) != rank) {
    return layer.refuse(fmt::format("its axes {} are not a permutation of the {} there are",
                                    to_string(axes), rank));
  }
  return finish_transpose(layer, layer.input(0), std::move(*order));
}

Result<void> lower_squeeze(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(const std::vector<std::int64_t> axes, layer.params().read_ints(1));
  VP_ASSIGN_OR_RETURN(const bool all, layer.params().read_bool(2));
  if (all) return layer.refuse("its result's rank is known at run time only");
  const Blob x = restore_sequence(layer, layer.input(0));
  // A blob of rank 1 stays unchanged.
  if (x.rank() == 1) return layer.finish(Identity{}, {x.id});
  const auto counted = count_axes(axes, x.rank());
  if (!counted || counted->empty()) return layer.refuse("its axes are none of its input's");
  const int left = x.rank() - static_cast<int>(counted->size());
  if (left < 1) return layer.refuse("it leaves no axis");
  return layer.finish(Squeeze{*counted}, {x.id}, {left, left});
}

Result<void> lower_expand_dims(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(const std::vector<std::int64_t> axes, layer.params().read_ints(1));
  const int rank = layer.input(0).rank() + static_cast<int>(axes.size());
  auto counted = count_axes(axes, rank);
  if (rank > 5 || !counted || counted->empty()) {
    return layer.refuse(
        fmt::format("its axes {} do not fit a result of {}", to_string(axes), rank));
  }
  const auto sequence = std::find(counted->begin(), counted->end(), 0);
  if (rank < 5 || sequence == counted->end()) {
    return layer.finish(ExpandDims{*counted}, {layer.input(0).id}, {rank, rank});
  }
  // An added sequence axis has size 1, so it is dropped at once.
  counted->erase(sequence);
  for (int& axis : *counted) --axis;
  if (counted->empty()) return layer.finish(Identity{}, {layer.input(0).id}, {5, 4});
  return layer.finish(ExpandDims{*counted}, {layer.input(0).id}, {5, 4});
}

}  // namespace visionpress::coreml
