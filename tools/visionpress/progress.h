#pragma once

#include <chrono>
#include <cstddef>
#include <string>

#include "visionpress/vocabulary.h"

namespace visionpress {

/// Rewrites one line on stderr: done of total, rate, time left. Where stderr is not a terminal, it
/// prints one line per ten seconds that a step takes. Silent when `quiet`.
class ProgressMeter {
 public:
  explicit ProgressMeter(bool quiet);
  ProgressMeter(const ProgressMeter&) = delete;
  ProgressMeter& operator=(const ProgressMeter&) = delete;
  /// Wipes the line.
  ~ProgressMeter();

  /// total: 0 where it is unknown; the line then shows the elapsed time.
  void update(std::size_t done, std::size_t total, const std::string& what);

 private:
  using Clock = std::chrono::steady_clock;
  bool quiet_;
  bool on_terminal_;
  bool drawn_ = false;
  std::string what_ = {};
  Clock::time_point begun_ = {};
  Clock::time_point last_ = {};
};

/// Shows the progress of a call on the meter, which must outlive it.
[[nodiscard]] Progress show_on(ProgressMeter& meter);

/// Prints why the program waits for a service, if the wait is long enough to notice. Logs get only
/// the long waits.
void say_wait(double seconds, const std::string& why);

}  // namespace visionpress
