#include <algorithm>
#include <limits>
#include <numeric>

#include "base/error.h"
#include "formats/tflite/tflite_codes.h"
#include "formats/tflite/tflite_node_builder.h"

namespace visionpress::tflite {
namespace {

std::vector<std::int64_t> widen(const std::vector<int>& values) {
  return {values.begin(), values.end()};
}

}  // namespace

void NodeBuilder::add_reshape(FileTensor x, const Shape& target, FileTensor y) {
  std::vector<std::int32_t> sizes;
  for (const std::int64_t size : target) sizes.push_back(narrow(size));
  const auto table = tfl::CreateReshapeOptions(builder(), builder().CreateVector(sizes));
  const FileTensor wanted = model_.add_integers(target, {static_cast<std::int64_t>(target.size())});
  model_.add_operator(Code::RESHAPE, 1, {x, wanted}, {y},
                      options(tfl::BuiltinOptions::ReshapeOptions, table));
}

void NodeBuilder::add_pad(const std::vector<std::int64_t>& pairs, float value, FileTensor x,
                          FileTensor y) {
  const auto rank = static_cast<std::int64_t>(pairs.size() / 2);
  const FileTensor sizes = model_.add_integers(pairs, {rank, 2});
  const int version = rank > 4 ? 3 : 1;
  if (value == 0.0F) {
    model_.add_operator(Code::PAD, version, {x, sizes}, {y},
                        options(tfl::BuiltinOptions::PadOptions, tfl::CreatePadOptions(builder())));
    return;
  }
  model_.add_operator(
      Code::PADV2, version, {x, sizes, model_.add_scalar(value)}, {y},
      options(tfl::BuiltinOptions::PadV2Options, tfl::CreatePadV2Options(builder())));
}

Result<void> NodeBuilder::operator()(const LocalResponseNorm& op) {
  const std::size_t rank = input_shape(0).size();
  if (rank != 4 || axis_in(op.axis, rank) != 3)
    return fail(ErrorKind::Unsupported, "TFLite normalizes the channels of images alone");
  const auto table = tfl::CreateLocalResponseNormalizationOptions(builder(), narrow(op.radius),
                                                                  op.bias, op.alpha, op.beta);
  model_.add_operator(Code::LOCAL_RESPONSE_NORMALIZATION, 1, {input(0)}, {output()},
                      options(tfl::BuiltinOptions::LocalResponseNormalizationOptions, table));
  return {};
}

Result<void> NodeBuilder::operator()(const Softmax& op) {
  const std::size_t rank = input_shape(0).size();
  if (axis_in(op.axis, rank) + 1 != static_cast<std::int64_t>(rank)) {
    return fail(ErrorKind::Unsupported, "its axis is {} of {}, TFLite has the last one", op.axis,
                rank);
  }
  model_.add_operator(
      Code::SOFTMAX, 1, {input(0)}, {output()},
      options(tfl::BuiltinOptions::SoftmaxOptions, tfl::CreateSoftmaxOptions(builder(), op.beta)));
  return {};
}

Result<void> NodeBuilder::operator()(const Concat& op) {
  VP_RETURN_IF_ERROR(check_inputs(node_.inputs.size()));
  std::vector<FileTensor> inputs;
  for (std::size_t slot = 0; slot < node_.inputs.size(); ++slot) inputs.push_back(input(slot));
  const std::int64_t axis = axis_in(op.axis, output_shape().size());
  const auto table =
      tfl::CreateConcatenationOptions(builder(), narrow(axis), activation_of(op.activation));
  model_.add_operator(Code::CONCATENATION, 1, inputs, {output()},
                      options(tfl::BuiltinOptions::ConcatenationOptions, table));
  return {};
}

Result<void> NodeBuilder::operator()(const Reshape& op) {
  add_reshape(input(0), op.zero_keeps ? output_shape() : op.target, output());
  return {};
}

Result<void> NodeBuilder::operator()(const Squeeze& /*op*/) {
  add_reshape(input(0), output_shape(), output());
  return {};
}

Result<void> NodeBuilder::operator()(const ExpandDims& /*op*/) {
  add_reshape(input(0), output_shape(), output());
  return {};
}

Result<void> NodeBuilder::operator()(const Transpose& op) {
  const auto rank = static_cast<std::int64_t>(op.permutation.size());
  model_.add_operator(
      Code::TRANSPOSE, rank > 4 ? 4 : 1,
      {input(0), model_.add_integers(widen(op.permutation), {rank})}, {output()},
      options(tfl::BuiltinOptions::TransposeOptions, tfl::CreateTransposeOptions(builder())));
  return {};
}

Result<void> NodeBuilder::operator()(const Pad& op) {
  std::vector<std::int64_t> pairs;
  for (std::size_t axis = 0; axis < op.before.size() && axis < op.after.size(); ++axis) {
    pairs.push_back(op.before[axis]);
    pairs.push_back(op.after[axis]);
  }
  if (std::any_of(pairs.begin(), pairs.end(), [](std::int64_t size) { return size < 0; })) {
    return fail(ErrorKind::Unsupported, "a padding is negative");
  }
  if (op.mode == PadMode::Replicate) {
    return fail(ErrorKind::Unsupported, "it repeats the border's pixels");
  }
  if (op.mode == PadMode::Constant) {
    add_pad(pairs, op.value, input(0), output());
    return {};
  }
  const auto rank = static_cast<std::int64_t>(pairs.size() / 2);
  const auto table = tfl::CreateMirrorPadOptions(builder(), op.mode == PadMode::Reflect
                                                                ? tfl::MirrorPadMode::REFLECT
                                                                : tfl::MirrorPadMode::SYMMETRIC);
  model_.add_operator(Code::MIRROR_PAD, 1, {input(0), model_.add_integers(pairs, {rank, 2})},
                      {output()}, options(tfl::BuiltinOptions::MirrorPadOptions, table));
  return {};
}

/// Converts begin and end to positions in this shape first, because TFLite counts from the front
/// here.
Result<void> NodeBuilder::operator()(const Slice& op) {
  const Shape in = input_shape(0);
  const std::size_t rank = in.size();
  if (op.begin.size() != rank || op.end.size() != rank || op.stride.size() != rank) {
    return fail(ErrorKind::Malformed, "{} begins for {} axes", op.begin.size(), rank);
  }
  const bool plain =
      op.squeeze_axes.empty() && std::all_of(op.stride.begin(), op.stride.end(),
                                             [](std::int64_t stride) { return stride == 1; });
  if (!plain) return build_strided_slice(op, in);
  const auto place = [&](std::int64_t at, std::size_t axis) {
    return std::clamp<std::int64_t>(at < 0 ? at + in[axis] : at, 0, in[axis]);
  };
  std::vector<std::int64_t> begin;
  std::vector<std::int64_t> size;
  for (std::size_t axis = 0; axis < rank; ++axis) {
    begin.push_back(place(op.begin[axis], axis));
    size.push_back(std::max<std::int64_t>(place(op.end[axis], axis) - begin.back(), 0));
  }
  const Shape vector = {static_cast<std::int64_t>(rank)};
  model_.add_operator(
      Code::SLICE, rank > 4 ? 5 : 1,
      {input(0), model_.add_integers(begin, vector), model_.add_integers(size, vector)}, {output()},
      options(tfl::BuiltinOptions::SliceOptions, tfl::CreateSliceOptions(builder())));
  return {};
}

Result<void> NodeBuilder::build_strided_slice(const Slice& op, const Shape& in) {
  std::vector<std::int64_t> begin;
  std::vector<std::int64_t> end;
  std::int32_t shrunk = 0;
  for (std::size_t axis = 0; axis < in.size(); ++axis) {
    const auto place = [&](std::int64_t at) {
      return std::clamp<std::int64_t>(at < 0 ? at + in[axis] : at, 0, in[axis]);
    };
    begin.push_back(place(op.begin[axis]));
    end.push_back(place(op.end[axis]));
  }
  for (const int axis : op.squeeze_axes) {
    if (axis < 0 || axis >= 31) return fail(ErrorKind::Malformed, "squeezed axis {}", axis);
    shrunk |= std::int32_t{1} << axis;
  }
  const Shape vector = {static_cast<std::int64_t>(in.size())};
  const auto table = tfl::CreateStridedSliceOptions(builder(), 0, 0, 0, 0, shrunk);
  model_.add_operator(Code::STRIDED_SLICE, in.size() > 4 ? 4 : 1,
                      {input(0), model_.add_integers(begin, vector),
                       model_.add_integers(end, vector), model_.add_integers(op.stride, vector)},
                      {output()}, options(tfl::BuiltinOptions::StridedSliceOptions, table));
  return {};
}

Result<void> NodeBuilder::operator()(const Split& op) {
  std::vector<FileTensor> outputs;
  for (std::size_t i = 0; i < node_.outputs.size(); ++i) outputs.push_back(output(i));
  const FileTensor axis = model_.add_integers({axis_in(op.axis, input_shape(0).size())}, {});
  const auto count = static_cast<std::int32_t>(node_.outputs.size());
  if (op.sizes.empty()) {
    model_.add_operator(
        Code::SPLIT, 1, {axis, input(0)}, outputs,
        options(tfl::BuiltinOptions::SplitOptions, tfl::CreateSplitOptions(builder(), count)));
    return {};
  }
  const FileTensor sizes = model_.add_integers(op.sizes, {std::ssize(op.sizes)});
  model_.add_operator(
      Code::SPLIT_V, 1, {input(0), sizes, axis}, outputs,
      options(tfl::BuiltinOptions::SplitVOptions, tfl::CreateSplitVOptions(builder(), count)));
  return {};
}

Result<void> NodeBuilder::operator()(const Resize& op) {
  const Shape out = output_shape();
  if (out.size() != 4) return fail(ErrorKind::Malformed, "result of shape {}", to_string(out));
  if (op.grid == ResizeGrid::AlignCornersCentered || op.grid == ResizeGrid::RoiAlign) {
    return fail(ErrorKind::Unsupported, "its grid of sample points is none of TFLite's");
  }
  const bool align = op.grid == ResizeGrid::AlignCorners;
  const bool half = op.grid == ResizeGrid::HalfPixel;
  const FileTensor size = model_.add_integers({out[1], out[2]}, {2});
  if (op.kind == ResizeKind::Bilinear) {
    const auto table = tfl::CreateResizeBilinearOptions(builder(), 0, 0, align, half);
    model_.add_operator(Code::RESIZE_BILINEAR, half ? 3 : 1, {input(0), size}, {output()},
                        options(tfl::BuiltinOptions::ResizeBilinearOptions, table));
    return {};
  }
  const auto table = tfl::CreateResizeNearestNeighborOptions(builder(), align, half);
  model_.add_operator(Code::RESIZE_NEAREST_NEIGHBOR, align || half ? 3 : 1, {input(0), size},
                      {output()},
                      options(tfl::BuiltinOptions::ResizeNearestNeighborOptions, table));
  return {};
}

/// TFLite's operator gives integers and drops the axis; further operators restore the type and the
/// axis if the graph needs them.
void NodeBuilder::build_arg_reduce(const Reduce& op, std::int64_t axis) {
  const tfl::TensorType type = model_.type_of(node_.outputs[0]);
  const auto index_type = type == tfl::TensorType::INT64 ? type : tfl::TensorType::INT32;
  Shape dropped = input_shape(0);
  dropped.erase(dropped.begin() + static_cast<std::ptrdiff_t>(axis));
  const bool plain = type == index_type && !op.keep_dims;
  FileTensor index =
      plain ? output() : model_.add_value(node_.name + "/index", dropped, index_type);
  const auto stored = static_cast<std::int8_t>(index_type);
  const bool maximum = op.kind == ReduceKind::ArgMax;
  const NewOptions table = maximum ? options(tfl::BuiltinOptions::ArgMaxOptions,
                                             tfl::CreateArgMaxOptions(builder(), stored))
                                   : options(tfl::BuiltinOptions::ArgMinOptions,
                                             tfl::CreateArgMinOptions(builder(), stored));
  model_.add_operator(maximum ? Code::ARG_MAX : Code::ARG_MIN, 1,
                      {input(0), model_.add_integers({axis}, {})}, {index}, table);
  if (type != index_type) {
    const FileTensor cast = op.keep_dims ? intermediate("cast", dropped) : output();
    model_.add_operator(Code::CAST, 1, {index}, {cast});
    index = cast;
  }
  if (op.keep_dims) add_reshape(index, output_shape(), output());
}

Result<void> NodeBuilder::operator()(const Reduce& op) {
  const std::size_t rank = input_shape(0).size();
  std::vector<std::int64_t> axes;
  for (const int axis : op.axes) axes.push_back(axis_in(axis, rank));
  if (axes.empty()) {
    axes.resize(rank);
    std::iota(axes.begin(), axes.end(), std::int64_t{0});
  }
  if (op.kind == ReduceKind::ArgMax || op.kind == ReduceKind::ArgMin) {
    if (axes.size() != 1) return fail(ErrorKind::Unsupported, "it has {} axes", axes.size());
    build_arg_reduce(op, axes[0]);
    return {};
  }
  auto code = find_reduce_code(op.kind);
  if (!code) return fail(ErrorKind::Unsupported, "TFLite has no such reduction");
  if (model_.type_of(node_.outputs[0]) == tfl::TensorType::BOOL) {
    if (op.kind == ReduceKind::Maximum) code = Code::REDUCE_ANY;
    if (op.kind == ReduceKind::Minimum) code = Code::REDUCE_ALL;
  }
  const FileTensor axis_tensor =
      model_.add_integers(axes, {static_cast<std::int64_t>(axes.size())});
  model_.add_operator(*code, 1, {input(0), axis_tensor}, {output()},
                      options(tfl::BuiltinOptions::ReducerOptions,
                              tfl::CreateReducerOptions(builder(), op.keep_dims)));
  return {};
}

Result<void> NodeBuilder::operator()(const SpaceDepth& op) {
  if (op.kind == SpaceDepthKind::PixelShuffle)
    return fail(ErrorKind::Unsupported, "TFLite has no such order of channels");
  if (op.kind == SpaceDepthKind::SpaceToDepth) {
    model_.add_operator(Code::SPACE_TO_DEPTH, 1, {input(0)}, {output()},
                        options(tfl::BuiltinOptions::SpaceToDepthOptions,
                                tfl::CreateSpaceToDepthOptions(builder(), narrow(op.block))));
  } else {
    model_.add_operator(Code::DEPTH_TO_SPACE, 1, {input(0)}, {output()},
                        options(tfl::BuiltinOptions::DepthToSpaceOptions,
                                tfl::CreateDepthToSpaceOptions(builder(), narrow(op.block))));
  }
  return {};
}

/// TFLite needs one block per axis between the batch and the channels; a block of 1 leaves an axis
/// unchanged.
Result<void> NodeBuilder::operator()(const SpaceBatch& op) {
  const std::size_t rank = input_shape(0).size();
  if ((rank != 3 && rank != 4) || op.block.size() > rank - 2) {
    return fail(ErrorKind::Unsupported, "TFLite has no blocks of {} axes in {}", op.block.size(),
                to_string(input_shape(0)));
  }
  std::vector<std::int64_t> block = op.block;
  std::vector<std::int64_t> pairs;
  for (std::size_t i = 0; i < block.size(); ++i) {
    pairs.push_back(op.before[i]);
    pairs.push_back(op.after[i]);
  }
  block.resize(rank - 2, 1);
  pairs.resize(2 * block.size(), 0);
  const bool to_batch = op.kind == SpaceBatchKind::SpaceToBatch;
  const std::int64_t axes = std::ssize(block);
  model_.add_operator(
      to_batch ? Code::SPACE_TO_BATCH_ND : Code::BATCH_TO_SPACE_ND, rank == 4 ? 1 : 3,
      {input(0), model_.add_integers(block, {axes}), model_.add_integers(pairs, {axes, 2})},
      {output()},
      to_batch ? options(tfl::BuiltinOptions::SpaceToBatchNDOptions,
                         tfl::CreateSpaceToBatchNDOptions(builder()))
               : options(tfl::BuiltinOptions::BatchToSpaceNDOptions,
                         tfl::CreateBatchToSpaceNDOptions(builder())));
  return {};
}

Result<void> NodeBuilder::operator()(const Tile& op) {
  const auto rank = static_cast<std::int64_t>(op.multiples.size());
  model_.add_operator(Code::TILE, 1, {input(0), model_.add_integers(op.multiples, {rank})},
                      {output()},
                      options(tfl::BuiltinOptions::TileOptions, tfl::CreateTileOptions(builder())));
  return {};
}

Result<void> NodeBuilder::operator()(const ShapeOf& /*op*/) {
  const auto type = static_cast<std::int8_t>(model_.type_of(node_.outputs[0]));
  model_.add_operator(
      Code::SHAPE, 1, {input(0)}, {output()},
      options(tfl::BuiltinOptions::ShapeOptions, tfl::CreateShapeOptions(builder(), type)));
  return {};
}

Result<void> NodeBuilder::operator()(const TakeRows& /*op*/) {
  VP_RETURN_IF_ERROR(check_inputs(2));
  const auto rank = static_cast<std::int64_t>(input_shape(0).size());
  const FileTensor begin = model_.add_integers(Shape(input_shape(0).size(), 0), {rank});
  model_.add_operator(
      Code::SLICE, rank > 4 ? 5 : 1, {input(0), begin, input(1)}, {output()},
      options(tfl::BuiltinOptions::SliceOptions, tfl::CreateSliceOptions(builder())));
  return {};
}

/// NON_MAX_SUPPRESSION always pads its results to the maximum and gives the count. If the graph
/// needs only the chosen boxes, a SLICE of that count follows.
Result<void> NodeBuilder::operator()(const NonMaxSuppression& op) {
  VP_RETURN_IF_ERROR(check_inputs(2));
  if (op.max_outputs < 1) return fail(ErrorKind::Unsupported, "it gives {} boxes", op.max_outputs);
  const auto index = tfl::TensorType::INT32;
  const Shape padded = {op.max_outputs};
  const bool has_count = node_.outputs.size() > 1;
  const FileTensor chosen =
      op.pad ? output() : model_.add_value(node_.name + "/padded", padded, index);
  const FileTensor count =
      has_count ? output(1) : model_.add_value(node_.name + "/count", {}, index);
  const float score =
      op.has_score_threshold ? op.score_threshold : std::numeric_limits<float>::lowest();
  std::vector<FileTensor> inputs = {input(0), input(1), model_.add_integers({op.max_outputs}, {}),
                                    model_.add_scalar(op.iou_threshold), model_.add_scalar(score)};
  if (node_.outputs.size() > 2) {
    if (!op.pad) return fail(ErrorKind::Unsupported, "it gives scores and is not padded");
    inputs.push_back(model_.add_scalar(0.0F));
    model_.add_operator(Code::NON_MAX_SUPPRESSION_V5, 1, inputs, {chosen, output(2), count},
                        options(tfl::BuiltinOptions::NonMaxSuppressionV5Options,
                                tfl::CreateNonMaxSuppressionV5Options(builder())));
    return {};
  }
  model_.add_operator(Code::NON_MAX_SUPPRESSION_V4, 1, inputs, {chosen, count},
                      options(tfl::BuiltinOptions::NonMaxSuppressionV4Options,
                              tfl::CreateNonMaxSuppressionV4Options(builder())));
  if (op.pad) return {};
  const FileTensor size = model_.add_value(node_.name + "/size", {1}, index);
  add_reshape(count, {1}, size);
  model_.add_operator(
      Code::SLICE, 1, {chosen, model_.add_integers({0}, {1}), size}, {output()},
      options(tfl::BuiltinOptions::SliceOptions, tfl::CreateSliceOptions(builder())));
  return {};
}

Result<void> NodeBuilder::operator()(const TopK& op) {
  if (node_.outputs.size() != 2) {
    return fail(ErrorKind::Malformed, "it has {} outputs, not 2", node_.outputs.size());
  }
  if (op.k < 0 || op.is_smallest)
    return fail(ErrorKind::Unsupported, "TFLite takes a number of the largest");
  model_.add_operator(
      Code::TOPK_V2, 1, {input(0), model_.add_integers({op.k}, {})}, {output(0), output(1)},
      options(tfl::BuiltinOptions::TopKV2Options, tfl::CreateTopKV2Options(builder())));
  return {};
}

}  // namespace visionpress::tflite
