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
  /// Inputs that become constants before the operators are read, in TensorFlow graphs and TFLite
  /// files: a number as in C, true or false, or an array file (input_values.h).
  std::vector<InputSetting> settings = {};
};

}  // namespace visionpress
