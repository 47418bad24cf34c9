// Rules of LiteRT's XNNPACK delegate for operators that move values.
// source: LiteRT 2.3.0, tflite/delegates/xnnpack/xnnpack_delegate.cc.

#include <algorithm>

#include "formats/tflite/tflite_xnnpack_parts.h"

namespace visionpress::tflite::xnnpack {
namespace {

using Type = tfl::TensorType;

/// One axis, or leading axes of 1.
std::string check_list(const TensorFacts& list, std::string_view what, bool takes_leading_ones) {
  if (list.rank() == 1) return {};
  const bool is_squeezable =
      takes_leading_ones &&
      (list.rank() == 0 || std::all_of(list.shape.begin(), list.shape.end() - 1,
                                       [](std::int64_t n) { return n == 1; }));
  return is_squeezable ? std::string()
                       : fmt::format("{} has {} axes, one is taken", what, list.rank());
}

}  // namespace

std::string check_concat(const Context& context) {
  const auto* options = context.op.table->builtin_options_as_ConcatenationOptions();
  const int axis = options == nullptr ? 0 : options->axis();
  const TensorFacts& out = *context.output(0);
  for (std::size_t i = 0; i < context.op.inputs.size(); ++i) {
    const TensorFacts* in = context.input(i);
    if (in == nullptr) return fmt::format("input {} is absent", i);
    const std::string what = fmt::format("input {}", i);
    if (std::string why = check_type(*in, Takes::FloatOr8Bit, what); !why.empty()) return why;
    if (axis >= static_cast<int>(in->rank())) return "its axis is a new one";
    if (out.type == Type::UINT8 &&
        (in->scale() != out.scale() || in->zero_point() != out.zero_point())) {
      return fmt::format("{} is uint8 with another scale or zero point than its output", what);
    }
  }
  return {};
}

std::string check_depth_to_space(const Context& context) {
  const auto* options = context.op.table->builtin_options_as_DepthToSpaceOptions();
  const int block = options == nullptr ? 0 : options->block_size();
  return block > 1 ? std::string() : fmt::format("its block size is {}", block);
}

std::string check_space_to_depth(const Context& context) {
  const auto* options = context.op.table->builtin_options_as_SpaceToDepthOptions();
  const int block = options == nullptr ? 0 : options->block_size();
  if (block <= 1) return fmt::format("its block size is {}", block);
  const TensorFacts& in = *context.input(0);
  if (in.rank() < 3) return "its input has fewer than 3 axes";
  if (in.shape[1] % block == 0 && in.shape[2] % block == 0) return {};
  return fmt::format("its input {}x{} is not a multiple of its block size {}", in.shape[2],
                     in.shape[1], block);
}

std::string check_reduce(const Context& context) {
  if (std::string why = check_numbers(context, 1); !why.empty()) return why;
  const TensorFacts& axes = *context.input(1);
  if (axes.rank() > 1) return "its axes are not a list";
  const std::int64_t count = axes.elements();
  if (count <= 0) return "it reduces no axis";
  const auto numbers = axes.integers();
  const bool is_of_scalar = context.input(0)->rank() == 0 && count == 1 && numbers &&
                            !numbers->empty() && numbers->front() == 0;
  if (is_of_scalar) return "it reduces a scalar";
  if (count <= static_cast<std::int64_t>(kMostAxes)) return {};
  return fmt::format("it reduces {} axes, up to {} are taken", count, kMostAxes);
}

std::string check_pad(const Context& context) {
  if (std::string why = check_numbers(context, 1); !why.empty()) return why;
  const TensorFacts& pads = *context.input(1);
  const auto rank = static_cast<std::int64_t>(context.input(0)->rank());
  if (pads.rank() != 2 || pads.shape[0] != rank || pads.shape[1] != 2) {
    return fmt::format("its paddings have the shape {}, [{},2] is taken", text_of(pads.shape),
                       rank);
  }
  if (std::string why = check_rank(*context.output(0), "its output", 1, kMostAxes); !why.empty()) {
    return why;
  }
  const auto numbers = pads.integers();
  const bool is_negative =
      numbers && std::ranges::any_of(*numbers, [](std::int64_t n) { return n < 0; });
  return is_negative ? "a padding is negative" : std::string();
}

std::string check_reshape(const Context& context) {
  const TensorFacts& in = *context.input(0);
  const TensorFacts& out = *context.output(0);
  if (std::string why = check_rank(out, "its output", 0, kMostAxes); !why.empty()) return why;
  if (is_8_bit(out) && (in.scale() != out.scale() || in.zero_point() != out.zero_point())) {
    return "its output has another scale or zero point than its input";
  }
  std::vector<std::int64_t> shape;
  if (context.op.inputs.size() == 2) {
    if (std::string why = check_numbers(context, 1); !why.empty()) return why;
    if (std::string why = check_list(*context.input(1), "its new shape", true); !why.empty()) {
      return why;
    }
    shape = context.input(1)->integers().value_or(shape);
  } else if (const auto* options = context.op.table->builtin_options_as_ReshapeOptions()) {
    if (options->new_shape() != nullptr) {
      shape.assign(options->new_shape()->begin(), options->new_shape()->end());
    }
  }
  // The delegate writes an open size as 0, so a given 0 counts as open.
  if (shape.size() == 1 && (shape[0] == -1 || shape[0] == 0)) {
    return "its new shape is one open size";
  }
  return {};
}

std::string check_resize(const Context& context) {
  if (std::string why = check_numbers(context, 1); !why.empty()) return why;
  const TensorFacts& size = *context.input(1);
  if (std::string why = first_reason({check_list(size, "its size", false),
                                      check_rank(*context.output(0), "its output", 4, 4)});
      !why.empty()) {
    return why;
  }
  const auto numbers = size.integers();
  if (numbers && !numbers->empty() && numbers->front() > 0) return {};
  return "its size is 0 or less";
}

std::string check_slice(const Context& context) {
  for (const std::size_t slot : {1U, 2U}) {
    if (std::string why = check_numbers(context, slot, true); !why.empty()) return why;
    if (std::string why = check_list(*context.input(slot), "a limit", false); !why.empty()) {
      return why;
    }
  }
  if (context.input(1)->shape[0] != context.input(2)->shape[0]) {
    return "its begin and size have different lengths";
  }
  const auto sizes = context.input(2)->integers();
  const bool is_open = sizes && std::ranges::any_of(*sizes, [](std::int64_t n) { return n <= 0; });
  return is_open ? "a size is -1 or 0" : std::string();
}

std::string check_strided_slice(const Context& context) {
  const auto* options = context.op.table->builtin_options_as_StridedSliceOptions();
  if (options == nullptr) return "it has no options";
  if (options->ellipsis_mask() != 0) return "it has an ellipsis";
  if (options->new_axis_mask() != 0) return "it adds an axis";
  if (options->shrink_axis_mask() != 0) return "it removes an axis";
  const auto rank = static_cast<std::int64_t>(context.input(0)->rank());
  for (const std::size_t slot : {1U, 2U, 3U}) {
    if (std::string why = check_numbers(context, slot); !why.empty()) return why;
    const TensorFacts& list = *context.input(slot);
    if (std::string why = check_list(list, "a limit", false); !why.empty()) return why;
    if (list.shape[0] != rank) {
      return fmt::format("input {} has {} numbers for {} axes", slot, list.shape[0], rank);
    }
  }
  const auto strides = context.input(3)->integers();
  const bool is_strided =
      strides && std::ranges::any_of(*strides, [](std::int64_t n) { return n != 1; });
  return is_strided ? "a stride is not 1" : std::string();
}

std::string check_split(const Context& context) {
  const auto* options = context.op.table->builtin_options_as_SplitOptions();
  const int splits = options == nullptr ? 0 : options->num_splits();
  if (splits != static_cast<int>(context.op.outputs.size())) {
    return fmt::format("it has {} outputs and {} splits", context.op.outputs.size(), splits);
  }
  if (std::string why = check_numbers(context, 0); !why.empty()) return why;
  for (std::size_t i = 1; i < context.op.outputs.size(); ++i) {
    const TensorFacts* out = context.output(i);
    if (out == nullptr) return "an output is absent";
    if (std::string why = check_type(*out, Takes::FloatOr8Bit, "an output"); !why.empty())
      return why;
  }
  return {};
}

std::string check_transpose(const Context& context) {
  const TensorFacts* order = context.input(1);
  return order != nullptr && order->is_constant ? std::string() : "its order is not a constant";
}

std::string check_assigned(const Context& context) {
  const TensorFacts* value = context.input(1);
  return value == nullptr ? "it has no value" : check_type(*value, Takes::FloatOr8Bit, "its value");
}

std::string check_read(const Context& context) {
  return context.output(0)->rank() == 0 ? "its shape is not known" : std::string();
}

std::string check_custom_pool(const Context& context) {
  for (std::size_t i = 0; i < context.op.outputs.size(); ++i) {
    if (std::string why = check_rank(*context.output(i), "an output", 4, 4); !why.empty())
      return why;
  }
  for (std::size_t i = 1; i < context.op.inputs.size(); ++i) {
    if (context.input(i) == nullptr) return "an input is absent";
    if (std::string why = check_rank(*context.input(i), "an input", 4, 4); !why.empty()) return why;
  }
  const WindowFacts window = read_custom_window(context.op);
  if (std::min({window.filter_w, window.filter_h, window.stride_w, window.stride_h}) <= 0) {
    return "a size or stride of its window is 0 or less";
  }
  if (window.filter_w != window.stride_w || window.filter_h != window.stride_h) {
    return "its strides are not its window";
  }
  const bool is_known =
      window.padding == tfl::Padding::SAME || window.padding == tfl::Padding::VALID;
  return is_known ? std::string() : "its padding is unknown";
}

}  // namespace visionpress::tflite::xnnpack

