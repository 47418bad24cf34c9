#pragma once

#include <chrono>
#include <cstddef>
#include <string>

namespace visionpress {

/// One line on stderr that keeps being rewritten: done of total, rate, time left. Silent when
/// stderr is no terminal or `quiet`.
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
  bool visible_;
  bool drawn_ = false;
  std::string what_ = {};
  Clock::time_point begun_ = {};
  Clock::time_point last_ = {};
};

}  // namespace visionpress
