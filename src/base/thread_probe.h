#pragma once

#include <cstddef>

namespace visionpress {

/// Whether the system gives `count` threads more at this moment: starts them and ends them. OpenMP
/// ends the program where it cannot have a thread, so whoever needs a team asks before.
/// cost: about 30 microseconds a thread.
[[nodiscard]] bool can_start_threads(std::size_t count);

}  // namespace visionpress
