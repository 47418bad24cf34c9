#include "infer/run_time.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/machine_load.h"

namespace visionpress {

RunTime summarize_times(std::span<double> times) {
  std::sort(times.begin(), times.end());
  const auto at = [&](std::size_t quarters) { return times[(times.size() - 1) * quarters / 4]; };
  return {.median_ms = times[times.size() / 2], .low_ms = at(1), .high_ms = at(3)};
}

bool is_disturbed(double other_cores, int threads, int core_count) {
  // Daemons and the measurement itself take some percent of a core on any machine.
  constexpr double kUsual = 0.25;
  return other_cores > kUsual && other_cores + threads > core_count + kUsual;
}

Result<RunTime> measure_run(const Executor& executor, std::span<const float> input, int threads) {
  using Clock = std::chrono::steady_clock;
  constexpr int kWarmUps = 3;
  constexpr std::size_t kRuns = 20;
  // Small networks run until the kernel's ticks of 10 ms tell how busy the machine was.
  constexpr auto kShortest = std::chrono::milliseconds(200);
  constexpr auto kLongest = std::chrono::seconds(3);  // a network that takes seconds needs few runs
  VP_ASSIGN_OR_RETURN(Session session, executor.make_session(threads));
  for (int i = 0; i < kWarmUps; ++i) VP_RETURN_IF_ERROR(session.run(input));
  std::vector<double> times;
  const std::optional<ProcessorSeconds> before = read_processor_seconds();
  const Clock::time_point first = Clock::now();
  Clock::duration elapsed = {};
  do {
    const Clock::time_point begin = Clock::now();
    VP_RETURN_IF_ERROR(session.run(input));
    const Clock::time_point end = Clock::now();
    times.push_back(std::chrono::duration<double, std::milli>(end - begin).count());
    elapsed = end - first;
  } while ((times.size() < kRuns || elapsed < kShortest) && elapsed < kLongest);
  const std::optional<ProcessorSeconds> after = read_processor_seconds();
  RunTime result = summarize_times(times);
  if (before && after) {
    result.other_cores =
        count_busy_cores(*before, *after, std::chrono::duration<double>(elapsed).count());
    result.was_disturbed = is_disturbed(*result.other_cores, threads,
                                        static_cast<int>(std::thread::hardware_concurrency()));
  }
  return result;
}

}  // namespace visionpress
