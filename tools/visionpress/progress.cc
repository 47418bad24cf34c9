#include "progress.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <string>

#include <unistd.h>

#include "visionpress/report.h"

namespace visionpress {
namespace {

constexpr auto kBetweenDrawings = std::chrono::milliseconds(100);
constexpr auto kBetweenLines = std::chrono::seconds(10);

/// With a point, whatever the locale.
std::string format_fixed(double value, int digits) {
  std::array<char, 64> text = {};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value,
                                 std::chars_format::fixed, digits);
  return {text.data(), end.ptr};
}

/// "model.tflite: 20/195  4.1/s  43 s left"
std::string describe(std::size_t done, std::size_t total, const std::string& what, double seconds) {
  const std::string name = escape_unprintable_text(what) + ": ";
  if (total == 0) return name + format_fixed(seconds, 0) + " s";
  std::string counts = name + std::to_string(done) + "/" + std::to_string(total);
  const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0.0;
  if (rate <= 0 || done >= total) return counts;
  return counts + "  " + format_fixed(rate, 1) + "/s  " +
         format_fixed(static_cast<double>(total - done) / rate, 0) + " s left";
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
    // A log gets lines only for steps that take long.
    if (now - std::max(begun_, last_) < kBetweenLines) return;
    std::fprintf(stderr, "%s\n", describe(done, total, what, spent.count()).c_str());
  }
  last_ = now;
  std::fflush(stderr);
}

Progress show_on(ProgressMeter& meter) {
  return [&meter](std::size_t done, std::size_t total, const std::string& what) {
    meter.update(done, total, what);
  };
}

void say_wait(double seconds, const std::string& why) {
  constexpr double kShortest = 2.0;
  constexpr double kLong = 10.0;
  if (seconds < (::isatty(STDERR_FILENO) == 1 ? kShortest : kLong)) return;
  std::fprintf(stderr, "%s\n", why.c_str());
}

}  // namespace visionpress
