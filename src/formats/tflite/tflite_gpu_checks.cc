#include "formats/tflite/tflite_gpu_checks.h"

#include <algorithm>
#include <initializer_list>

namespace visionpress::tflite::gpu {
namespace {

using Code = tfl::BuiltinOperator;
using Type = tfl::TensorType;

bool is_any_of(Type type, std::initializer_list<Type> types) {
  return std::ranges::find(types, type) != types.end();
}

std::string check_mirror(const Operation& operation) {
  const auto* options = operation.op.table->builtin_options_as_MirrorPadOptions();
  const bool reflects = options != nullptr && options->mode() == tfl::MirrorPadMode::REFLECT;
  return reflects ? std::string() : "it pads symmetrically";
}

/// Axes that follow each other from the last on are equal or 1.
bool broadcasts(const std::vector<std::int64_t>& a, const std::vector<std::int64_t>& b) {
  for (std::size_t i = 1; i <= std::min(a.size(), b.size()); ++i) {
    const std::int64_t x = a[a.size() - i];
    const std::int64_t y = b[b.size() - i];
    if (x != y && x != 1 && y != 1) return false;
  }
  return true;
}

bool is_one(const TensorFacts& tensor) { return tensor.rank() == 0 || tensor.elements() == 1; }

}  // namespace

bool is_float(Type type) { return type == Type::FLOAT32 || type == Type::FLOAT16; }

bool is_logical(Code code) {
  switch (code) {
    case Code::EQUAL:
    case Code::GREATER:
    case Code::GREATER_EQUAL:
    case Code::LESS:
    case Code::LESS_EQUAL:
    case Code::NOT_EQUAL:
    case Code::LOGICAL_AND:
      return true;
    default:
      return false;
  }
}

std::string check_operands(const Operation& operation, Operands operands) {
  const std::size_t values = operation.count_inputs(false);
  const std::size_t constants = operation.count_inputs(true);
  const std::size_t outputs = operation.op.outputs.size();
  const auto describe = [&](std::string_view expected) {
    return fmt::format("it has {} computed and {} constant inputs and {} outputs, {} are taken",
                       values, constants, outputs, expected);
  };
  switch (operands) {
    case Operands::Any:
      return {};
    case Operands::OneValue:
      return values == 1 && outputs == 1 ? std::string() : describe("1 computed and 1 output");
    case Operands::OnlyOne:
      return values == 1 && constants == 0 && outputs == 1 ? std::string()
                                                           : describe("1 computed and 1 output");
    case Operands::TwoOrOne: {
      const bool fits = (values == 2 && constants == 0) || (values == 1 && constants == 1);
      return fits && outputs == 1 ? std::string() : describe("2 inputs and 1 output");
    }
    case Operands::AxesList: {
      if (values != 1 || constants != 1 || outputs != 1) return describe("a value and its axes");
      const TensorFacts* axes = operation.input(1);
      if (axes == nullptr || !operation.is_constant(1)) return "its axes are not constant";
      return axes->type == Type::INT32 ? std::string() : "its axes are not int32";
    }
    case Operands::Convolution:
      if (values < 1 || values > 2 || outputs != 1) return describe("1 or 2 computed and 1 output");
      return operation.op.inputs.size() > 1 ? std::string() : "it has no kernel";
  }
  return {};
}

std::string check_activation(const Operation& operation) {
  const tfl::Activation activation = fused_activation(operation.op);
  const bool is_known = activation >= tfl::Activation::NONE && activation <= tfl::Activation::TANH;
  return is_known ? std::string()
                  : fmt::format("its activation is {}", name_of_activation(activation));
}

std::string check_window(const Operation& operation) {
  const auto window = find_window(operation.op);
  if (!window) return "it has no options";
  const std::int64_t least = std::min({window->stride_w, window->stride_h, window->dilation_w,
                                       window->dilation_h, window->filter_w, window->filter_h});
  if (least <= 0) return "a size, stride or dilation of its window is 0 or less";
  return check_activation(operation);
}

std::string check_depthwise(const Operation& operation) {
  if (std::string why = check_window(operation); !why.empty()) return why;
  const TensorFacts* in = operation.input(0);
  const TensorFacts* kernel = operation.input(1);
  const TensorFacts* bias = operation.input(2);
  const TensorFacts* out = operation.output(0);
  if (in == nullptr || kernel == nullptr || out == nullptr) return "an input is absent";
  if (in->rank() != 4 || kernel->rank() != 4 || out->rank() != 4) {
    return "its input, kernel or output has not 4 axes";
  }
  if (in->shape[0] != out->shape[0]) return "its input and output have different batches";
  const std::int64_t multiplier = find_window(operation.op)->depth_multiplier;
  if (kernel->shape[3] != out->shape[3] || out->shape[3] != in->shape[3] * multiplier) {
    return "the channels of its kernel, input and output do not go together";
  }
  if (bias != nullptr && bias->elements() != out->shape[3]) return "its bias has another length";
  return {};
}

/// Shapes of a sum or product that the delegate of a phone broadcasts.
std::string check_broadcast(const Operation& operation) {
  if (operation.op.inputs.size() != 2) return "it has not 2 inputs";
  const TensorFacts* a = operation.input(0);
  const TensorFacts* b = operation.input(1);
  if (a == nullptr || b == nullptr) return "an input is absent";
  if (a->rank() > 1 && b->rank() > 1 && a->rank() != b->rank()) {
    const auto& longer = a->rank() >= b->rank() ? a->shape : b->shape;
    const auto& shorter = a->rank() >= b->rank() ? b->shape : a->shape;
    const bool is_image = longer.size() == 4 && longer[0] == 1;
    const bool fits = (is_image && shorter.size() == 3) ||
                      (is_image && shorter.size() == 2 && shorter[0] == 1 && shorter[1] == 1) ||
                      (longer.size() == 4 && shorter.size() == 2 && longer[0] == shorter[0] &&
                       longer[3] == shorter[1]);
    if (!fits) {
      return fmt::format("it broadcasts {} and {}", text_of(a->shape), text_of(b->shape));
    }
  }
  return check_activation(operation);
}

std::string check_add_n(const Operation& operation) {
  return operation.op.inputs.size() == 2 ? std::string() : "it has not 2 inputs";
}

std::string check_batch_matmul(const Operation& operation) {
  const bool fits = operation.op.inputs.size() == 2 && operation.op.outputs.size() == 1;
  return fits ? std::string() : "it has not 2 inputs and 1 output";
}

std::string check_cast(const Operation& operation) {
  const Type from = operation.input(0)->type;
  const Type to = operation.output(0)->type;
  const bool fits = (from == Type::BOOL && is_float(to)) || (is_float(from) && to == Type::BOOL) ||
                    (is_any_of(from, {Type::FLOAT32, Type::INT32}) &&
                     is_any_of(to, {Type::FLOAT32, Type::INT32}));
  return fits ? std::string()
              : fmt::format("it turns {} into {}", name_of_type(from), name_of_type(to));
}

std::string check_cumsum(const Operation& operation) {
  const TensorFacts* in = operation.input(0);
  const TensorFacts* axis = operation.input(1);
  const TensorFacts* out = operation.output(0);
  if (in == nullptr || axis == nullptr || out == nullptr) return "an input is absent";
  const bool fits = is_float(in->type) && out->type == in->type && axis->type == Type::INT32 &&
                    operation.is_constant(1);
  return fits ? std::string() : "its values are not floats or its axis is not a constant int32";
}

std::string check_block(const Operation& operation) {
  const auto* wide = operation.op.table->builtin_options_as_DepthToSpaceOptions();
  const auto* deep = operation.op.table->builtin_options_as_SpaceToDepthOptions();
  int block = wide == nullptr ? 0 : wide->block_size();
  if (deep != nullptr) block = deep->block_size();
  return block > 1 ? std::string() : fmt::format("its block size is {}", block);
}

std::string check_dequantize(const Operation& operation) {
  if (operation.op.inputs.size() != 1 || operation.op.outputs.size() != 1) {
    return "it has not 1 input and 1 output";
  }
  const TensorFacts* in = operation.input(0);
  return in == nullptr || in->type == Type::INT16 ? "it decodes int16" : std::string();
}

std::string check_fully_connected(const Operation& operation) {
  const auto* options = operation.op.table->builtin_options_as_FullyConnectedOptions();
  if (options == nullptr) return "it has no options";
  if (options->weights_format() != tfl::WeightsFormat::DEFAULT) return "its kernel is shuffled";
  if (operation.count_inputs(false) > 2) return "it has more than 2 computed inputs";
  if (operation.is_constant(0)) return "its input is constant";
  const TensorFacts* in = operation.input(0);
  const TensorFacts* out = operation.output(0);
  if (in == nullptr || out == nullptr) return "an input or output is absent";
  const bool fits = !options->keep_num_dims() || in->rank() == out->rank();
  return fits ? std::string() : "its input and output have different numbers of axes";
}

std::string check_gather(const Operation& operation) {
  const TensorFacts* indices = operation.input(1);
  if (indices == nullptr) return "it has no indices";
  if (indices->rank() != 1) return fmt::format("its indices have {} axes", indices->rank());
  return indices->type == Type::INT32 ? std::string() : "its indices are not int32";
}

std::string check_pad(const Operation& operation) {
  if (operation.op.code == Code::MIRROR_PAD) {
    if (std::string why = check_mirror(operation); !why.empty()) return why;
  }
  const TensorFacts* pads = operation.input(1);
  if (pads == nullptr) return "it has no paddings";
  const bool fits =
      pads->rank() == 2 && (pads->shape[0] == 3 || pads->shape[0] == 4) && pads->shape[1] == 2;
  return fits ? std::string()
              : fmt::format("its paddings have the shape {}, [3,2] and [4,2] are taken",
                            text_of(pads->shape));
}

std::string check_resize_bilinear(const Operation& operation) {
  const auto* options = operation.op.table->builtin_options_as_ResizeBilinearOptions();
  if (options == nullptr) return "it has no options";
  const bool is_both = options->align_corners() && options->half_pixel_centers();
  return is_both ? "it aligns corners and centres" : std::string();
}

std::string check_select(const Operation& operation) {
  if (operation.op.inputs.size() != 3 || operation.op.outputs.size() != 1) {
    return "it has not 3 inputs and 1 output";
  }
  const TensorFacts* condition = operation.input(0);
  const TensorFacts* out = operation.output(0);
  if (condition == nullptr || out == nullptr) return "an input is absent";
  if (!is_float(condition->type) && condition->type != Type::BOOL) {
    return "its condition is neither a truth value nor a float";
  }
  if (condition->rank() > out->rank() || !broadcasts(out->shape, condition->shape)) {
    return "its condition has another shape than its output";
  }
  for (const std::size_t slot : {1U, 2U}) {
    const TensorFacts* branch = operation.input(slot);
    if (branch == nullptr) return "an input is absent";
    const bool fits = branch->shape == out->shape || (branch->rank() <= 1 && is_one(*branch));
    if (!fits) return "a branch has another shape than its output";
    if (!operation.is_constant(slot) && branch->rank() == 2) return "a branch is a computed table";
  }
  return {};
}

std::string check_slice(const Operation& operation) {
  const bool is_strided = operation.op.code == Code::STRIDED_SLICE;
  if (is_strided) {
    const auto* options = operation.op.table->builtin_options_as_StridedSliceOptions();
    if (options == nullptr) return "it has no options";
    if (options->ellipsis_mask() != 0) return "it has an ellipsis";
    if (options->new_axis_mask() != 0) return "it adds an axis";
    if (options->shrink_axis_mask() != 0) return "it removes an axis";
  }
  if (operation.op.inputs.size() < (is_strided ? 4 : 3)) return "an input is absent";
  const TensorFacts* in = operation.input(0);
  const bool fits = in != nullptr && (in->rank() == 3 || in->rank() == 4);
  return fits ? std::string() : "its input has not 3 or 4 axes";
}

std::string check_softmax(const Operation& operation) {
  const auto* options = operation.op.table->builtin_options_as_SoftmaxOptions();
  const float beta = options == nullptr ? 0.0F : options->beta();
  return beta == 1.0F ? std::string() : fmt::format("its beta is {:g}", beta);
}

std::string check_one_hot(const Operation& operation) {
  if (operation.op.inputs.size() != 4 || operation.op.outputs.size() != 1) {
    return "it has not 4 inputs and 1 output";
  }
  const TensorFacts* indices = operation.input(0);
  if (indices == nullptr || indices->type != Type::INT32) return "its indices are not int32";
  for (const std::size_t slot : {2U, 3U}) {
    const TensorFacts* value = operation.input(slot);
    const bool fits = value != nullptr && value->type == Type::FLOAT32 &&
                      operation.is_constant(slot) && value->rank() <= 1 && is_one(*value);
    if (!fits) return "a value is not one constant float32";
  }
  return {};
}

/// A comparison is taken together with the operator that turns its result into floats.
std::string check_logical(const Operation& operation) {
  if (operation.op.outputs.empty() || operation.op.outputs[0] < 0) return "it has no output";
  const auto out = static_cast<std::size_t>(operation.op.outputs[0]);
  const auto& readers = operation.graph.readers[out];
  if (readers.size() != 1) return fmt::format("{} operators read its truth values", readers.size());
  const OperatorFacts& reader = operation.graph.operators[readers[0]];
  const TensorFacts* result = operation.graph.output(reader, 0);
  const bool is_taken =
      reader.code == Code::CAST || reader.code == Code::SELECT || reader.code == Code::SELECT_V2;
  if (is_taken && result != nullptr && is_float(result->type)) return {};
  return fmt::format("{} reads its truth values", reader.type);
}

}  // namespace visionpress::tflite::gpu
