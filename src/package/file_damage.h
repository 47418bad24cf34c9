#pragma once

#include <string>

#include "base/bytes.h"

namespace visionpress {

/// Guesses how a file that a reader refused was damaged: saved as text, or sent as text. Empty
/// where nothing points to damage.
[[nodiscard]] std::string describe_damage(Bytes bytes);

}  // namespace visionpress
