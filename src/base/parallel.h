#pragma once

// Loops over independent pieces on OpenMP's team: the same team oneDNN uses, so the two never fight
// for cores. Results must not depend on the split, so outputs are the same at any thread count.

#include <cstddef>

#include <omp.h>

namespace visionpress {

/// Number of threads used where the caller did not say: OpenMP's own (OMP_NUM_THREADS, else cores).
[[nodiscard]] inline int default_thread_count() { return omp_get_max_threads(); }

/// Calls body(i, worker) for i in [0, count), on at most `threads` threads; `worker` is below
/// `threads` and no two calls at the same time have the same one, so it can index scratch. `body`
/// must not throw.
template <typename Body>
void parallel_for_workers(std::size_t count, int threads, const Body& body) {
  if (threads <= 1 || count <= 1) {
    for (std::size_t i = 0; i < count; ++i) body(i, std::size_t{0});
    return;
  }
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
  for (std::size_t i = 0; i < count; ++i) body(i, static_cast<std::size_t>(omp_get_thread_num()));
}

/// Calls body(i) for i in [0, count), on at most `threads` threads. `body` must not throw.
template <typename Body>
void parallel_for(std::size_t count, int threads, const Body& body) {
  parallel_for_workers(count, threads, [&body](std::size_t i, std::size_t) { body(i); });
}

}  // namespace visionpress
