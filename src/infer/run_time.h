#pragma once

// Measures how long a network takes.

#include <span>

#include "run/executor.h"
#include "visionpress/evaluate.h"
#include "visionpress/result.h"

namespace visionpress {

/// Runs the network alone, warm, for at least a fifth of a second. input: one preprocessed image.
/// errors: of the run. cost: at most about 3 s, more where one run takes longer than that.
[[nodiscard]] Result<RunTime> measure_run(const Executor& executor, std::span<const float> input,
                                          int threads);

/// The median and quartiles of the times. times: milliseconds, one per run, at least one;
/// reordered.
[[nodiscard]] RunTime summarize_times(std::span<double> times);

/// Whether `threads` threads and the `other_cores` cores that other programs kept busy are more
/// than the machine has.
[[nodiscard]] bool is_disturbed(double other_cores, int threads, int core_count);

}  // namespace visionpress
