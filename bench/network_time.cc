// Times the network of one model file, warm: median milliseconds of a run.
// usage: network_time MODEL [runtime|builtin|float|f16] [threads] [runs]

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
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

int time_network(const std::string& path, const ExecutorOptions& options, int runs) {
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
  for (int i = 0; i < runs + kWarmUps; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    if (const auto ran = session->run(input); !ran) return complain(ran.error());
    const auto elapsed = std::chrono::steady_clock::now() - begin;
    if (i >= kWarmUps) times.push_back(std::chrono::duration<double, std::milli>(elapsed).count());
  }
  std::sort(times.begin(), times.end());
  std::printf("%.3f %s\n", times[times.size() / 2], executor->arithmetic_name().c_str());
  return 0;
}

}  // namespace
}  // namespace visionpress

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  visionpress::ExecutorOptions options;
  if (argc > 2) options.arithmetic = visionpress::arithmetic_of(argv[2]);
  options.threads = argc > 3 ? std::atoi(argv[3]) : 2;
  return visionpress::time_network(argv[1], options, argc > 4 ? std::atoi(argv[4]) : 30);
}
