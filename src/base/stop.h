#pragma once

#include <atomic>
#include <chrono>
#include <optional>

namespace visionpress {

/// When unfinished work is to be abandoned: at a deadline, or when somebody cancels it. Long loops
/// test `is_due` between their pieces.
struct Stop {
  std::optional<std::chrono::steady_clock::time_point> deadline = std::nullopt;
  const std::atomic<bool>* cancelled = nullptr;  ///< borrowed

  [[nodiscard]] bool is_cancelled() const {
    return cancelled != nullptr && cancelled->load(std::memory_order_relaxed);
  }
  /// cost: one reading of the clock.
  [[nodiscard]] bool is_due() const {
    return is_cancelled() || (deadline && std::chrono::steady_clock::now() >= *deadline);
  }
};

}  // namespace visionpress
