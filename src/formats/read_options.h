#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "visionpress/vocabulary.h"

namespace visionpress {

/// What the user says of a model where its file leaves it open.
struct ReadOptions {
  /// Height and width of the image input.
  std::optional<std::array<std::int64_t, 2>> input_size = std::nullopt;
  /// Scalar inputs that become constants before anything else is done; TensorFlow graphs alone have
  /// them. Numbers as in C, booleans as true or false.
  std::vector<InputSetting> settings = {};
};

}  // namespace visionpress
