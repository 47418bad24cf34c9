#pragma once

// Which operators LiteRT's XNNPACK delegate takes, as its version 2.3.0 decides it. Private to this
// folder.

#include <string>
#include <vector>

#include "formats/tflite/tflite_runtime_facts.h"

namespace visionpress::tflite {

/// Constants that the delegate decodes once, when the file is opened.
struct UnpackedTensors {
  std::vector<bool> is_unpacked = {};  ///< by tensor: the result of such an operator
  /// By tensor: halves that stay halves, because only convolutions and fully connected layers read
  /// them as their kernel or bias.
  std::vector<bool> stays_half = {};
};

/// Why the delegate does not take an operator with computed inputs; empty: it does.
[[nodiscard]] std::string check_xnnpack_rule(const GraphFacts& graph, const OperatorFacts& op,
                                             const UnpackedTensors& unpacked);

/// Why the delegate takes an operator and then fails, so that the file does not run with it; empty:
/// it does not fail.
[[nodiscard]] std::string check_xnnpack_breaks(const GraphFacts& graph, const OperatorFacts& op);

/// Why the delegate does not take each operator of the graph; empty: it does.
[[nodiscard]] std::vector<std::string> list_xnnpack_refusals(const GraphFacts& graph);

}  // namespace visionpress::tflite
