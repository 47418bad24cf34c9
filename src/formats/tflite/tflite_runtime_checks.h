#pragma once

// Conditions on tensors that the rules of several runtimes are made of. Each check returns the
// reason why it is not met; empty: it is. Private to this folder.

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "formats/tflite/tflite_runtime_facts.h"

namespace visionpress::tflite {

/// The first reason that is not empty. Evaluates all of them: for cheap checks only.
[[nodiscard]] inline std::string first_reason(std::initializer_list<std::string> reasons) {
  for (const std::string& reason : reasons) {
    if (!reason.empty()) return reason;
  }
  return {};
}

/// "[1,224,224,3]"
[[nodiscard]] inline std::string text_of(const std::vector<std::int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ","));
}

/// Rank within [least, most] and no size of 0 or less.
[[nodiscard]] std::string check_rank(const TensorFacts& tensor, std::string_view what,
                                     std::size_t least, std::size_t most);
[[nodiscard]] std::string check_input_count(const OperatorFacts& op, std::size_t least,
                                            std::size_t most);
[[nodiscard]] std::string check_output_count(const OperatorFacts& op, std::size_t least,
                                             std::size_t most);
/// The fused activation by its number in the schema; none for operators without one.
[[nodiscard]] std::string_view name_of_activation(tfl::Activation activation);

/// The activation that an operator applies to its own result.
[[nodiscard]] tfl::Activation fused_activation(const OperatorFacts& op);

/// A window and its steps: of convolutions and pools.
struct WindowFacts {
  std::int64_t stride_w = 1;
  std::int64_t stride_h = 1;
  std::int64_t dilation_w = 1;
  std::int64_t dilation_h = 1;
  std::int64_t filter_w = 1;  ///< of pools
  std::int64_t filter_h = 1;
  std::int64_t depth_multiplier = 1;
  tfl::Padding padding = tfl::Padding::SAME;
};

/// The window of a convolution or pool; nothing for other operators and without options.
[[nodiscard]] std::optional<WindowFacts> find_window(const OperatorFacts& op);

/// The padding and strides that MediaPipe's custom operators keep as plain integers.
/// source: TfLiteTransposeConvParams, TfLitePoolParams in tflite/core/c/builtin_op_data.h.
[[nodiscard]] WindowFacts read_custom_window(const OperatorFacts& op);

}  // namespace visionpress::tflite