namespace visionpress::tflite {
namespace {

/// Operators whose 8-bit values keep their scale, which the delegate does not check beforehand.
bool keeps_scale(tfl::BuiltinOperator code) {
  using Code = tfl::BuiltinOperator;
  switch (code) {
    case Code::DEPTH_TO_SPACE:
    case Code::MAX_POOL_2D:
    case Code::PAD:
    case Code::RESIZE_BILINEAR:
    case Code::SLICE:
    case Code::SPACE_TO_DEPTH:
    case Code::SPLIT:
    case Code::STRIDED_SLICE:
    case Code::TRANSPOSE:
      return true;
    default:
      return false;
  }
}

}  // namespace

std::string check_xnnpack_breaks(const GraphFacts& graph, const OperatorFacts& op) {
  for (const std::vector<int>* ids : {&op.inputs, &op.outputs}) {
    for (const int id : *ids) {
      if (id < 0) continue;
      const TensorFacts& tensor = graph.tensors[static_cast<std::size_t>(id)];
      if (tensor.rank() > xnnpack::kMostAxes) {
        return fmt::format("a tensor has {} axes", tensor.rank());
      }
    }
  }
  if (!keeps_scale(op.code)) return {};
  const TensorFacts* in = graph.input(op, op.code == tfl::BuiltinOperator::SPLIT ? 1 : 0);
  for (std::size_t i = 0; i < op.outputs.size(); ++i) {
    const TensorFacts* out = graph.output(op, i);
    if (in == nullptr || out == nullptr) continue;
    if (in->type != out->type) return "its output has another type than its input";
    if (in->scale() != out->scale() || in->zero_point() != out->zero_point()) {
      return "its output has another scale or zero point than its input";
    }
  }
  return {};
}

}  // namespace visionpress::tflite
