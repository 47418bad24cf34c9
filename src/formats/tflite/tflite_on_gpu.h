#pragma once

// Which operators the GPU delegate of TFLite / LiteRT takes, as its source documents it: nothing
// here was compared with a GPU. Private to this folder.

#include <string>
#include <vector>

#include "formats/tflite/tflite_runtime_facts.h"

namespace visionpress::tflite {

/// Why the delegate does not take each operator of the graph; empty: it does. By the delegate's
/// defaults: 8-bit values allowed.
[[nodiscard]] std::vector<std::string> list_gpu_refusals(const GraphFacts& graph);

}  // namespace visionpress::tflite
