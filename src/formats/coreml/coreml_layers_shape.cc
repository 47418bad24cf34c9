#include <algorithm>

#include "base/error.h"
#include "formats/coreml/coreml_layers.h"

namespace visionpress::coreml {
namespace {

constexpr std::size_t kManyInputs = 1U << 16;
constexpr const char* kNoImage = "its input is no image";
constexpr const char* kSequence = "it works along the sequence axis";

/// An axis of a blob of `rank` as an axis of its tensor in the graph, which has no sequence axis;
/// nothing when it is that axis, or outside.
std::optional<int> find_axis(std::int64_t axis, int rank) {
  if (axis < 0) axis += rank;
  if (axis < 0 || axis >= rank) return std::nullopt;
  if (rank == 5) --axis;
  if (axis < 0) return std::nullopt;
  return static_cast<int>(axis);
}

Result<void> finish_channels_last(LayerBuilder& layer, const Shape& reshaped,
                                  bool to_channels_first) {
  const TensorId moved = layer.add_inner_node(Transpose{{0, 2, 3, 1}}, {layer.input(0).id});
  if (!to_channels_first) return layer.finish(Reshape{reshaped}, {moved});
  const TensorId flat = layer.add_inner_node(Reshape{reshaped}, {moved});
  return layer.finish(Transpose{{0, 3, 1, 2}}, {flat});
}

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

Result<void> fail_target(const LayerBuilder& layer, const Shape& target) {
  return fail_at(ErrorKind::Malformed, layer.params().offset(), "{}: target shape {}", layer.path(),
                 to_string(target));
}

Result<void> finish_concat(LayerBuilder& layer, int axis) {
  if (layer.input_count() == 1) return layer.finish(Identity{}, layer.input_ids());
  return layer.finish(Concat{axis}, layer.input_ids());
}

}  // namespace

Result<void> lower_softmax(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  return layer.finish(Softmax{-3}, {layer.input(0).id});
}

Result<void> lower_softmax_nd(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(const std::int64_t axis, layer.params().read_int(1));
  const std::optional<int> found = find_axis(axis, layer.input(0).rank);
  if (!found) return layer.refuse(kSequence);
  return layer.finish(Softmax{*found}, {layer.input(0).id});
}

Result<void> lower_concat(LayerBuilder& layer) {
  constexpr std::uint32_t kSequenceConcat = 100;
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, kManyInputs));
  VP_ASSIGN_OR_RETURN(const bool sequence, layer.params().read_bool(kSequenceConcat));
  if (sequence) return layer.refuse(kSequence);
  const std::optional<int> axis = find_axis(-3, layer.input(0).rank);
  if (!axis) return layer.refuse(kNoImage);
  return finish_concat(layer, *axis);
}

Result<void> lower_concat_nd(LayerBuilder& layer) {
  constexpr std::uint32_t kInterleave = 2;
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, kManyInputs));
  VP_ASSIGN_OR_RETURN(const std::int64_t axis, layer.params().read_int(1));
  VP_ASSIGN_OR_RETURN(const bool interleave, layer.params().read_bool(kInterleave));
  if (interleave) return layer.refuse("it interleaves its inputs");
  const std::optional<int> found = find_axis(axis, layer.input(0).rank);
  if (!found) return layer.refuse(kSequence);
  return finish_concat(layer, *found);
}

Result<void> lower_flatten(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(const std::uint64_t mode, layer.params().read_uint(1));
  if (!is_image_rank(layer.input(0).rank)) return layer.refuse(kNoImage);
  const Shape target = {1, -1, 1, 1};
  if (mode == 0) return layer.finish(Reshape{target}, {layer.input(0).id});
  return finish_channels_last(layer, target, false);
}

Result<void> lower_reshape(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(Shape target, layer.params().read_ints(1));
  VP_ASSIGN_OR_RETURN(const std::uint64_t mode, layer.params().read_uint(2));
  if (target.size() == 4) {
    if (target[0] != 1) return layer.refuse(kSequence);
    target.erase(target.begin());
  }
  if (target.size() != 3 || !is_reshape_target(target)) return fail_target(layer, target);
  if (layer.input(0).rank != 5) return layer.refuse("its input is not of rank 5");
  if (mode == 0) {
    return layer.finish(Reshape{{1, target[0], target[1], target[2]}}, {layer.input(0).id});
  }
  return finish_channels_last(layer, {1, target[1], target[2], target[0]}, true);
}

