#pragma once

// Which operators LiteRT's own kernels take, and which files LiteRT opens, as its version 2.3.0
// decides it. Private to this folder.

#include <string>
#include <vector>

#include "formats/tflite/tflite_runtime_facts.h"

namespace visionpress::tflite {

/// Why LiteRT has no kernel for an operator; empty: it has one.
[[nodiscard]] std::string check_builtin_rule(const GraphFacts& graph, const OperatorFacts& op);

/// Why LiteRT does not open the file, before any operator is run; empty: it opens it.
[[nodiscard]] std::string check_opens(const TfliteModel& model, const GraphFacts& graph);

}  // namespace visionpress::tflite
