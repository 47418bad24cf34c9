#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "visionpress/vocabulary.h"

namespace visionpress {

/// Values that the user gives for what a model's file leaves open.
struct ReadOptions {
  /// Height and width of the image input.
  std::optional<std::array<std::int64_t, 2>> input_size = std::nullopt;
  /// Scalar inputs that become constants before the graph is read; only TensorFlow graphs have
  /// them. Numbers are written as in C, booleans as true or false.
  std::vector<InputSetting> settings = {};
};

}  // namespace visionpress
