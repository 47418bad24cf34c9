// Convolutions, borders, and pixels that move between space and depth.

#include <algorithm>
#include <array>
#include <optional>

#include "base/error.h"
#include "formats/onnx/onnx_lowering.h"
#include "formats/onnx/onnx_window.h"
#include "lower/window.h"

namespace visionpress::onnx {
namespace {

using Sizes = std::vector<std::int64_t>;

/// What convolutions of one and two spatial axes have in common.
struct ConvInputs {
  Value x = {};
  Value kernel = {};
  OnnxWindow window = {};
  std::size_t spatial = 0;
  std::int64_t groups = 1;
  std::string refused = {};
};

Result<ConvInputs> read_convolution(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(2, 3));
  ConvInputs inputs;
  Value& kernel = node.input(1);
  const std::size_t rank = kernel.shape ? kernel.shape->size() : 0;
  if (!kernel.is_constant() || rank < 3) {
    inputs.refused =
        kernel.is_constant() ? "its kernel has no spatial axis" : "its kernel is computed";
    return inputs;
  }
  inputs.spatial = rank - 2;
  const Sizes sizes(kernel.shape->begin() + 2, kernel.shape->end());
  VP_ASSIGN_OR_RETURN(inputs.window, read_window(node, inputs.spatial, sizes));
  if (inputs.window.kernel != sizes) {
    return node.malformed(fmt::format("kernel_shape is {}, its kernel has the shape {}",
                                      to_string(inputs.window.kernel), to_string(*kernel.shape)));
  }
  VP_ASSIGN_OR_RETURN(inputs.groups, node.read_int("group", 1));
  if (inputs.groups < 1) return node.malformed(fmt::format("group is {}", inputs.groups));
  if (inputs.spatial > 2) {
    inputs.refused = fmt::format("it convolves {} axes, 1 or 2 are run", inputs.spatial);
    return inputs;
  }
  Value& x = node.input(0);
  if (x.shape && x.shape->size() != rank) {
    return node.malformed(fmt::format("input {} and kernel {} have other numbers of axes",
                                      to_string(*x.shape), to_string(*kernel.shape)));
  }
  if (!x.shape) x.shape = Shape(rank, -1);
  VP_ASSIGN_OR_RETURN(inputs.x, view_as_image(node, x));
  VP_ASSIGN_OR_RETURN(inputs.kernel, view_as_image(node, kernel));
  return inputs;
}

/// The window of two axes: a missing height has a window of 1.
Conv2d make_conv(const ConvInputs& inputs) {
  Conv2d conv;
  conv.groups = inputs.groups;
  conv.padding.rule = inputs.window.rule;
  const std::size_t skipped = 2 - inputs.spatial;
  for (std::size_t a = skipped; a < 2; ++a) {
    conv.stride[a] = inputs.window.stride[a - skipped];
    conv.dilation[a] = inputs.window.dilation[a - skipped];
    conv.padding.before[a] = inputs.window.before[a - skipped];
    conv.padding.after[a] = inputs.window.after[a - skipped];
  }
  return conv;
}

/// Adds the border that `pads` below 0 cut off, before the convolution.
Result<void> cut_borders(NodeLowering& node, Value& x, Conv2d& conv) {
  Slice slice = {Sizes(4, 0), Sizes(4, kLargestSize), Sizes(4, 1), {}};
  bool cuts = false;
  for (std::size_t a = 0; a < 2; ++a) {
    std::int64_t& before = conv.padding.before[a];
    std::int64_t& after = conv.padding.after[a];
    cuts = cuts || before < 0 || after < 0;
    if (before < 0) slice.begin[a + 2] = -before;
    if (after < 0) slice.end[a + 2] = after;
    before = std::max<std::int64_t>(before, 0);
    after = std::max<std::int64_t>(after, 0);
  }
  if (!cuts) return {};
  VP_ASSIGN_OR_RETURN(x, node.apply(std::move(slice), x));
  return {};
}

Result<void> finish_convolution(NodeLowering& node, ConvInputs& inputs, Conv2d conv,
                                int channel_axis) {
  std::vector<std::pair<Value*, Use>> parameters = {
      {&inputs.kernel, {WeightRole::Kernel, channel_axis}}};
  const bool has_bias = node.has_input(2);
  const bool is_constant_bias = has_bias && node.input(2).is_constant();
  if (is_constant_bias) parameters.push_back({&node.input(2), {WeightRole::Bias, 0}});
  VP_ASSIGN_OR_RETURN(Value result, node.apply_with(conv, inputs.x, parameters));
  if (has_bias && !is_constant_bias) {
    VP_ASSIGN_OR_RETURN(Value bias, node.view(ExpandDims{{1, 2}}, node.input(2)));
    VP_ASSIGN_OR_RETURN(result, node.binary(BinaryKind::Add, result, bias));
  }
  if (inputs.spatial == 1) {
    VP_ASSIGN_OR_RETURN(result, node.view(Squeeze{{2}}, result));
  }
  return node.finish(std::move(result));
}

Result<void> lower_conv(NodeLowering& node) {
  VP_ASSIGN_OR_RETURN(ConvInputs inputs, read_convolution(node));
  if (!inputs.refused.empty()) return node.refuse(inputs.refused);
  Conv2d conv = make_conv(inputs);
  conv.kernel_layout = KernelLayout::Oihw;
  VP_RETURN_IF_ERROR(cut_borders(node, inputs.x, conv));
  return finish_convolution(node, inputs, conv, 0);
}

/// The size of the result along an axis, where the node names it or adds to it; 0: by the rule.
Result<void> set_output_size(NodeLowering& node, const ConvInputs& inputs, Conv2d& conv,
                             std::string& refused) {
  const std::size_t skipped = 2 - inputs.spatial;
  VP_ASSIGN_OR_RETURN(const auto shape, node.read_ints("output_shape"));
  VP_ASSIGN_OR_RETURN(const auto added, node.read_ints("output_padding"));
  for (std::size_t a = skipped; a < 2; ++a) {
    const std::size_t i = a - skipped;
    const std::int64_t extra = added && i < added->size() ? (*added)[i] : 0;
    const std::int64_t in = (*inputs.x.shape)[a + 2];
    const bool is_named = shape && shape->size() >= inputs.spatial;
    if (is_named) {
      const std::int64_t wanted = (*shape)[shape->size() - inputs.spatial + i];
      if (wanted < 1 || wanted > kMostPixels) {
        return node.malformed("attribute \"output_shape\" is " + to_string(*shape));
      }
      // The paddings follow from the size; the odd pixel goes before unless SAME_UPPER.
      conv.output_size[a] = wanted;
      const std::int64_t extent = (inputs.window.kernel[i] - 1) * conv.dilation[a] + 1;
      const std::int64_t total =
          std::max<std::int64_t>(0, (in - 1) * conv.stride[a] + extra + extent - wanted);
      if (in < 0) refused = "the size of its result depends on an open size";
      const bool is_upper = inputs.window.rule == PadRule::SameUpper;
      conv.padding.before[a] = is_upper ? total / 2 : total - total / 2;
      conv.padding.after[a] = total - conv.padding.before[a];
    } else if (extra != 0) {
      if (extra < 0 || extra > kMostPixels)
        return node.malformed("attribute \"output_padding\" is " + to_string(*added));
      if (in < 0) refused = "the size of its result depends on an open size";
      const std::int64_t extent = (inputs.window.kernel[i] - 1) * conv.dilation[a] + 1;
      conv.output_size[a] = (in - 1) * conv.stride[a] + extra + extent - conv.padding.before[a] -
                            conv.padding.after[a];
    }
  }
  if (shape && !shape->empty()) conv.padding.rule = PadRule::Explicit;
  return {};
}

Result<void> lower_transposed(NodeLowering& node) {
  VP_ASSIGN_OR_RETURN(ConvInputs inputs, read_convolution(node));
  if (!inputs.refused.empty()) return node.refuse(inputs.refused);
  Conv2d conv = make_conv(inputs);
  conv.transposed = true;
  conv.kernel_layout = KernelLayout::Iohw;
  std::string refused;
  VP_RETURN_IF_ERROR(set_output_size(node, inputs, conv, refused));
  const bool cuts = std::ranges::any_of(conv.padding.before, [](auto v) { return v < 0; }) ||
                    std::ranges::any_of(conv.padding.after, [](auto v) { return v < 0; });
  if (cuts) refused = "its paddings are negative";
  if (!refused.empty()) return node.refuse(refused);
  return finish_convolution(node, inputs, conv, 1);
}

/// The amounts per axis: inputs from opset 11 on, the attribute pads (before opset 2 paddings)
/// before.
struct PadAmounts {
  Sizes before = {};
  Sizes after = {};
  std::optional<std::size_t> computed = std::nullopt;  ///< the input that is not known
};

Result<PadAmounts> read_amounts(NodeLowering& node, std::size_t rank) {
  PadAmounts amounts;
  std::optional<Sizes> pads;
  std::optional<Sizes> axes;
  if (node.has_input(1)) {
    pads = node.find_integers(1);
    if (!pads) amounts.computed = 1;
  } else {
    VP_ASSIGN_OR_RETURN(pads, node.read_ints("pads"));
    if (!pads) {
      VP_ASSIGN_OR_RETURN(pads, node.read_ints("paddings"));
    }
  }
  if (node.has_input(3)) {
    axes = node.find_integers(3);
    if (!axes) amounts.computed = 3;
  }
  if (amounts.computed) return amounts;
  const std::size_t count = axes ? axes->size() : rank;
  if (!pads || pads->size() != 2 * count) {
    return node.malformed(fmt::format("it has the paddings {}, expected {}",
                                      pads ? to_string(*pads) : "none", 2 * count));
  }
  amounts.before.assign(rank, 0);
  amounts.after.assign(rank, 0);
  for (std::size_t i = 0; i < count; ++i) {
    int axis = static_cast<int>(i);
    if (axes) {
      VP_ASSIGN_OR_RETURN(axis, node.check_axis((*axes)[i], rank));
    }
    amounts.before[static_cast<std::size_t>(axis)] = (*pads)[i];
    amounts.after[static_cast<std::size_t>(axis)] = (*pads)[i + count];
  }
  return amounts;
}

/// Cuts off what amounts below 0 name, and leaves those above.
Result<Value> cut_negative(NodeLowering& node, Value& x, PadAmounts& amounts) {
  const std::size_t rank = amounts.before.size();
  Slice slice = {Sizes(rank, 0), Sizes(rank, kLargestSize), Sizes(rank, 1), {}};
  bool cuts = false;
  for (std::size_t a = 0; a < rank; ++a) {
    cuts = cuts || amounts.before[a] < 0 || amounts.after[a] < 0;
    if (amounts.before[a] < 0) slice.begin[a] = -amounts.before[a];
    if (amounts.after[a] < 0) slice.end[a] = amounts.after[a];
    amounts.before[a] = std::max<std::int64_t>(amounts.before[a], 0);
    amounts.after[a] = std::max<std::int64_t>(amounts.after[a], 0);
  }
  if (!cuts) return x;
  return node.apply(std::move(slice), x);
}

/// Takes rows from the other end: one side at a time, since the border may be as wide as the input.
Result<Value> wrap_around(NodeLowering& node, Value& x, const PadAmounts& amounts) {
  Value result = x;
  for (std::size_t a = 0; a < amounts.before.size(); ++a) {
    if (amounts.before[a] == 0 && amounts.after[a] == 0) continue;
    const std::int64_t size = (*x.shape)[a];
    if (size < std::max(amounts.before[a], amounts.after[a]))
      return node.malformed(fmt::format("it wraps {} elements", size));
    const std::size_t rank = x.shape->size();
    std::vector<Value> parts;
    const auto take = [&](std::int64_t begin, std::int64_t end) -> Result<void> {
      if (begin == end) return {};
      Slice slice = {Sizes(rank, 0), Sizes(rank, kLargestSize), Sizes(rank, 1), {}};
      slice.begin[a] = begin;
      slice.end[a] = end;
      VP_ASSIGN_OR_RETURN(Value part, node.apply(std::move(slice), result));
      parts.push_back(std::move(part));
      return {};
    };
    VP_RETURN_IF_ERROR(take(size - amounts.before[a], size));
    parts.push_back(result);
    VP_RETURN_IF_ERROR(take(0, amounts.after[a]));
    std::vector<Value*> operands;
    operands.reserve(parts.size());
    for (Value& part : parts) operands.push_back(&part);
    VP_ASSIGN_OR_RETURN(result, node.apply(Concat{static_cast<int>(a)}, operands, x.dtype));
  }
  return result;
}

/// The value of the border: the input where there is one, else the attribute; nothing where it is
/// computed.
Result<std::optional<float>> read_pad_value(NodeLowering& node) {
  VP_ASSIGN_OR_RETURN(const float named, node.read_float("value", 0.0F));
  if (!node.has_input(2)) return std::optional<float>(named);
  const auto value = node.find_number(2);
  if (!value) return std::optional<float>();
  return std::optional<float>(static_cast<float>(*value));
}

void set_pad_mode(Pad& pad, const std::string& mode) {
  if (mode == "edge") pad.mode = PadMode::Replicate;
  if (mode == "reflect") pad.mode = PadMode::Reflect;
}

bool adds_nothing(const PadAmounts& amounts) {
  const auto is_zero = [](std::int64_t v) { return v == 0; };
  return std::ranges::all_of(amounts.before, is_zero) &&
         std::ranges::all_of(amounts.after, is_zero);
}

Result<void> lower_pad(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 4));
  Value& x = node.input(0);
  if (!x.shape) return node.refuse_computed(0, kUnknownRank);
  VP_ASSIGN_OR_RETURN(PadAmounts amounts, read_amounts(node, x.shape->size()));
  if (amounts.computed) return node.refuse_computed(*amounts.computed, "its paddings are computed");
  VP_ASSIGN_OR_RETURN(const std::string mode, node.read_text("mode", "constant"));
  VP_ASSIGN_OR_RETURN(const auto value, read_pad_value(node));
  if (!value) return node.refuse_computed(2, "its padding value is computed");
  Pad pad;
  pad.value = *value;
  set_pad_mode(pad, mode);
  VP_ASSIGN_OR_RETURN(Value cut, cut_negative(node, x, amounts));
  if (adds_nothing(amounts)) return node.finish(std::move(cut));
  if (mode == "wrap") return node.finish(wrap_around(node, cut, amounts));
  if (mode != "constant" && pad.mode == PadMode::Constant)
    return node.malformed("mode is " + quote(mode));
  pad.before = amounts.before;
  pad.after = amounts.after;
  return node.finish(std::move(pad), cut);
}

