// Runs a model on raw float32 values and writes its outputs, for comparison with other runtimes.
// usage: run_probe MODEL INPUT.bin OUTPUT.bin [runtime|builtin|float|f16] [threads] [timed runs]
//        [height width of the input where a TensorFlow or ONNX graph leaves them open]

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/mapped_file.h"
#include "formats/coreml/coreml_reader.h"
#include "formats/graphdef/graphdef_reader.h"
#include "formats/onnx/onnx_reader.h"
#include "formats/tflite/tflite_reader.h"
#include "lower/graph_shapes.h"
#include "run/executor.h"

namespace visionpress {
namespace {

int complain(const Error& error) {
  std::fprintf(stderr, "%s\n", error.to_string().c_str());
  return 3;
}

Arithmetic arithmetic_of(const std::string& name) {
  if (name == "builtin") return Arithmetic::Builtin;
  if (name == "float") return Arithmetic::Float;
  return name == "f16" ? Arithmetic::Float16 : Arithmetic::Runtime;
}

void time_runs(Session& session, std::span<const float> input, int runs) {
  std::vector<double> times;
  for (int i = 0; i < runs; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    (void)session.run(input);
    times.push_back(
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin)
            .count());
  }
  std::sort(times.begin(), times.end());
  std::printf("ms: min %.2f median %.2f\n", times.front(), times[times.size() / 2]);
}

Result<std::unique_ptr<SourceModel>> read_model(Bytes file, const ReadOptions& graphdef) {
  Diagnostics diagnostics;
  if (looks_like_tflite(file)) return read_tflite(file, diagnostics);
  if (looks_like_graphdef(file)) return read_graphdef(file, graphdef, diagnostics);
  if (looks_like_onnx(file)) return read_onnx(file, graphdef, diagnostics);
  return read_coreml(file, diagnostics);
}

// Measures the time of shape inference alone.
void time_shapes(const Graph& graph, const Shape& input) {
  const auto begin = std::chrono::steady_clock::now();
  const auto shapes = infer_shapes(graph, input);
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
  std::printf("shapes: %s in %.3f ms\n", shapes ? "inferred" : shapes.error().to_string().c_str(),
              took.count());
}

int probe(int argc, char** argv) {
  const auto file = MappedFile::open(argv[1]);
  if (!file) return complain(file.error());
  ReadOptions graphdef;
  if (argc > 8) graphdef.input_size = {std::atoll(argv[7]), std::atoll(argv[8])};
  const auto model = read_model(file->bytes(), graphdef);
  if (!model) return complain(model.error());
  ExecutorOptions options;
  if (argc > 4) options.arithmetic = arithmetic_of(argv[4]);
  if (argc > 5) options.threads = std::atoi(argv[5]);
  const auto executor = Executor::create((*model)->graph(), options);
  if (!executor) return complain(executor.error());
  auto session = executor->make_session();
  if (!session) return complain(session.error());
  const auto raw = MappedFile::open(argv[2]);
  if (!raw) return complain(raw.error());
  std::vector<float> input(raw->bytes().size() / sizeof(float));
  std::memcpy(input.data(), raw->bytes().data(), input.size() * sizeof(float));
  if (const auto ran = session->run(input); !ran) return complain(ran.error());
  std::ofstream out(argv[3], std::ios::binary);
  for (const OutputView& view : session->outputs()) {
    const Bytes bytes = std::as_bytes(view.values);
    out.write(view_as<const char>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    std::printf("%s %s\n", view.name.c_str(), to_string(view.shape).c_str());
  }
  std::printf("arithmetic: %s\n", executor->arithmetic_name().c_str());
  time_shapes((*model)->graph(), executor->input_shape());
  if (argc > 6 && std::atoi(argv[6]) > 0) time_runs(*session, input, std::atoi(argv[6]));
  return 0;
}

}  // namespace
}  // namespace visionpress

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  return visionpress::probe(argc, argv);
}
