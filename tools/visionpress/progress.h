#pragma once

#include <chrono>
#include <cstddef>
#include <string>

namespace visionpress {

/// One line on stderr that keeps being rewritten: done of total, rate, time left. Where stderr is
/// no terminal, a line for each ten seconds that one thing takes. Silent when `quiet`.
class ProgressMeter {
 public:
  explicit ProgressMeter(bool quiet);
  ProgressMeter(const ProgressMeter&) = delete;
  ProgressMeter& operator=(const ProgressMeter&) = delete;
  /// Wipes the line.
  ~ProgressMeter();

  /// total: 0 where it is not known; then the time it has taken is shown.
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

/// Says why a service is waited for, where people would wonder; a log takes the long waits alone.
void say_wait(double seconds, const std::string& why);

}  // namespace visionpress