/// WinMLTools' border of converted Core ML networks: what a VALID pooling behind it needs to give
/// the result of Core ML's rule includeLastPixel. source: `custom-vision/currency`, whose Core ML
/// file has the poolings with that rule where this one has LegacyPadding before each.
Result<void> lower_legacy_padding(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  Value& x = node.input(0);
  if (!x.shape || x.shape->size() != 4 || (*x.shape)[2] < 0 || (*x.shape)[3] < 0)
    return node.refuse_computed(0, "the size of its input is open");
  VP_ASSIGN_OR_RETURN(const auto pads, node.read_ints("pads"));
  VP_ASSIGN_OR_RETURN(const auto kernel, node.read_ints("kernel_shape"));
  VP_ASSIGN_OR_RETURN(const auto stride, node.read_ints("strides"));
  const auto is_pair = [](const auto& list) { return list && list->size() == 2; };
  if (!is_pair(pads) || !is_pair(kernel) || !is_pair(stride))
    return node.malformed("pads, kernel_shape and strides have two numbers each");
  SpatialPadding padding = {PadRule::IncludeLastPixel, {(*pads)[0], (*pads)[1]}, {}};
  padding.after = padding.before;
  Pad pad = {PadMode::Constant, Sizes(4, 0), Sizes(4, 0), 0.0F};
  VP_ASSIGN_OR_RETURN(pad.value, node.read_float("value", 0.0F));
  for (std::size_t a = 0; a < 2; ++a) {
    const auto window = window_geometry((*x.shape)[a + 2], (*kernel)[a], (*stride)[a], padding, a);
    if (!window) return node.malformed(window.error().message);
    pad.before[a + 2] = window->before;
    pad.after[a + 2] = window->after;
  }
  return node.finish(std::move(pad), x);
}

