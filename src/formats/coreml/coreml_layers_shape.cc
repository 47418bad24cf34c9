#include <algorithm>
#include <cstdlib>
#include <utility>

#include "base/error.h"
#include "formats/coreml/coreml_layers.h"

namespace visionpress::coreml {
namespace {

constexpr const char* kUnequalAxes = "its inputs differ in how many axes they have";

/// A slice that covers a tensor with `axes` axes.
Slice whole_slice(int axes) {
  const auto count = static_cast<std::size_t>(axes);
  Slice slice;
  slice.begin.assign(count, 0);
  slice.end.assign(count, kMaxSize);
  slice.stride.assign(count, 1);
  return slice;
}

/// Brings the inputs to the same number of axes. If any input has its sequence axis, or
/// `with_sequence` is set, all get it. Returns nothing if their ranks differ.
std::optional<std::vector<Blob>> align_inputs(LayerBuilder& layer, bool with_sequence) {
  std::vector<Blob> blobs;
  for (std::size_t i = 0; i < layer.input_count(); ++i) {
    blobs.push_back(layer.input(i));
    if (blobs[i].rank() != blobs[0].rank()) return std::nullopt;
    with_sequence = with_sequence || (blobs[i].rank() == 5 && !blobs[i].drops_sequence());
  }
  for (Blob& blob : blobs) {
    if (with_sequence) blob = restore_sequence(layer, blob);
  }
  return blobs;
}

/// Concatenates the inputs along an axis (negative: from the innermost).
Result<void> finish_concat(LayerBuilder& layer, std::int64_t axis) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, kManyInputs));
  const int rank = layer.input(0).rank();
  if (axis < -rank || axis >= rank) return layer.refuse("its axis is none of its inputs'");
  const bool along_sequence = rank == 5 && (axis == 0 || axis == -5);
  const auto blobs = align_inputs(layer, along_sequence);
  if (!blobs) return layer.refuse(kUnequalAxes);
  const std::optional<int> found = find_axis(axis, blobs->front());
  if (!found) return layer.refuse(kSequence);
  if (blobs->size() == 1) return layer.finish(Identity{}, ids_of(*blobs), blobs->front().axes);
  return layer.finish(Concat{*found}, ids_of(*blobs), blobs->front().axes);
}

}  // namespace

Result<void> lower_concat(LayerBuilder& layer) {
  constexpr std::uint32_t kSequenceConcat = 100;
  VP_ASSIGN_OR_RETURN(const bool sequence, layer.params().read_bool(kSequenceConcat));
  return finish_concat(layer, sequence ? -5 : -3);
}

Result<void> lower_concat_nd(LayerBuilder& layer) {
  constexpr std::uint32_t kInterleave = 2;
  VP_ASSIGN_OR_RETURN(const std::int64_t axis, layer.params().read_int(1));
  VP_ASSIGN_OR_RETURN(const bool interleave, layer.params().read_bool(kInterleave));
  if (interleave) return layer.refuse("it interleaves its inputs");
  return finish_concat(layer, axis);
}

Result<void> lower_stack(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, kManyInputs));
  VP_ASSIGN_OR_RETURN(std::int64_t axis, layer.params().read_int(1));
  const auto blobs = align_inputs(layer, true);
  if (!blobs) return layer.refuse(kUnequalAxes);
  const int rank = blobs->front().rank() + 1;
  if (axis < 0) axis += rank;
  if (axis < 0 || axis >= rank || rank > 5) return layer.refuse("its result has more than 5 axes");
  std::vector<TensorId> parts;
  for (const Blob& blob : *blobs) {
    parts.push_back(layer.add_inner_node(ExpandDims{{static_cast<int>(axis)}}, {blob.id}));
  }
  if (parts.size() == 1) return layer.finish(Identity{}, std::move(parts), {rank, rank});
  return layer.finish(Concat{static_cast<int>(axis)}, std::move(parts), {rank, rank});
}

