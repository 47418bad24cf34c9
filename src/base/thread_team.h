#pragma once

// The program's one team of threads. Whoever has a loop of independent pieces lends it to the team
// and works on it too, so a piece waits for nobody: the caller finishes alone what no other thread
// has begun. A waiting thread watches for work for kSpinMicroseconds, then it sleeps.

#include <cstddef>

namespace visionpress {

/// How long a thread without work watches for more before it sleeps: longer than the gaps between
/// the layers of a network. It would otherwise sleep in each, and waking takes some ten
/// microseconds; spinning for long would take the core from a thread that has work.
constexpr int kSpinMicroseconds = 50;

/// Calls the pieces of one loop; see parallel.h, whose templates are what callers use.
struct TeamLoop {
  std::size_t count = 0;
  void (*call)(const void* body, std::size_t i, std::size_t worker) = nullptr;
  const void* body = nullptr;
};

/// Number of threads used where the caller did not say: OMP_NUM_THREADS if that is a number, which
/// people set for other tools too, else the cores that this process may use.
[[nodiscard]] int default_thread_count();

/// Calls loop.call, which must not throw, for each i in [0, count), on the calling thread and at
/// most `threads` - 1 of the team's, and returns when all calls have. Within a piece of a loop, a
/// loop runs on its own thread. Threads are started when first needed; where the system gives none,
/// fewer work.
void run_on_team(const TeamLoop& loop, std::size_t threads) noexcept;

}  // namespace visionpress
