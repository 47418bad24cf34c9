#pragma once

// The heads that are known, in the order in which they are asked.

#include <array>

#include "eval/heads/heads.h"

namespace visionpress {

// Each stands in the file of its name.
extern const HeadKind tiny_yolo_v2_head;

inline constexpr std::array kHeads = {&tiny_yolo_v2_head};

}  // namespace visionpress