Result<void> lower_slice(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  const ProtobufMessage& params = layer.params();
  VP_ASSIGN_OR_RETURN(const std::int64_t begin, params.read_int(1));
  VP_ASSIGN_OR_RETURN(const std::int64_t end, params.read_int(2));
  VP_ASSIGN_OR_RETURN(const std::int64_t stride, read_size(layer, params, 3));
  VP_ASSIGN_OR_RETURN(const std::uint64_t axis, params.read_uint(4));
  if (axis > 2 || stride == 0) {
    return layer.refuse(fmt::format("its stride is {} along axis {}", stride, axis));
  }
  const auto found = find_axis(static_cast<std::int64_t>(axis) - 3, layer.input(0));
  if (!found) return layer.refuse("its axis is none of its input's");
  Slice slice = whole_slice(layer.input(0).axes.kept);
  const auto at = static_cast<std::size_t>(*found);
  slice.begin[at] = std::clamp(begin, -kMaxSize, kMaxSize);
  slice.end[at] = std::clamp(end, -kMaxSize, kMaxSize);
  slice.stride[at] = stride;
  return layer.finish(slice, {layer.input(0).id});
}

namespace {

/// An axis that is walked backwards is reversed first: element i becomes element -(i + 1), which
/// counts from the other end.
std::int64_t place_in_walk(std::int64_t at, std::int64_t stride) {
  const std::int64_t clamped = std::clamp(at, -kMaxSize, kMaxSize - 1);
  return stride < 0 ? -(clamped + 1) : clamped;
}

/// Finishes the layer with a slice of `x`, and then without the squeezed axes.
Result<void> finish_slice(LayerBuilder& layer, const Blob& x, Slice slice, Reverse reverse,
                          Squeeze squeeze) {
  TensorId id = x.id;
  if (!reverse.axes.empty()) id = layer.add_inner_node(std::move(reverse), {id});
  if (squeeze.axes.empty()) return layer.finish(std::move(slice), {id}, x.axes);
  const TensorId part = layer.add_inner_node(std::move(slice), {id});
  const int left = x.rank() - static_cast<int>(squeeze.axes.size());
  if (left == 0) return layer.finish(Reshape{{1}}, {part}, {1, 1});
  return layer.finish(std::move(squeeze), {part}, {left, left});
}

}  // namespace

/// SliceStaticLayerParams { beginIds 1, beginMasks 2, endIds 3, endMasks 4, strides 5, squeezeMasks
/// 6 }, each with one entry per axis; absent masks are false.
Result<void> lower_slice_static(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  const Blob x = restore_sequence(layer, layer.input(0));
  const auto rank = static_cast<std::size_t>(x.rank());
  std::array<std::vector<std::int64_t>, 6> fields;
  for (std::uint32_t f = 0; f < fields.size(); ++f) {
    VP_ASSIGN_OR_RETURN(fields[f], layer.params().read_ints(f + 1));
    const bool is_mask = f % 2 == 1;
    if (is_mask && fields[f].empty()) fields[f].assign(rank, 0);
    if (fields[f].size() != rank) return layer.refuse("it does not say where each axis is cut");
  }
  const auto& [begin, begin_mask, end, end_mask, stride, squeeze_mask] = fields;
  Slice slice = whole_slice(x.axes.kept);
  Squeeze squeeze;
  Reverse reverse;
  for (std::size_t a = 0; a < rank; ++a) {
    if (squeeze_mask[a] != 0) {
      slice.begin[a] = std::clamp(begin[a], -kMaxSize, kMaxSize);
      if (begin[a] != -1) slice.end[a] = slice.begin[a] + 1;
      squeeze.axes.push_back(static_cast<int>(a));
      continue;
    }
    if (stride[a] == 0) return layer.refuse("its stride is 0");
    if (stride[a] < 0) reverse.axes.push_back(static_cast<int>(a));
    slice.stride[a] =
        std::clamp(std::abs(std::max(stride[a], -kMaxSize)), std::int64_t{1}, kMaxSize);
    if (begin_mask[a] == 0) slice.begin[a] = place_in_walk(begin[a], stride[a]);
    if (end_mask[a] == 0) slice.end[a] = place_in_walk(end[a], stride[a]);
  }
  return finish_slice(layer, x, std::move(slice), std::move(reverse), std::move(squeeze));
}

