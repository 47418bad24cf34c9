#include "progress.h"

#include <cstdio>

#include <unistd.h>

namespace visionpress {
namespace {

constexpr auto kBetweenDrawings = std::chrono::milliseconds(100);

}  // namespace

ProgressMeter::ProgressMeter(bool quiet) : visible_(!quiet && ::isatty(STDERR_FILENO) == 1) {}

ProgressMeter::~ProgressMeter() {
  if (drawn_) std::fputs("\r\x1b[K", stderr);
}

void ProgressMeter::update(std::size_t done, std::size_t total, const std::string& what) {
  if (!visible_) return;
  const Clock::time_point now = Clock::now();
  if (what != what_) {
    what_ = what;
    begun_ = now;
  } else if (now - last_ < kBetweenDrawings && done != total) {
    return;
  }
  last_ = now;
  drawn_ = true;
  const double seconds = std::chrono::duration<double>(now - begun_).count();
  if (total == 0) {
    std::fprintf(stderr, "\r\x1b[K%s: %.0f s", what.c_str(), seconds);
    std::fflush(stderr);
    return;
  }
  const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0.0;
  std::fprintf(stderr, "\r\x1b[K%s: %zu/%zu", what.c_str(), done, total);
  if (rate > 0 && done < total) {
    std::fprintf(stderr, "  %.1f/s  %.0f s left", rate, static_cast<double>(total - done) / rate);
  }
  std::fflush(stderr);
}

}  // namespace visionpress
