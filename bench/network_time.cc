// Times the network of one model file, warm: median milliseconds of a run, and the processor time
// of a run, which other programs disturb less. usage: network_time MODEL
// [runtime|builtin|float|f16] [threads] [runs] [steps] steps: also what each step takes (processor
// time, then time), the slowest first.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

#include "formats/open_model.h"
#include "run/executor.h"

namespace visionpress {
namespace {

constexpr int kWarmUps = 5;

Arithmetic arithmetic_of(const std::string& name) {
  if (name == "builtin") return Arithmetic::Builtin;
  if (name == "float") return Arithmetic::Float;
  return name == "f16" ? Arithmetic::Float16 : Arithmetic::Runtime;
}

int complain(const Error& error) {
  std::fprintf(stderr, "network_time: %s\n", error.to_string().c_str());
  return 3;
}

// Medians over `runs` runs, the slowest step first.
int print_steps(Session& session, const std::vector<float>& input, int runs) {
  std::vector<std::vector<StepTime>> steps;
  for (int i = 0; i < runs; ++i) {
    const auto times = session.time_steps(input);
    if (!times) return complain(times.error());
    steps.resize(times->size());
    for (std::size_t s = 0; s < times->size(); ++s) steps[s].push_back((*times)[s]);
  }
  const auto is_faster = [](const StepTime& a, const StepTime& b) {
    return a.processor_milliseconds < b.processor_milliseconds;
  };
  std::vector<StepTime> medians;
  for (std::vector<StepTime>& times : steps) {
    std::sort(times.begin(), times.end(), is_faster);
    medians.push_back(times[times.size() / 2]);
  }
  std::stable_sort(medians.rbegin(), medians.rend(), is_faster);
  for (const StepTime& step : medians)
    std::printf("%8.3f %8.3f %s %s\n", step.processor_milliseconds, step.milliseconds,
                step.type.c_str(), step.place.c_str());
  return 0;
}

int time_network(const std::string& path, const ExecutorOptions& options, int runs, bool steps) {
  const auto model = open_model(path);
  if (!model) return complain(model.error());
  const auto executor = Executor::create(model->graph(), options);
  if (!executor) return complain(executor.error());
  auto session = executor->make_session();
  if (!session) return complain(session.error());
  std::vector<float> input(static_cast<std::size_t>(*element_count(executor->input_shape())));
  std::uint32_t state = 1;
  for (float& value : input) {
    state = state * 1664525U + 1013904223U;  // any spread of pixel values will do
    value = static_cast<float>(state >> 24);
  }
  std::vector<double> times;
  std::clock_t first_ticks = 0;
  for (int i = 0; i < runs + kWarmUps; ++i) {
    if (i == kWarmUps) first_ticks = std::clock();
    const auto begin = std::chrono::steady_clock::now();
    if (const auto ran = session->run(input); !ran) return complain(ran.error());
    const auto elapsed = std::chrono::steady_clock::now() - begin;
    if (i >= kWarmUps) times.push_back(std::chrono::duration<double, std::milli>(elapsed).count());
  }
  std::sort(times.begin(), times.end());
  const double ticks = static_cast<double>(std::clock() - first_ticks);
  std::printf("%.3f %s, processor %.3f\n", times[times.size() / 2],
              executor->arithmetic_name().c_str(), ticks * 1e3 / CLOCKS_PER_SEC / runs);
  return steps ? print_steps(*session, input, runs) : 0;
}

}  // namespace
}  // namespace visionpress

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  visionpress::ExecutorOptions options;
  if (argc > 2) options.arithmetic = visionpress::arithmetic_of(argv[2]);
  options.threads = argc > 3 ? std::atoi(argv[3]) : 2;
  return visionpress::time_network(argv[1], options, argc > 4 ? std::atoi(argv[4]) : 30, argc > 5);
}