Result<void> lower_split(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(const std::int64_t count, read_size(layer, layer.params(), 1));
  if (static_cast<std::uint64_t>(count) != layer.output_count() || count == 0) {
    return layer.refuse(
        fmt::format("it has {} outputs, nOutputs says {}", layer.output_count(), count));
  }
  const auto axis = find_axis(-3, layer.input(0));
  if (!axis) return layer.refuse(kNoImage);
  return layer.finish(Split{*axis}, {layer.input(0).id});
}

/// SplitNDLayerParams { axis 1, numSplits 2, splitSizes 3 }
Result<void> lower_split_nd(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(const std::int64_t axis, layer.params().read_int(1));
  VP_ASSIGN_OR_RETURN(const std::vector<std::int64_t> sizes, layer.params().read_ints(3));
  const auto found = find_axis(axis, layer.input(0));
  if (!found) return layer.refuse(kSequence);
  if (sizes.empty()) return layer.finish(Split{*found}, {layer.input(0).id});
  std::vector<Op> parts;
  std::int64_t begin = 0;
  for (const std::int64_t size : sizes) {
    if (size < 1 || size > kMaxSize - begin) return layer.refuse("one of its parts is empty");
    Slice part = whole_slice(layer.input(0).axes.kept);
    part.begin[static_cast<std::size_t>(*found)] = begin;
    begin += size;
    part.end[static_cast<std::size_t>(*found)] = begin;
    parts.emplace_back(std::move(part));
  }
  return layer.finish_each(std::move(parts), layer.input(0).id, layer.input(0).axes);
}

/// TileLayerParams { reps 1 }, for the innermost axes.
Result<void> lower_tile(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 2));
  if (layer.input_count() == 2) return layer.refuse("how often it repeats is computed");
  VP_ASSIGN_OR_RETURN(const std::vector<std::int64_t> times, layer.params().read_ints(1));
  const Blob x = restore_sequence(layer, layer.input(0));
  const auto rank = static_cast<std::size_t>(x.rank());
  const bool fits = std::all_of(times.begin(), times.end(), [](std::int64_t n) { return n > 0; });
  if (times.empty() || times.size() > rank || !fits) {
    return layer.refuse("how often it repeats does not fit its input's axes");
  }
  Tile tile;
  tile.multiples.assign(rank - times.size(), 1);
  tile.multiples.insert(tile.multiples.end(), times.begin(), times.end());
  return layer.finish(tile, {x.id}, x.axes);
}

Result<void> lower_sequence_repeat(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(const std::int64_t times, read_size(layer, layer.params(), 1));
  if (times <= 1) return layer.finish(Identity{}, layer.input_ids());
  if (layer.input(0).rank() != 5) return layer.refuse("its input is not of rank 5");
  const Blob x = restore_sequence(layer, layer.input(0));
  return layer.finish(Tile{{times, 1, 1, 1, 1}}, {x.id}, x.axes);
}

/// ConstantPaddingLayerParams { value 1, padAmounts 2 (two per axis: before, after), 3: pad to a
/// size }
Result<void> lower_constant_pad(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 2));
  if (layer.input_count() == 2) return layer.refuse("how much it pads is computed");
  Pad pad;
  VP_ASSIGN_OR_RETURN(pad.value, layer.params().read_float(1));
  VP_ASSIGN_OR_RETURN(const std::vector<std::int64_t> amounts, layer.params().read_ints(2));
  VP_ASSIGN_OR_RETURN(const bool to_size, layer.params().read_bool(3));
  if (to_size) return layer.refuse("it pads up to a size");
  const Blob x = restore_sequence(layer, layer.input(0));
  const auto fits = [](std::int64_t amount) { return amount >= 0 && amount < kMaxSize; };
  if (amounts.size() != 2 * static_cast<std::size_t>(x.rank()) ||
      !std::all_of(amounts.begin(), amounts.end(), fits)) {
    return layer.refuse("how much it pads does not fit its input's axes");
  }
  for (std::size_t i = 0; i < amounts.size(); ++i) {
    (i % 2 == 0 ? pad.before : pad.after).push_back(amounts[i]);
  }
  return layer.finish(pad, {x.id}, x.axes);
}

}  // namespace visionpress::coreml
