#include <algorithm>
#include <array>

#include "base/error.h"
#include "formats/tflite/tflite_operands.h"

namespace visionpress::tflite {
namespace {

using Code = tfl::BuiltinOperator;

PoolKind pool_kind(Code code) {
  if (code == Code::AVERAGE_POOL_2D) return PoolKind::Average;
  return code == Code::L2_POOL_2D ? PoolKind::L2 : PoolKind::Max;
}

/// Height and width of a RESIZE; if they are computed, the sizes that the file states for the
/// result.
std::optional<std::array<std::int64_t, 2>> find_plane(const TfliteOperator& source) {
  const Tensor* wanted = find_input(source, 1);
  if (const auto size = find_integers(wanted)) {
    if (size->size() != 2) return std::nullopt;
    return std::array{(*size)[0], (*size)[1]};
  }
  const Shape stated = stated_shape(source);
  if (wanted->is_constant() || stated.size() != 4 || stated[1] < 0 || stated[2] < 0)
    return std::nullopt;
  return std::array{stated[1], stated[2]};
}

}  // namespace

Lowered lower_pool(const TfliteOperator& source) {
  VP_RETURN_IF_ERROR(check_input_count(source, 1));
  VP_RETURN_IF_ERROR(check_image(source, 0));
  const auto* options = source.table.builtin_options_as_Pool2DOptions();
  if (options == nullptr) return missing_options(source);
  VP_RETURN_IF_ERROR(
      check_positive(source, "stride", std::min(options->stride_h(), options->stride_w())));
  VP_RETURN_IF_ERROR(check_positive(source, "filter size",
                                    std::min(options->filter_height(), options->filter_width())));
  const auto activation = find_activation(options->activation());
  const bool moves_kernel = has_codes(source) && is_passed_over(options->activation());
  if (!activation || moves_kernel)
    return unsupported(source, activation_reason(options->activation()));
  Pool2d pool;
  pool.kind = pool_kind(source.code);
  pool.kernel = {options->filter_height(), options->filter_width()};
  pool.stride = {options->stride_h(), options->stride_w()};
  pool.padding = padding_of(options->padding());
  pool.activation = *activation;
  return lowered(pool, {source.inputs[0]});
}

Lowered lower_local_response_norm(const TfliteOperator& source) {
  VP_RETURN_IF_ERROR(check_operand_counts(source, 1, 1));
  VP_RETURN_IF_ERROR(check_image(source, 0));
  const auto* options = source.table.builtin_options_as_LocalResponseNormalizationOptions();
  if (options == nullptr) return missing_options(source);
  if (options->radius() < 0) {
    return fail(ErrorKind::Malformed, "{}: {} has radius {}, expected 0 or more", source.path,
                source.type, options->radius());
  }
  return lowered(
      LocalResponseNorm{-1, options->radius(), options->bias(), options->alpha(), options->beta()},
      source.inputs);
}

Lowered lower_pad(const TfliteOperator& source) {
  VP_RETURN_IF_ERROR(check_input_count(source, 2));
  const auto sizes = find_integers(find_input(source, 1));
  if (!sizes) return unsupported(source, "its paddings are computed");
  const std::size_t rank = find_input(source, 0)->shape.size();
  if (sizes->size() != 2 * rank) {
    return fail(ErrorKind::Malformed, "{}: {} has {} paddings, its input has {} axes", source.path,
                source.type, sizes->size(), rank);
  }
  Pad pad;
  for (std::size_t axis = 0; axis < rank; ++axis) {
    pad.before.push_back((*sizes)[2 * axis]);
    pad.after.push_back((*sizes)[2 * axis + 1]);
    if (std::min(pad.before.back(), pad.after.back()) < 0) {
      return fail(ErrorKind::Malformed, "{}: {} has a negative padding of axis {}", source.path,
                  source.type, axis);
    }
  }
  if (source.code == Code::MIRROR_PAD) {
    const auto* options = source.table.builtin_options_as_MirrorPadOptions();
    if (options == nullptr) return missing_options(source);
    pad.mode =
        options->mode() == tfl::MirrorPadMode::REFLECT ? PadMode::Reflect : PadMode::Symmetric;
  }
  if (source.code == Code::PADV2) {
    const auto value = find_real(source, 2);
    if (!value) return unsupported(source, "its padding value is no constant number");
    pad.value = *value;
  }
  return lowered(pad, {source.inputs[0]});
}

Lowered lower_resize(const TfliteOperator& source) {
  VP_RETURN_IF_ERROR(check_input_count(source, 2));
  VP_RETURN_IF_ERROR(check_image(source, 0));
  const auto size = find_plane(source);
  if (!size) return unsupported(source, "its size is computed");
  VP_RETURN_IF_ERROR(check_positive(source, "size", std::min((*size)[0], (*size)[1])));
  bool align_corners = false;
  bool half_pixel = false;
  if (const auto* bilinear = source.table.builtin_options_as_ResizeBilinearOptions()) {
    align_corners = bilinear->align_corners();
    half_pixel = bilinear->half_pixel_centers();
  }
  if (const auto* nearest = source.table.builtin_options_as_ResizeNearestNeighborOptions()) {
    align_corners = nearest->align_corners();
    half_pixel = nearest->half_pixel_centers();
    if (align_corners && half_pixel) {
      return unsupported(source, "it has half-pixel centers beside aligned corners");
    }
  }
  Resize resize;
  resize.kind = source.code == Code::RESIZE_BILINEAR ? ResizeKind::Bilinear : ResizeKind::Nearest;
  resize.size = *size;
  if (half_pixel) resize.grid = ResizeGrid::HalfPixel;
  if (align_corners) resize.grid = ResizeGrid::AlignCorners;
  return lowered(resize, {source.inputs[0]});
}

Lowered lower_space_depth(const TfliteOperator& source) {
  VP_RETURN_IF_ERROR(check_input_count(source, 1));
  VP_RETURN_IF_ERROR(check_image(source, 0));
  std::int64_t block = 0;
  SpaceDepth space;
  if (const auto* to_depth = source.table.builtin_options_as_SpaceToDepthOptions()) {
    space.kind = SpaceDepthKind::SpaceToDepth;
    block = to_depth->block_size();
  } else if (const auto* to_space = source.table.builtin_options_as_DepthToSpaceOptions()) {
    block = to_space->block_size();
  } else {
    return missing_options(source);
  }
  VP_RETURN_IF_ERROR(check_positive(source, "block size", block));
  space.block = block;
  return lowered(space, {source.inputs[0]});
}

/// There must be one block per axis between the batch and the channels, as in the runtime.
Lowered lower_space_batch(const TfliteOperator& source) {
  VP_RETURN_IF_ERROR(check_operand_counts(source, 3, 1));
  const auto block = find_integers(find_input(source, 1));
  const auto pairs = find_integers(find_input(source, 2));
  if (!block || !pairs) return unsupported(source, "its blocks are computed");
  const std::size_t rank = find_input(source, 0)->shape.size();
  const bool is_image = rank == 3 || rank == 4;
  const bool fits = is_image && block->size() == rank - 2 && pairs->size() == 2 * block->size() &&
                    std::ranges::all_of(*block, [](std::int64_t size) { return size >= 1; }) &&
                    std::ranges::all_of(*pairs, [](std::int64_t size) { return size >= 0; });
  if (!fits) {
    return fail(ErrorKind::Malformed, "{}: {} has blocks of {} with {} for {}", source.path,
                source.type, to_string(*block), to_string(*pairs),
                to_string(find_input(source, 0)->shape));
  }
  SpaceBatch op;
  if (source.code == Code::BATCH_TO_SPACE_ND) op.kind = SpaceBatchKind::BatchToSpace;
  op.block = *block;
  for (std::size_t i = 0; i < pairs->size(); i += 2) {
    op.before.push_back((*pairs)[i]);
    op.after.push_back((*pairs)[i + 1]);
  }
  return lowered(op, {source.inputs[0]});
}

}  // namespace visionpress::tflite
