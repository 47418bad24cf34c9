#pragma once

// Raising the version of ONNX's operators that a file uses. Most operators mean the same in the
// newer version; some have an attribute that became an input, which is moved; for the rest the file
// stays at its version.

#include <map>
#include <string>
#include <vector>

#include "formats/onnx/onnx_graph.h"

namespace visionpress::onnx {

/// The first opset whose DequantizeLinear has one scale per channel, 4 bits, 2 bits.
constexpr std::int64_t kOpsetPerAxis = 13;
constexpr std::int64_t kOpsetFourBits = 21;
constexpr std::int64_t kOpsetTwoBits = 25;

/// The IR version that an opset needs (onnx/onnx docs/Versioning.md).
[[nodiscard]] std::int64_t ir_version_of(std::int64_t opset);

/// What becomes of one node.
struct NodeChange {
  std::size_t node = 0;                   ///< of the graph, in the order of ModelFile
  std::vector<std::string> dropped = {};  ///< attributes
  std::vector<std::pair<std::string, std::vector<std::int64_t>>> inputs = {};
  ///< attributes that become integer inputs, in order, and their values
  std::vector<std::pair<std::string, std::int64_t>> added = {};  ///< attributes with their values
};

/// The changes that make the model one of opset `target`; an empty `why_not` says that it can be.
struct OpsetRaise {
  std::int64_t target = 0;
  std::vector<NodeChange> changes = {};
  std::string why_not = {};
};

/// Plans the raise from the file's opset. target: above the file's.
[[nodiscard]] OpsetRaise plan_raise(const ModelFile& model, std::int64_t target);

}  // namespace visionpress::onnx
