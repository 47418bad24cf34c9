#pragma once

// The heads that are known, in the order in which they are asked.

#include <array>

#include "eval/heads/heads.h"

namespace visionpress {

// Each stands in the file of its name.
extern const HeadKind kTinyYoloV2;

inline constexpr std::array kHeads = {&kTinyYoloV2};

}  // namespace visionpress
