#include "base/machine_load.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/descriptor.h"

namespace visionpress {
namespace {

/// The first line of /proc/stat: "cpu  user nice system idle iowait irq softirq steal ...".
std::optional<double> read_busy_seconds() {
  const Descriptor file(::open("/proc/stat", O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return std::nullopt;
  std::array<char, 512> text = {};  // ten numbers of at most 20 digits
  const ssize_t length = ::read(file.get(), text.data(), text.size());
  if (length <= 0) return std::nullopt;
  const char* at = text.data();
  const char* const end = at + length;
  while (at != end && *at != ' ') ++at;
  constexpr std::size_t kIdle = 3;
  constexpr std::size_t kWaiting = 4;  // for a disk: idle too
  constexpr std::size_t kColumns = 8;  // the later columns are part of user and nice
  double ticks = 0.0;
  for (std::size_t column = 0; column < kColumns; ++column) {
    while (at != end && *at == ' ') ++at;
    unsigned long long value = 0;
    const auto [next, error] = std::from_chars(at, end, value);
    if (error != std::errc()) return std::nullopt;
    at = next;
    if (column != kIdle && column != kWaiting) ticks += static_cast<double>(value);
  }
  const long ticks_per_second = ::sysconf(_SC_CLK_TCK);
  if (ticks_per_second <= 0) return std::nullopt;
  return ticks / static_cast<double>(ticks_per_second);
}

double to_seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

}  // namespace

std::optional<ProcessorSeconds> read_processor_seconds() {
  const std::optional<double> all = read_busy_seconds();
  rusage usage = {};
  if (!all || ::getrusage(RUSAGE_SELF, &usage) != 0) return std::nullopt;
  return ProcessorSeconds{*all, to_seconds(usage.ru_utime) + to_seconds(usage.ru_stime)};
}

double count_busy_cores(const ProcessorSeconds& before, const ProcessorSeconds& after,
                        double wall_seconds) {
  if (!(wall_seconds > 0.0)) return 0.0;
  const double others = (after.all - before.all) - (after.ours - before.ours);
  return std::max(0.0, others / wall_seconds);
}

}  // namespace visionpress
