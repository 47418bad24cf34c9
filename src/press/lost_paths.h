#pragma once

// What a new form costs in the runtimes that open the file: operators that left a fast path.

#include <string>

#include "visionpress/runtimes.h"

namespace visionpress {

/// The operators that a runtime took in the source and leaves to a slower way in the new file, and
/// those that the new file has in addition and that it does not take, by runtime and reason, on one
/// line; empty where there are none. Runtimes that did not take the whole source themselves are
/// judged by the operators that they took.
[[nodiscard]] std::string describe_lost_paths(const RuntimeReport& source,
                                              const RuntimeReport& written);

}  // namespace visionpress
