#pragma once

// Conditions of the GPU delegate on single operators. Private to this folder.

#include <cstddef>
#include <cstdint>
#include <string>

#include "formats/tflite/tflite_runtime_checks.h"

namespace visionpress::tflite::gpu {

/// Values that are computed and constants that an operator takes, with how many outputs.
enum class Operands : std::uint8_t {
  Any,          ///< not counted
  OneValue,     ///< 1 computed, any constants, 1 output
  OnlyOne,      ///< 1 computed, no constant, 1 output
  TwoOrOne,     ///< 2 computed, or 1 and a constant; 1 output
  AxesList,     ///< 1 computed, constant int32 axes; 1 output
  Convolution,  ///< 1 or 2 computed, 1 output
};

/// One operator with the constants in halves that the delegate reads in place of their DEQUANTIZE.
struct Operation {
  const GraphFacts& graph;
  const OperatorFacts& op;
  const std::vector<bool>& is_half;  ///< by tensor: a decoded constant, which counts as constant

  [[nodiscard]] const TensorFacts* input(std::size_t slot) const { return graph.input(op, slot); }
  [[nodiscard]] const TensorFacts* output(std::size_t slot) const { return graph.output(op, slot); }
  [[nodiscard]] bool is_constant(std::size_t slot) const {
    const TensorFacts* tensor = input(slot);
    return tensor != nullptr &&
           (tensor->is_constant || is_half[static_cast<std::size_t>(op.inputs[slot])]);
  }
  [[nodiscard]] std::size_t count_inputs(bool constant) const {
    std::size_t count = 0;
    for (std::size_t i = 0; i < op.inputs.size(); ++i) {
      if (input(i) != nullptr && is_constant(i) == constant) ++count;
    }
    return count;
  }
};

using Check = std::string (*)(const Operation& operation);

struct Rule {
  tfl::BuiltinOperator code = tfl::BuiltinOperator::CUSTOM;
  int last_version = 0;  ///< 0: every version
  Operands operands = Operands::Any;
  Check check = nullptr;
};

[[nodiscard]] bool is_float(tfl::TensorType type);
/// Whether it compares: its result is a truth value.
[[nodiscard]] bool is_logical(tfl::BuiltinOperator code);
[[nodiscard]] std::string check_operands(const Operation& operation, Operands operands);
[[nodiscard]] std::string check_activation(const Operation& operation);
[[nodiscard]] std::string check_add_n(const Operation& operation);
[[nodiscard]] std::string check_batch_matmul(const Operation& operation);
[[nodiscard]] std::string check_block(const Operation& operation);
[[nodiscard]] std::string check_broadcast(const Operation& operation);
[[nodiscard]] std::string check_cast(const Operation& operation);
[[nodiscard]] std::string check_cumsum(const Operation& operation);
[[nodiscard]] std::string check_depthwise(const Operation& operation);
[[nodiscard]] std::string check_dequantize(const Operation& operation);
[[nodiscard]] std::string check_fully_connected(const Operation& operation);
[[nodiscard]] std::string check_gather(const Operation& operation);
[[nodiscard]] std::string check_logical(const Operation& operation);
[[nodiscard]] std::string check_one_hot(const Operation& operation);
[[nodiscard]] std::string check_pad(const Operation& operation);
[[nodiscard]] std::string check_resize_bilinear(const Operation& operation);
[[nodiscard]] std::string check_select(const Operation& operation);
[[nodiscard]] std::string check_slice(const Operation& operation);
[[nodiscard]] std::string check_softmax(const Operation& operation);
[[nodiscard]] std::string check_window(const Operation& operation);

}  // namespace visionpress::tflite::gpu