template <SpaceDepthKind kind>
Result<void> lower_space_depth(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  SpaceDepth op;
  op.kind = kind;
  VP_ASSIGN_OR_RETURN(op.block, node.read_int("blocksize", 0));
  VP_ASSIGN_OR_RETURN(const std::string mode, node.read_text("mode", "DCR"));
  if (kind == SpaceDepthKind::DepthToSpace && mode == "CRD") op.kind = SpaceDepthKind::PixelShuffle;
  return node.finish(op, node.input(0));
}

/// scale * x + bias per channel: ImageScaler, experimental until opset 9.
Result<void> lower_image_scaler(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  VP_ASSIGN_OR_RETURN(const float scale, node.read_float("scale", 1.0F));
  VP_ASSIGN_OR_RETURN(const std::vector<float> bias, node.read_floats("bias"));
  Value x = node.input(0);
  if (scale != 1.0F) {
    VP_ASSIGN_OR_RETURN(x, node.unary(UnaryKind::Linear, x, scale, 0.0F));
  }
  const bool shifts = std::ranges::any_of(bias, [](float b) { return b != 0.0F; });
  if (!shifts) return node.finish(std::move(x));
  Value shift = make_known({std::ssize(bias), 1, 1}, {bias.begin(), bias.end()}, DataType::Float);
  return node.finish(node.binary(BinaryKind::Add, x, shift));
}

constexpr std::array kSpatialRows = std::to_array<OperatorRow>({
    {"Conv", lower_conv},
    {"ConvTranspose", lower_transposed},
    {"DepthToSpace", lower_space_depth<SpaceDepthKind::DepthToSpace>},
    {"ImageScaler", lower_image_scaler},
    {"Pad", lower_pad},
    {"SpaceToDepth", lower_space_depth<SpaceDepthKind::SpaceToDepth>},
    {"com.microsoft.LegacyPadding", lower_legacy_padding},
});

}  // namespace

std::span<const OperatorRow> spatial_rows() { return kSpatialRows; }

}  // namespace visionpress::onnx
