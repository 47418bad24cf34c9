#include "progress.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include <unistd.h>

namespace visionpress {
namespace {

constexpr auto kBetweenDrawings = std::chrono::milliseconds(100);
constexpr auto kBetweenLines = std::chrono::seconds(10);

/// "model.tflite: 20/195  4.1/s  43 s left"
std::string describe(std::size_t done, std::size_t total, const std::string& what, double seconds) {
  std::array<char, 96> text = {};
  if (total == 0) {
    std::snprintf(text.data(), text.size(), ": %.0f s", seconds);
    return what + text.data();
  }
  const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0.0;
  int length = std::snprintf(text.data(), text.size(), ": %zu/%zu", done, total);
  if (rate > 0 && done < total && length > 0) {
    const auto at = static_cast<std::size_t>(length);
    std::snprintf(text.data() + at, text.size() - at, "  %.1f/s  %.0f s left", rate,
                  static_cast<double>(total - done) / rate);
  }
  return what + text.data();
}

}  // namespace

ProgressMeter::ProgressMeter(bool quiet)
    : quiet_(quiet), on_terminal_(::isatty(STDERR_FILENO) == 1) {}

ProgressMeter::~ProgressMeter() {
  if (drawn_) std::fputs("\r\x1b[K", stderr);
}

void ProgressMeter::update(std::size_t done, std::size_t total, const std::string& what) {
  if (quiet_) return;
  const Clock::time_point now = Clock::now();
  const bool is_new = what != what_;
  if (is_new) {
    what_ = what;
    begun_ = now;
  }
  const std::chrono::duration<double> spent = now - begun_;
  if (on_terminal_) {
    if (!is_new && now - last_ < kBetweenDrawings && done != total) return;
    drawn_ = true;
    std::fprintf(stderr, "\r\x1b[K%s", describe(done, total, what, spent.count()).c_str());
  } else {
    // A log has a line of what takes long, and none of what does not.
    if (now - std::max(begun_, last_) < kBetweenLines) return;
    std::fprintf(stderr, "%s\n", describe(done, total, what, spent.count()).c_str());
  }
  last_ = now;
  std::fflush(stderr);
}

}  // namespace visionpress
