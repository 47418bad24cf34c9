#pragma once

// How busy other programs kept the machine while something was timed.

#include <optional>

namespace visionpress {

/// Processor seconds since some fixed point in the past.
struct ProcessorSeconds {
  double all = 0.0;   ///< of every program on this machine, and time that its host took away
  double ours = 0.0;  ///< of this process
};

/// returns: nothing where the system does not provide the figures. The kernel counts `all` in ticks
/// of 10 ms, so a difference over less than about 0.2 s says little.
/// source: proc(5), /proc/stat; getrusage(2).
[[nodiscard]] std::optional<ProcessorSeconds> read_processor_seconds();

/// How many cores other programs kept busy between two readings that lie `wall_seconds` apart;
/// never negative.
[[nodiscard]] double count_busy_cores(const ProcessorSeconds& before, const ProcessorSeconds& after,
                                      double wall_seconds);

}  // namespace visionpress