Result<void> lower_reshape_static(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(Shape target, layer.params().read_ints(1));
  const auto rank = static_cast<int>(target.size());
  if (rank < 1 || rank > 5 || !is_reshape_target(target)) return fail_target(layer, target);
  if (rank == 5) {
    if (target[0] != 1) return layer.refuse(kSequence);
    target.erase(target.begin());
  }
  return layer.finish(Reshape{target}, {layer.input(0).id}, rank);
}

Result<void> lower_permute(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(std::vector<std::int64_t> axes, layer.params().read_ints(1));
  if (axes.empty()) axes = {0, 1, 2, 3};
  std::vector<std::int64_t> sorted = axes;
  std::sort(sorted.begin(), sorted.end());
  if (sorted != std::vector<std::int64_t>{0, 1, 2, 3}) {
    return fail_at(ErrorKind::Malformed, layer.params().offset(),
                   "{}: axes {} are no permutation of 0..3", layer.path(), to_string(axes));
  }
  if (axes[0] != 0) return layer.refuse(kSequence);
  if (layer.input(0).rank != 5) return layer.refuse("its input is not of rank 5");
  // The axes are those of [Seq,C,H,W]; Seq and the batch are both 1 and lie outermost.
  Transpose transpose;
  for (const std::int64_t axis : axes) transpose.permutation.push_back(static_cast<int>(axis));
  return layer.finish(transpose, {layer.input(0).id});
}

Result<void> lower_transpose(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(const std::vector<std::int64_t> axes, layer.params().read_ints(1));
  const int rank = layer.input(0).rank;
  Transpose transpose;
  std::vector<bool> used(static_cast<std::size_t>(rank), false);
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const std::int64_t axis = axes[i] < 0 ? axes[i] + rank : axes[i];
    if (axes.size() != used.size() || axis < 0 || axis >= rank ||
        used[static_cast<std::size_t>(axis)]) {
      return fail_at(ErrorKind::Malformed, layer.params().offset(),
                     "{}: axes {} are no permutation of the {} there are", layer.path(),
                     to_string(axes), rank);
    }
    used[static_cast<std::size_t>(axis)] = true;
    if (rank == 5 && (i == 0) != (axis == 0)) return layer.refuse(kSequence);
    if (rank == 5 && i == 0) continue;
    transpose.permutation.push_back(static_cast<int>(rank == 5 ? axis - 1 : axis));
  }
  return layer.finish(transpose, {layer.input(0).id});
}

Result<void> lower_squeeze(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(const std::vector<std::int64_t> axes, layer.params().read_ints(1));
  VP_ASSIGN_OR_RETURN(const bool all, layer.params().read_bool(2));
  const int rank = layer.input(0).rank;
  if (all) return layer.refuse("its result's rank is known at run time only");
  Squeeze squeeze;
  bool drops_sequence = false;
  for (const std::int64_t axis : axes) {
    const std::int64_t counted = axis < 0 ? axis + rank : axis;
    if (rank == 5 && counted == 0) {
      drops_sequence = true;
      continue;
    }
    const std::optional<int> found = find_axis(axis, rank);
    if (!found) {
      return fail_at(ErrorKind::Malformed, layer.params().offset(), "{}: axis {} of rank {}",
                     layer.path(), axis, rank);
    }
    squeeze.axes.push_back(*found);
  }
  if (rank == 5 && !drops_sequence) return layer.refuse(kSequence);
  const int left = rank - static_cast<int>(axes.size());
  if (left < 1) return layer.refuse("it leaves no axis");
  if (squeeze.axes.empty()) return layer.finish(Identity{}, {layer.input(0).id}, left);
  return layer.finish(squeeze, {layer.input(0).id}, left);
}

