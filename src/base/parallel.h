#pragma once

// Loops over independent pieces on the program's team of threads. Results must not depend on the
// split, so outputs are the same at any thread count.

#include <cstddef>

#include "base/thread_team.h"

namespace visionpress {

/// The threads for work of so many multiplications or copied values: one where handing over to
/// another thread (about a microsecond if it watches for work) costs more than it saves.
[[nodiscard]] int threads_worth(std::size_t operations, int threads);

/// The share of each task where `count` pieces are split evenly over the threads, in as many rounds
/// as are needed for a task to have at most about `most`. most, threads: 1 or more.
[[nodiscard]] inline std::size_t even_share(std::size_t count, std::size_t most,
                                            std::size_t threads) {
  const std::size_t rounds = (count + most * threads - 1) / (most * threads);
  return count == 0 ? 0 : (count + rounds * threads - 1) / (rounds * threads);
}

/// even_share in whole groups; at least one.
[[nodiscard]] inline std::size_t even_groups(std::size_t count, std::size_t most, int threads,
                                             std::size_t group) {
  const std::size_t even =
      even_share(count, most, threads > 1 ? static_cast<std::size_t>(threads) : 1);
  return even == 0 ? group : (even + group - 1) / group * group;
}

/// Calls body(i, worker) for i in [0, count), on at most `threads` threads; `worker` is below
/// `threads` and no two calls at the same time have the same one, so it can index scratch. `body`
/// must not throw.
template <typename Body>
void parallel_for_workers(std::size_t count, int threads, const Body& body) {
  if (threads <= 1 || count <= 1) {
    for (std::size_t i = 0; i < count; ++i) body(i, std::size_t{0});
    return;
  }
  const auto call = [](const void* opaque, std::size_t i, std::size_t worker) {
    (*static_cast<const Body*>(opaque))(i, worker);
  };
  run_on_team({.count = count, .call = call, .body = &body}, static_cast<std::size_t>(threads));
}

/// Calls body(i) for i in [0, count), on at most `threads` threads. `body` must not throw.
template <typename Body>
void parallel_for(std::size_t count, int threads, const Body& body) {
  parallel_for_workers(count, threads, [&body](std::size_t i, std::size_t) { body(i); });
}

/// Calls body(begin, end) for ranges of at most `step` of [0, count), on at most `threads` threads.
/// step: 1 or more.  `body` must not throw.
template <typename Body>
void parallel_for_ranges(std::size_t count, std::size_t step, int threads, const Body& body) {
  parallel_for((count + step - 1) / step, threads, [&](std::size_t i) {
    body(i * step, count < (i + 1) * step ? count : (i + 1) * step);
  });
}

}  // namespace visionpress
