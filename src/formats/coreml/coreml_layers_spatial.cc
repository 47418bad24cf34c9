#include "base/error.h"
#include "formats/coreml/coreml_layers.h"

namespace visionpress::coreml {
namespace {

Result<std::int64_t> check_size(const LayerBuilder& layer, const ProtobufMessage& message,
                                std::uint64_t size) {
  if (size <= static_cast<std::uint64_t>(kMaxSize)) return static_cast<std::int64_t>(size);
  return fail_at(ErrorKind::Malformed, message.offset(), "{}: a size of {} is out of range",
                 layer.path(), size);
}

// PoolingLayerParams
constexpr std::uint32_t kPoolType = 1;
constexpr std::uint32_t kPoolKernelSize = 10;
constexpr std::uint32_t kPoolStride = 20;
constexpr std::uint32_t kPoolValid = 30;
constexpr std::uint32_t kPoolSame = 31;
constexpr std::uint32_t kPoolIncludeLastPixel = 32;
constexpr std::uint32_t kPoolExcludePadding = 50;
constexpr std::uint32_t kPoolGlobal = 60;

/// Reads the operator except its padding.
Result<Pool2d> read_pool(const LayerBuilder& layer, std::uint64_t type) {
  const ProtobufMessage& params = layer.params();
  Pool2d pool;
  pool.kind = type == 0 ? PoolKind::Max : type == 1 ? PoolKind::Average : PoolKind::L2Sum;
  VP_ASSIGN_OR_RETURN(const bool exclude, params.read_bool(kPoolExcludePadding));
  // source of L2: coremltools' test_pool.py, TestL2Pool (1, 2 -> 2.236068)
  pool.count_padding = pool.kind == PoolKind::Average && !exclude;
  VP_ASSIGN_OR_RETURN(pool.global, params.read_bool(kPoolGlobal));
  if (pool.global)
    return pool;  // a global pool ignores its kernel, which is often [0,0] in the file
  VP_ASSIGN_OR_RETURN(pool.kernel, read_pair(layer, params, kPoolKernelSize, 3));
  VP_ASSIGN_OR_RETURN(pool.stride, read_pair(layer, params, kPoolStride, 1));
  if (pool.kernel[0] == 0 || pool.kernel[1] == 0 || pool.stride[0] == 0 || pool.stride[1] == 0) {
    return fail_at(ErrorKind::Malformed, params.offset(), "{}: kernel size or stride is 0",
                   layer.path());
  }
  return pool;
}

/// Reads the padding; nothing if the layer names no rule.
Result<std::optional<SpatialPadding>> read_pool_padding(const LayerBuilder& layer) {
  constexpr std::uint32_t kAmounts = 10;
  VP_ASSIGN_OR_RETURN(const auto last_pixel, layer.params().read_message(kPoolIncludeLastPixel));
  if (!last_pixel) return read_spatial_padding(layer, kPoolValid, kPoolSame);
  SpatialPadding padding;
  padding.rule = PadRule::IncludeLastPixel;
  VP_ASSIGN_OR_RETURN(padding.before, read_pair(layer, *last_pixel, kAmounts, 0));
  padding.after = padding.before;
  return std::optional<SpatialPadding>(padding);
}

Result<void> finish_resize(LayerBuilder& layer, const Resize& resize) {
  const auto image = view_image(layer, 3);
  return image ? finish_image(layer, *image, resize) : layer.refuse(kNoImage);
}

}  // namespace

Result<std::int64_t> read_size(const LayerBuilder& layer, const ProtobufMessage& message,
                               std::uint32_t field) {
  VP_ASSIGN_OR_RETURN(const std::uint64_t size, message.read_uint(field));
  return check_size(layer, message, size);
}

Result<std::array<std::int64_t, 2>> read_pair(const LayerBuilder& layer,
                                              const ProtobufMessage& message, std::uint32_t field,
                                              std::int64_t fallback) {
  VP_ASSIGN_OR_RETURN(const std::vector<std::int64_t> values, message.read_ints(field));
  if (values.empty()) return std::array<std::int64_t, 2>{fallback, fallback};
  if (values.size() != 2) {
    return fail_at(ErrorKind::Malformed, message.offset(),
                   "{}: field {} has {} entries, expected height and width", layer.path(), field,
                   values.size());
  }
  std::array<std::int64_t, 2> pair = {0, 0};
  for (std::size_t i = 0; i < 2; ++i) {
    VP_ASSIGN_OR_RETURN(pair[i], check_size(layer, message, static_cast<std::uint64_t>(values[i])));
  }
  return pair;
}

Result<Borders> read_borders(const LayerBuilder& layer, const ProtobufMessage& message,
                             std::uint32_t field) {
  constexpr std::uint32_t kBorderAmounts = 10;
  constexpr std::uint32_t kStart = 1;
  constexpr std::uint32_t kEnd = 2;
  Borders borders;
  VP_ASSIGN_OR_RETURN(const auto amounts, message.read_message(field));
  if (!amounts) return borders;
  VP_ASSIGN_OR_RETURN(const auto edges, amounts->read_messages(kBorderAmounts));
  if (!edges.empty() && edges.size() != 2) {
    return fail_at(ErrorKind::Malformed, amounts->offset(),
                   "{}: {} border amounts, expected height and width", layer.path(), edges.size());
  }
  for (std::size_t i = 0; i < edges.size(); ++i) {
    VP_ASSIGN_OR_RETURN(borders.before[i], read_size(layer, edges[i], kStart));
    VP_ASSIGN_OR_RETURN(borders.after[i], read_size(layer, edges[i], kEnd));
  }
  return borders;
}

Result<std::optional<SpatialPadding>> read_spatial_padding(const LayerBuilder& layer,
                                                           std::uint32_t valid_field,
                                                           std::uint32_t same_field) {
  constexpr std::uint32_t kPaddingAmounts = 1;
  constexpr std::uint32_t kAsymmetryMode = 1;
  VP_ASSIGN_OR_RETURN(const auto valid, layer.params().read_message(valid_field));
  VP_ASSIGN_OR_RETURN(const auto same, layer.params().read_message(same_field));
  SpatialPadding padding;
  if (same) {
    VP_ASSIGN_OR_RETURN(const std::uint64_t mode, same->read_uint(kAsymmetryMode));
    padding.rule = mode == 0 ? PadRule::SameUpper : PadRule::SameLower;
    return std::optional<SpatialPadding>(padding);
  }
  if (!valid) return std::optional<SpatialPadding>();
  VP_ASSIGN_OR_RETURN(const Borders borders, read_borders(layer, *valid, kPaddingAmounts));
  padding.before = borders.before;
  padding.after = borders.after;
  return std::optional<SpatialPadding>(padding);
}

Result<void> lower_pooling(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(const std::uint64_t type, layer.params().read_uint(kPoolType));
  if (type > 2) return layer.refuse(fmt::format("pooling type {} is unknown", type));
  VP_ASSIGN_OR_RETURN(Pool2d pool, read_pool(layer, type));
  if (!pool.global) {
    VP_ASSIGN_OR_RETURN(const auto padding, read_pool_padding(layer));
    if (!padding) {
      return layer.refuse("it says neither valid nor same nor includeLastPixel padding");
    }
    pool.padding = *padding;
  }
  const auto image = view_image(layer, 4);
  return image ? finish_image(layer, *image, pool) : layer.refuse(kNoImage);
}

Result<void> lower_padding(LayerBuilder& layer) {
  constexpr std::uint32_t kConstant = 1;
  constexpr std::uint32_t kReflection = 2;
  constexpr std::uint32_t kReplication = 3;
  constexpr std::uint32_t kAmounts = 10;
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  const ProtobufMessage& params = layer.params();
  VP_ASSIGN_OR_RETURN(const auto constant, params.read_message(kConstant));
  Pad pad;
  if (constant) {
    VP_ASSIGN_OR_RETURN(pad.value, constant->read_float(1));
  } else if (params.has(kReflection)) {
    pad.mode = PadMode::Reflect;
  } else if (params.has(kReplication)) {
    pad.mode = PadMode::Replicate;
  } else {
    return layer.refuse("its kind of padding is unknown");
  }
  VP_ASSIGN_OR_RETURN(const Borders borders, read_borders(layer, params, kAmounts));
  const auto axes = static_cast<std::size_t>(layer.input(0).axes.kept);
  if (axes < 2) return layer.refuse(kNoImage);
  pad.before.assign(axes, 0);
  pad.after.assign(axes, 0);
  for (std::size_t i = 0; i < 2; ++i) {
    pad.before[axes - 2 + i] = borders.before[i];
    pad.after[axes - 2 + i] = borders.after[i];
  }
  return layer.finish(pad, {layer.input(0).id});
}

Result<void> lower_crop(LayerBuilder& layer) {
  constexpr std::uint32_t kAmounts = 1;
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 2));
  if (layer.input_count() == 2) return layer.refuse("it crops to the size of a second input");
  const auto axes = static_cast<std::size_t>(layer.input(0).axes.kept);
  if (layer.input(0).rank() < 3) return layer.refuse(kNoImage);
  VP_ASSIGN_OR_RETURN(const Borders borders, read_borders(layer, layer.params(), kAmounts));
  // A negative end counts from the end of the axis. Cropping nothing there cannot be written as -0,
  // so the default is kMaxSize.
  Slice slice;
  slice.begin.assign(axes, 0);
  slice.end.assign(axes, kMaxSize);
  slice.stride.assign(axes, 1);
  for (std::size_t i = 0; i < 2; ++i) {
    slice.begin[axes - 2 + i] = borders.before[i];
    if (borders.after[i] != 0) slice.end[axes - 2 + i] = -borders.after[i];
  }
  return layer.finish(slice, {layer.input(0).id});
}

