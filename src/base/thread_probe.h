#pragma once

#include <cstddef>

namespace visionpress {

/// Whether the system can start `count` more threads now: starts them and ends them.
/// cost: about 30 microseconds per thread.
[[nodiscard]] bool can_start_threads(std::size_t count);

}  // namespace visionpress
