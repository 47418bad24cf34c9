#pragma once

// The types of values that LiteRT's own kernels compute with. Private to this folder.

#include <string>

#include "formats/tflite/tflite_runtime_facts.h"

namespace visionpress::tflite {

/// Why LiteRT has no kernel for the type of an operator's values; empty: it has one, or the
/// operator takes every type that files have.
[[nodiscard]] std::string check_kernel_type(const GraphFacts& graph, const OperatorFacts& op);

}  // namespace visionpress::tflite