Result<void> lower_expand_dims(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(const std::vector<std::int64_t> axes, layer.params().read_ints(1));
  const std::int64_t rank = layer.input(0).rank + static_cast<std::int64_t>(axes.size());
  if (rank > 5 || axes.empty()) return layer.refuse("its result has more than five axes");
  ExpandDims expand;
  bool adds_sequence = false;
  for (const std::int64_t axis : axes) {
    const std::int64_t counted = axis < 0 ? axis + rank : axis;
    if (counted < 0 || counted >= rank) {
      return fail_at(ErrorKind::Malformed, layer.params().offset(), "{}: axis {} of rank {}",
                     layer.path(), axis, rank);
    }
    if (rank == 5 && counted == 0) {
      adds_sequence = true;
      continue;
    }
    expand.axes.push_back(static_cast<int>(rank == 5 ? counted - 1 : counted));
  }
  if (rank == 5 && !adds_sequence) return layer.refuse(kSequence);
  if (expand.axes.empty()) {
    return layer.finish(Identity{}, {layer.input(0).id}, static_cast<int>(rank));
  }
  return layer.finish(expand, {layer.input(0).id}, static_cast<int>(rank));
}

Result<void> lower_slice(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  const ProtobufMessage& params = layer.params();
  VP_ASSIGN_OR_RETURN(const std::int64_t begin, params.read_int(1));
  VP_ASSIGN_OR_RETURN(const std::int64_t end, params.read_int(2));
  VP_ASSIGN_OR_RETURN(std::int64_t stride, read_size(layer, params, 3));
  VP_ASSIGN_OR_RETURN(const std::uint64_t axis, params.read_uint(4));
  if (!is_image_rank(layer.input(0).rank)) return layer.refuse(kNoImage);
  if (axis > 2 || stride == 0) {
    return fail_at(ErrorKind::Malformed, params.offset(), "{}: stride {} along axis {}",
                   layer.path(), stride, axis);
  }
  constexpr std::int64_t kToTheEnd = std::int64_t{1} << 31;
  Slice slice{{0, 0, 0, 0}, {kToTheEnd, kToTheEnd, kToTheEnd, kToTheEnd}, {1, 1, 1, 1}, {}};
  slice.begin[1 + axis] = std::clamp(begin, -kToTheEnd, kToTheEnd);
  slice.end[1 + axis] = std::clamp(end, -kToTheEnd, kToTheEnd);
  slice.stride[1 + axis] = stride;
  return layer.finish(slice, {layer.input(0).id});
}

Result<void> lower_split(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(const std::int64_t count, read_size(layer, layer.params(), 1));
  if (static_cast<std::uint64_t>(count) != layer.output_count() || count == 0) {
    return fail_at(ErrorKind::Malformed, layer.params().offset(),
                   "{}: {} outputs, nOutputs says {}", layer.path(), layer.output_count(), count);
  }
  if (!is_image_rank(layer.input(0).rank)) return layer.refuse(kNoImage);
  return layer.finish(Split{1}, {layer.input(0).id});
}

Result<void> lower_reduce(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  const ProtobufMessage& params = layer.params();
  VP_ASSIGN_OR_RETURN(const std::uint64_t mode, params.read_uint(1));
  VP_ASSIGN_OR_RETURN(float epsilon, params.read_float(2));
  VP_ASSIGN_OR_RETURN(const std::uint64_t axis, params.read_uint(3));
  constexpr std::array<ReduceKind, 10> kKinds = {
      ReduceKind::Sum,          ReduceKind::Mean,  ReduceKind::Product, ReduceKind::LogSum,
      ReduceKind::SumOfSquares, ReduceKind::L1,    ReduceKind::L2,      ReduceKind::Maximum,
      ReduceKind::Minimum,      ReduceKind::ArgMax};
  const std::array<std::vector<int>, 5> axes = {{{-3, -2, -1}, {-2, -1}, {-3}, {-2}, {-1}}};
  if (mode >= kKinds.size()) return layer.refuse(fmt::format("reduction {} is unknown", mode));
  if (axis >= axes.size()) return layer.refuse(fmt::format("reduction axis {} is unknown", axis));
  Reduce reduce;
  reduce.kind = kKinds[mode];
  reduce.axes = axes[axis];
  reduce.epsilon = reduce.kind != ReduceKind::LogSum ? 0.0F : epsilon == 0.0F ? 1e-6F : epsilon;
  if (reduce.kind == ReduceKind::ArgMax && reduce.axes.size() > 1) {
    return fail_at(ErrorKind::Malformed, params.offset(), "{}: argmax over several axes",
                   layer.path());
  }
  return layer.finish(reduce, {layer.input(0).id});
}

}  // namespace visionpress::coreml
