#pragma once

#include <string>

#include "base/bytes.h"

namespace visionpress {

/// What happened to a file that a reader has refused: saved as text, sent as text. Empty where
/// nothing points to it.
[[nodiscard]] std::string describe_damage(Bytes bytes);

}  // namespace visionpress