Result<void> lower_upsample(LayerBuilder& layer) {
  constexpr std::uint32_t kScalingFactor = 1;
  constexpr std::uint32_t kMode = 5;
  constexpr std::uint32_t kLinearMode = 6;
  constexpr std::uint32_t kFractionalFactor = 7;
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  const ProtobufMessage& params = layer.params();
  VP_ASSIGN_OR_RETURN(const auto factor, read_pair(layer, params, kScalingFactor, 1));
  VP_ASSIGN_OR_RETURN(const std::vector<float> fractional, params.read_floats(kFractionalFactor));
  VP_ASSIGN_OR_RETURN(const std::uint64_t mode, params.read_uint(kMode));
  VP_ASSIGN_OR_RETURN(const std::uint64_t linear_mode, params.read_uint(kLinearMode));
  Resize resize;
  resize.scale = {static_cast<float>(factor[0]), static_cast<float>(factor[1])};
  if (fractional.size() == 2) resize.scale = {fractional[0], fractional[1]};
  if (!(resize.scale[0] > 0.0F && resize.scale[1] > 0.0F)) {
    return fail_at(ErrorKind::Malformed, params.offset(), "{}: scales by {} x {}", layer.path(),
                   resize.scale[0], resize.scale[1]);
  }
  if (mode == 0) return finish_resize(layer, resize);
  if (mode != 1) return layer.refuse(fmt::format("upsampling mode {} is unknown", mode));
  resize.kind = ResizeKind::Bilinear;
  // DEFAULT samples at i * (in - in/out) / (out - 1), which is i * in / out.
  constexpr std::array<ResizeGrid, 3> kGrids = {ResizeGrid::Corner, ResizeGrid::AlignCorners,
                                                ResizeGrid::HalfPixel};
  if (linear_mode >= kGrids.size()) {
    return layer.refuse(fmt::format("linear upsampling mode {} is unknown", linear_mode));
  }
  resize.grid = kGrids[linear_mode];
  return finish_resize(layer, resize);
}

