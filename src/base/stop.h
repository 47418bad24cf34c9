#pragma once

#include <atomic>
#include <chrono>
#include <optional>

namespace visionpress {

/// When a piece of work is to end although it is not done: at a time, or when somebody wants it.
/// Long loops look at `is_due` between their pieces.
struct Stop {
  std::optional<std::chrono::steady_clock::time_point> deadline = std::nullopt;
  const std::atomic<bool>* cancelled = nullptr;  ///< borrowed

  [[nodiscard]] bool is_cancelled() const {
    return cancelled != nullptr && cancelled->load(std::memory_order_relaxed);
  }
  /// cost: a look at the clock.
  [[nodiscard]] bool is_due() const {
    return is_cancelled() || (deadline && std::chrono::steady_clock::now() >= *deadline);
  }
};

}  // namespace visionpress
