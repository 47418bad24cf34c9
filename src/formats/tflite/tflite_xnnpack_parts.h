#pragma once

// What the rules of LiteRT's XNNPACK delegate are made of. Private to this folder.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "formats/tflite/tflite_on_xnnpack.h"
#include "formats/tflite/tflite_runtime_checks.h"

namespace visionpress::tflite::xnnpack {

/// Most axes of a tensor in XNNPACK: XNN_MAX_TENSOR_DIMS.
inline constexpr std::size_t kMostAxes = 6;

/// Types of computed values that an operator takes. The 8-bit ones need one scale, on axis 0.
enum class Takes : std::uint8_t {
  Float32,
  Float,          ///< float32 and float16
  FloatOrInt8,    ///< and int8
  FloatOr8Bit,    ///< and int8, uint8
  Float32Or8Bit,  ///< float32, int8, uint8
  Only8Bit,       ///< int8, uint8
  Unchecked,
};

/// One operator with the graph around it.
struct Context {
  const GraphFacts& graph;
  const OperatorFacts& op;
  const UnpackedTensors& unpacked;

  [[nodiscard]] const TensorFacts* input(std::size_t slot) const { return graph.input(op, slot); }
  [[nodiscard]] const TensorFacts* output(std::size_t slot) const { return graph.output(op, slot); }
  /// Whether the input's values are known when the file is opened.
  [[nodiscard]] bool is_known(std::size_t slot) const {
    if (slot >= op.inputs.size() || op.inputs[slot] < 0) return false;
    const auto id = static_cast<std::size_t>(op.inputs[slot]);
    return graph.tensors[id].is_constant || unpacked.is_unpacked[id];
  }
  /// The type that the delegate reads: halves that it does not decode stay halves.
  [[nodiscard]] tfl::TensorType read_type(std::size_t slot) const {
    const auto id = static_cast<std::size_t>(op.inputs[slot]);
    return unpacked.stays_half[id] ? tfl::TensorType::FLOAT16 : graph.tensors[id].type;
  }
};

[[nodiscard]] bool is_8_bit(const TensorFacts& tensor);
/// An int8 or uint8 value that is computed: it has one scale, on axis 0.
[[nodiscard]] std::string check_8_bit(const TensorFacts& tensor, std::string_view what);
[[nodiscard]] std::string check_type(const TensorFacts& tensor, Takes takes, std::string_view what);
[[nodiscard]] std::string check_activation(const Context& context);
/// Input `slot` holds whole numbers that are in the file, of int32 (or int64).
[[nodiscard]] std::string check_numbers(const Context& context, std::size_t slot,
                                        bool takes_int64 = false);
[[nodiscard]] std::string check_known(const Context& context, std::size_t slot,
                                      std::string_view what);

// Operators with a kernel. Inputs and outputs are there, in the number that the table of rules
// states.
[[nodiscard]] std::string check_conv(const Context& context);
[[nodiscard]] std::string check_depthwise(const Context& context);
[[nodiscard]] std::string check_transpose_conv(const Context& context);
[[nodiscard]] std::string check_fully_connected(const Context& context);
[[nodiscard]] std::string check_batch_matmul(const Context& context);
/// MediaPipe's Convolution2DTransposeBias.
[[nodiscard]] std::string check_mediapipe_conv(const Context& context);

// Operators on single values, and pools.
[[nodiscard]] std::string check_sum(const Context& context);
[[nodiscard]] std::string check_product(const Context& context);
[[nodiscard]] std::string check_slope(const Context& context);
[[nodiscard]] std::string check_leaky(const Context& context);
[[nodiscard]] std::string check_quantize(const Context& context);
[[nodiscard]] std::string check_pool(const Context& context);
[[nodiscard]] std::string check_softmax(const Context& context);

// Operators that move values.
[[nodiscard]] std::string check_concat(const Context& context);
[[nodiscard]] std::string check_depth_to_space(const Context& context);
[[nodiscard]] std::string check_space_to_depth(const Context& context);
[[nodiscard]] std::string check_reduce(const Context& context);
[[nodiscard]] std::string check_pad(const Context& context);
[[nodiscard]] std::string check_reshape(const Context& context);
[[nodiscard]] std::string check_resize(const Context& context);
[[nodiscard]] std::string check_slice(const Context& context);
[[nodiscard]] std::string check_strided_slice(const Context& context);
[[nodiscard]] std::string check_split(const Context& context);
[[nodiscard]] std::string check_transpose(const Context& context);
[[nodiscard]] std::string check_assigned(const Context& context);
[[nodiscard]] std::string check_read(const Context& context);
[[nodiscard]] std::string check_custom_pool(const Context& context);

}  // namespace visionpress::tflite::xnnpack