Result<void> lower_resize_bilinear(LayerBuilder& layer) {
  constexpr std::uint32_t kTargetSize = 1;
  constexpr std::uint32_t kMode = 2;
  constexpr std::uint32_t kSamplingMethod = 1;
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  const ProtobufMessage& params = layer.params();
  Resize resize;
  resize.kind = ResizeKind::Bilinear;
  VP_ASSIGN_OR_RETURN(resize.size, read_pair(layer, params, kTargetSize, 1));
  if (resize.size[0] == 0 || resize.size[1] == 0) {
    return fail_at(ErrorKind::Malformed, params.offset(), "{}: target size {} x {}", layer.path(),
                   resize.size[0], resize.size[1]);
  }
  VP_ASSIGN_OR_RETURN(const auto mode, params.read_message(kMode));
  std::uint64_t method = 0;
  if (mode) {
    VP_ASSIGN_OR_RETURN(method, mode->read_uint(kSamplingMethod));
  }
  // STRICT_ALIGN_ENDPOINTS, ALIGN_ENDPOINTS, UPSAMPLE (i * (in - in/out) / (out - 1), that is
  // i * in / out), ROI_ALIGN.
  constexpr std::array<ResizeGrid, 4> kGrids = {ResizeGrid::AlignCorners,
                                                ResizeGrid::AlignCornersCentered,
                                                ResizeGrid::Corner, ResizeGrid::RoiAlign};
  if (method >= kGrids.size()) {
    return layer.refuse(fmt::format("sampling method {} is unknown", method));
  }
  resize.grid = kGrids[method];
  return finish_resize(layer, resize);
}

Result<void> lower_reorganize_data(LayerBuilder& layer) {
  VP_RETURN_IF_ERROR(layer.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(const std::uint64_t mode, layer.params().read_uint(1));
  VP_ASSIGN_OR_RETURN(const std::int64_t block, read_size(layer, layer.params(), 2));
  constexpr std::array<SpaceDepthKind, 3> kKinds = {
      SpaceDepthKind::SpaceToDepth, SpaceDepthKind::DepthToSpace, SpaceDepthKind::PixelShuffle};
  if (mode >= kKinds.size()) return layer.refuse(fmt::format("reorganization {} is unknown", mode));
  if (block < 2) return layer.refuse(fmt::format("its block size is {}", block));
  const auto image = view_image(layer, 3);
  if (!image) return layer.refuse(kNoImage);
  return finish_image(layer, *image, SpaceDepth{kKinds[mode], block});
}

}  // namespace visionpress::coreml
