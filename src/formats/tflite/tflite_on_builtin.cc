#include "formats/tflite/tflite_on_builtin.h"

#include <algorithm>
#include <array>

#include "formats/tflite/tflite_builtin_types.h"
#include "formats/tflite/tflite_runtime_checks.h"

namespace visionpress::tflite {
namespace {

using Code = tfl::BuiltinOperator;
using Type = tfl::TensorType;

/// The versions of an operator that have a kernel.
struct KernelVersions {
  Code code;
  int first;
  int last;
};
/// source: LiteRT 2.3.0, tflite/core/kernels/register.cc.
constexpr auto kKernels = std::to_array<KernelVersions>({
    {Code::ABS, 1, 5},
    {Code::ADD, 1, 6},
    {Code::ADD_N, 1, 1},
    {Code::ARG_MAX, 1, 3},
    {Code::ARG_MIN, 1, 3},
    {Code::ASSIGN_VARIABLE, 1, 1},
    {Code::ATAN2, 1, 1},
    {Code::AVERAGE_POOL_2D, 1, 3},
    {Code::BATCH_MATMUL, 1, 4},
    {Code::BATCH_TO_SPACE_ND, 1, 4},
    {Code::BIDIRECTIONAL_SEQUENCE_LSTM, 1, 3},
    {Code::BIDIRECTIONAL_SEQUENCE_RNN, 1, 3},
    {Code::BITCAST, 1, 1},
    {Code::BITWISE_XOR, 1, 1},
    {Code::BROADCAST_ARGS, 1, 1},
    {Code::BROADCAST_TO, 2, 4},
    {Code::BUCKETIZE, 1, 1},
    {Code::CALL_ONCE, 1, 1},
    {Code::CAST, 1, 9},
    {Code::CEIL, 1, 1},
    {Code::COMPLEX_ABS, 1, 1},
    {Code::CONCATENATION, 1, 7},
    {Code::CONV_2D, 1, 8},
    {Code::CONV_3D, 1, 1},
    {Code::CONV_3D_TRANSPOSE, 1, 1},
    {Code::COS, 1, 2},
    {Code::CUMSUM, 1, 1},
    {Code::DENSIFY, 1, 1},
    {Code::DEPTHWISE_CONV_2D, 1, 7},
    {Code::DEPTH_TO_SPACE, 1, 2},
    {Code::DEQUANTIZE, 1, 9},
    {Code::DILATE, 1, 1},
    {Code::DIV, 1, 2},
    {Code::DYNAMIC_UPDATE_SLICE, 1, 6},
    {Code::ELU, 1, 1},
    {Code::EMBEDDING_LOOKUP, 1, 5},
    {Code::EMBEDDING_LOOKUP_SPARSE, 1, 1},
    {Code::EQUAL, 1, 5},
    {Code::EXP, 1, 2},
    {Code::EXPAND_DIMS, 1, 1},
    {Code::FAKE_QUANT, 1, 2},
    {Code::FILL, 1, 5},
    {Code::FLOOR, 1, 1},
    {Code::FLOOR_DIV, 1, 3},
    {Code::FLOOR_MOD, 1, 2},
    {Code::FULLY_CONNECTED, 1, 14},
    {Code::GATHER, 1, 8},
    {Code::GATHER_ND, 1, 6},
    {Code::GELU, 1, 3},
    {Code::GREATER, 1, 2},
    {Code::GREATER_EQUAL, 1, 3},
    {Code::HARD_SWISH, 1, 1},
    {Code::HASHTABLE, 1, 1},
    {Code::HASHTABLE_FIND, 1, 1},
    {Code::HASHTABLE_IMPORT, 1, 1},
    {Code::HASHTABLE_LOOKUP, 1, 1},
    {Code::HASHTABLE_SIZE, 1, 1},
    {Code::IF, 1, 1},
    {Code::IMAG, 1, 1},
    {Code::L2_NORMALIZATION, 1, 2},
    {Code::L2_POOL_2D, 1, 1},
    {Code::LEAKY_RELU, 1, 2},
    {Code::LESS, 1, 3},
    {Code::LESS_EQUAL, 1, 2},
    {Code::LOCAL_RESPONSE_NORMALIZATION, 1, 1},
    {Code::LOG, 1, 2},
    {Code::LOGICAL_AND, 1, 1},
    {Code::LOGICAL_NOT, 1, 1},
    {Code::LOGICAL_OR, 1, 1},
    {Code::LOGISTIC, 1, 3},
    {Code::LOG_SOFTMAX, 1, 2},
    {Code::LSH_PROJECTION, 1, 1},
    {Code::LSTM, 1, 4},
    {Code::MATRIX_DIAG, 1, 1},
    {Code::MATRIX_SET_DIAG, 1, 1},
    {Code::MAXIMUM, 1, 4},
    {Code::MAX_POOL_2D, 1, 3},
    {Code::MEAN, 1, 3},
    {Code::MINIMUM, 1, 4},
    {Code::MIRROR_PAD, 1, 3},
    {Code::MUL, 1, 8},
    {Code::MULTINOMIAL, 1, 1},
    {Code::NEG, 1, 1},
    {Code::NON_MAX_SUPPRESSION_V4, 1, 1},
    {Code::NON_MAX_SUPPRESSION_V5, 1, 1},
    {Code::NOT_EQUAL, 1, 4},
    {Code::ONE_HOT, 1, 1},
    {Code::PACK, 1, 5},
    {Code::PAD, 1, 6},
    {Code::PADV2, 1, 6},
    {Code::POW, 1, 1},
    {Code::PRELU, 1, 1},
    {Code::QUANTIZE, 1, 6},
    {Code::RANDOM_STANDARD_NORMAL, 1, 1},
    {Code::RANDOM_UNIFORM, 1, 1},
    {Code::RANGE, 1, 2},
    {Code::RANK, 1, 1},
    {Code::READ_VARIABLE, 1, 1},
    {Code::REAL, 1, 1},
    {Code::REDUCE_ALL, 1, 1},
    {Code::REDUCE_ANY, 1, 1},
    {Code::REDUCE_MAX, 1, 3},
    {Code::REDUCE_MIN, 1, 3},
    {Code::REDUCE_PROD, 1, 2},
    {Code::REDUCE_WINDOW, 1, 1},
    {Code::RELU, 1, 3},
    {Code::RELU6, 1, 3},
    {Code::RELU_0_TO_1, 1, 1},
    {Code::RELU_N1_TO_1, 1, 1},
    {Code::RESHAPE, 1, 1},
    {Code::RESIZE_BILINEAR, 1, 4},
    {Code::RESIZE_NEAREST_NEIGHBOR, 1, 4},
    {Code::REVERSE_SEQUENCE, 1, 1},
    {Code::REVERSE_V2, 1, 4},
    {Code::RFFT2D, 1, 1},
    {Code::RIGHT_SHIFT, 1, 1},
    {Code::RNN, 1, 3},
    {Code::ROUND, 1, 1},
    {Code::RSQRT, 1, 3},
    {Code::SCATTER_ND, 1, 1},
    {Code::SEGMENT_SUM, 1, 1},
    {Code::SELECT, 1, 4},
    {Code::SELECT_V2, 1, 2},
    {Code::SHAPE, 1, 1},
    {Code::SIGN, 1, 2},
    {Code::SIN, 1, 2},
    {Code::SKIP_GRAM, 1, 1},
    {Code::SLICE, 1, 8},
    {Code::SOFTMAX, 1, 4},
    {Code::SPACE_TO_BATCH_ND, 1, 4},
    {Code::SPACE_TO_DEPTH, 1, 2},
    {Code::SPARSE_TO_DENSE, 1, 3},
    {Code::SPLIT, 1, 5},
    {Code::SPLIT_V, 1, 3},
    {Code::SQRT, 1, 2},
    {Code::SQUARE, 1, 1},
    {Code::SQUARED_DIFFERENCE, 1, 2},
    {Code::SQUEEZE, 1, 2},
    {Code::STABLEHLO_ADD, 1, 1},
    {Code::STABLEHLO_AND, 1, 1},
    {Code::STABLEHLO_CASE, 1, 1},
    {Code::STABLEHLO_COMPOSITE, 1, 1},
    {Code::STABLEHLO_GATHER, 1, 1},
    {Code::STABLEHLO_MAXIMUM, 1, 1},
    {Code::STABLEHLO_MINIMUM, 1, 1},
    {Code::STABLEHLO_MULTIPLY, 1, 1},
    {Code::STABLEHLO_PAD, 1, 1},
    {Code::STABLEHLO_REDUCE_WINDOW, 1, 1},
    {Code::STABLEHLO_RNG_BIT_GENERATOR, 1, 1},
    {Code::STABLEHLO_SCATTER, 1, 1},
    {Code::STABLEHLO_SHIFT_LEFT, 1, 1},
    {Code::STRIDED_SLICE, 1, 8},
    {Code::SUB, 1, 5},
    {Code::SUM, 1, 2},
    {Code::SVDF, 1, 4},
    {Code::TANH, 1, 3},
    {Code::TILE, 1, 3},
    {Code::TOPK_V2, 1, 3},
    {Code::TRANSPOSE, 1, 9},
    {Code::TRANSPOSE_CONV, 1, 5},
    {Code::UNIDIRECTIONAL_SEQUENCE_LSTM, 1, 4},
    {Code::UNIDIRECTIONAL_SEQUENCE_RNN, 1, 3},
    {Code::UNIQUE, 1, 1},
    {Code::UNPACK, 1, 6},
    {Code::UNSORTED_SEGMENT_MAX, 1, 1},
    {Code::UNSORTED_SEGMENT_MIN, 1, 1},
    {Code::UNSORTED_SEGMENT_PROD, 1, 1},
    {Code::UNSORTED_SEGMENT_SUM, 1, 1},
    {Code::VAR_HANDLE, 1, 1},
    {Code::WHERE, 1, 2},
    {Code::WHILE, 1, 1},
    {Code::ZEROS_LIKE, 1, 1},
});

/// Custom operators that LiteRT's Python package and its C library know.
/// source: LiteRT 2.3.0, tflite/core/kernels/register.cc.
constexpr auto kCustomKernels =
    std::to_array<std::string_view>({"NumericVerify", "Mfcc", "AudioSpectrogram",
                                     "TFLite_Detection_PostProcess", "aeq.hadamard_rotation"});

const KernelVersions* find_kernel(Code code) {
  const auto* found = std::ranges::find(kKernels, code, &KernelVersions::code);
  return found == kKernels.end() ? nullptr : found;
}

std::string check_kernel_version(const OperatorFacts& op) {
  const KernelVersions* kernel = find_kernel(op.code);
  if (kernel == nullptr) return "LiteRT has no kernel for it";
  if (op.version >= kernel->first && op.version <= kernel->last) return {};
  return fmt::format("version {} has no kernel, versions {} to {} have", op.version, kernel->first,
                     kernel->last);
}

bool is_one_of(Type type, std::initializer_list<Type> types) {
  return std::ranges::find(types, type) != types.end();
}

std::string describe_kernel_types(const TensorFacts& in, const TensorFacts& kernel) {
  return fmt::format("no kernel for {} values and a {} kernel", name_of_type(in.type),
                     name_of_type(kernel.type));
}

/// Whether a kernel's zero points are all 0, as layers on int8 and int16 values need it.
std::string check_zero_points(const TensorFacts& kernel) {
  const auto found =
      std::ranges::find_if(kernel.zero_points, [](std::int64_t zero) { return zero != 0; });
  return found == kernel.zero_points.end()
             ? std::string()
             : fmt::format("its kernel has the zero point {}", *found);
}

std::string check_bias_type(const TensorFacts& in, const TensorFacts* bias) {
  if (bias == nullptr) return {};
  bool is_right = bias->type == in.type;
  if (is_one_of(in.type, {Type::INT8, Type::UINT8})) is_right = bias->type == Type::INT32;
  if (in.type == Type::INT16) is_right = is_one_of(bias->type, {Type::INT32, Type::INT64});
  if (is_right) return {};
  return fmt::format("its values are {} and its bias {}", name_of_type(in.type),
                     name_of_type(bias->type));
}

std::string check_conv_kernel(const GraphFacts& graph, const OperatorFacts& op) {
  const TensorFacts* in = graph.input(op, 0);
  const TensorFacts* kernel = graph.input(op, 1);
  const TensorFacts* bias = graph.input(op, 2);
  if (in == nullptr || kernel == nullptr) return "an input is absent";
  if (!is_one_of(in->type, {Type::FLOAT32, Type::UINT8, Type::INT8, Type::INT16})) {
    return fmt::format("no kernel for {} values", name_of_type(in->type));
  }
  const bool is_depthwise = op.code == Code::DEPTHWISE_CONV_2D;
  bool takes = kernel->type == in->type;
  if (in->type == Type::FLOAT32) {
    takes = takes || kernel->type == Type::INT8 ||
            (!is_depthwise && is_one_of(kernel->type, {Type::UINT8, Type::INT4}));
  } else if (in->type == Type::UINT8) {
    takes = takes || kernel->type == Type::INT8;
  } else {
    takes = is_one_of(kernel->type, {Type::INT8, Type::INT4});
  }
  if (!takes) return describe_kernel_types(*in, *kernel);
  const bool needs_zero = in->type == Type::INT8 || in->type == Type::INT16;
  if (needs_zero && !is_depthwise) {
    if (std::string why = check_zero_points(*kernel); !why.empty()) return why;
  }
  if (bias == nullptr && !is_depthwise) return "it has no bias";
  return check_bias_type(*in, bias);
}

std::string check_transpose_conv_kernel(const GraphFacts& graph, const OperatorFacts& op) {
  const TensorFacts* kernel = graph.input(op, 1);
  const TensorFacts* in = graph.input(op, 2);
  if (in == nullptr || kernel == nullptr) return "an input is absent";
  bool takes = kernel->type == in->type;
  if (in->type == Type::FLOAT32) takes = takes || kernel->type == Type::INT8;
  if (in->type == Type::INT16) takes = kernel->type == Type::INT8;
  if (!is_one_of(in->type, {Type::FLOAT32, Type::UINT8, Type::INT8, Type::INT16})) takes = false;
  return takes ? check_bias_type(*in, graph.input(op, 3)) : describe_kernel_types(*in, *kernel);
}

std::string check_matrix_kernel(const GraphFacts& graph, const OperatorFacts& op) {
  const TensorFacts* in = graph.input(op, 0);
  const TensorFacts* kernel = graph.input(op, 1);
  const TensorFacts* bias = graph.input(op, 2);
  if (in == nullptr || kernel == nullptr) return "an input is absent";
  if (kernel->rank() != 2) {
    return fmt::format("its kernel has {} axes, 2 are taken", kernel->rank());
  }
  const bool is_code =
      is_one_of(kernel->type, {Type::UINT8, Type::INT8, Type::INT4, Type::INT2, Type::INT16});
  bool takes = false;
  if (in->type == Type::FLOAT32) {
    takes = kernel->type == Type::FLOAT32 || (is_code && kernel->type != Type::INT16);
  } else if (in->type == Type::UINT8) {
    takes = kernel->type == Type::UINT8 || kernel->type == Type::INT8;
  } else if (is_one_of(in->type, {Type::INT8, Type::INT16})) {
    takes = is_code && kernel->type != Type::UINT8 &&
            (kernel->type != Type::INT16 || in->type == Type::INT16);
  }
  if (!takes) return describe_kernel_types(*in, *kernel);
  if (bias == nullptr) return {};
  const bool is_right = in->type == Type::FLOAT32
                            ? bias->type == Type::FLOAT32
                            : is_one_of(bias->type, {Type::INT32, Type::INT64});
  return is_right ? std::string()
                  : fmt::format("its values are {} and its bias {}", name_of_type(in->type),
                                name_of_type(bias->type));
}

/// The checks of operators whose kernels decide by more than the type of one value.
std::string check_weighted_types(const GraphFacts& graph, const OperatorFacts& op) {
  switch (op.code) {
    case Code::CONV_2D:
    case Code::DEPTHWISE_CONV_2D:
      return check_conv_kernel(graph, op);
    case Code::TRANSPOSE_CONV:
      return check_transpose_conv_kernel(graph, op);
    case Code::FULLY_CONNECTED:
      return check_matrix_kernel(graph, op);
    default:
      return {};
  }
}

std::string check_scales(const TensorFacts& tensor, std::size_t index) {
  if (tensor.quantized != Quantized::Affine) return {};
  const std::string what = fmt::format("tensor {} \"{}\"", index, tensor.name);
  if (tensor.zero_points.size() != tensor.scales.size()) {
    return fmt::format("{} has {} scales and {} zero points", what, tensor.scales.size(),
                       tensor.zero_points.size());
  }
  const auto axis = static_cast<std::size_t>(tensor.axis);
  if (tensor.axis < 0 || (!tensor.shape.empty() && axis >= tensor.rank())) {
    return fmt::format("{} has its scales along axis {} of {}", what, tensor.axis, tensor.rank());
  }
  const bool fits = tensor.scales.size() == 1 || tensor.shape.empty() ||
                    static_cast<std::int64_t>(tensor.scales.size()) == tensor.shape[axis];
  return fits ? std::string()
              : fmt::format("{} has {} scales along an axis of {}", what, tensor.scales.size(),
                            tensor.shape[axis]);
}

}  // namespace

std::string check_builtin_rule(const GraphFacts& graph, const OperatorFacts& op) {
  if (op.code == Code::CUSTOM) {
    const bool is_known = std::ranges::find(kCustomKernels, op.type) != kCustomKernels.end();
    return is_known ? std::string() : "LiteRT has no kernel for this custom operator";
  }
  if (std::string why = check_kernel_version(op); !why.empty()) return why;
  if (std::string why = check_kernel_type(graph, op); !why.empty()) return why;
  return check_weighted_types(graph, op);
}

std::string check_opens(const TfliteModel& model, const GraphFacts& graph) {
  // LiteRT looks for a kernel for each entry of the list of operator codes, used or not. Custom
  // ones it forgives until an operator uses them.
  for (std::size_t i = 0; i < size_of(model.root.operator_codes()); ++i) {
    const auto& code = at_index(*model.root.operator_codes(), i);
    OperatorFacts op;
    op.code = builtin_code(code);
    op.version = code.version();
    if (op.code == Code::CUSTOM) continue;
    if (const std::string why = check_kernel_version(op); !why.empty()) {
      const std::string name = tfl::EnumNameBuiltinOperator(op.code);
      return fmt::format(
          "{}: {}", name.empty() ? fmt::format("operator {}", static_cast<int>(op.code)) : name,
          why);
    }
  }
  for (std::size_t i = 0; i < graph.tensors.size(); ++i) {
    if (std::string why = check_scales(graph.tensors[i], i); !why.empty()) return why;
  }
  return {};
}

}  // namespace visionpress::tflite
