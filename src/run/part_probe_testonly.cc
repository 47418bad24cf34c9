// Runs an ONNX file of any number of inputs on raw float32 values and writes its outputs, for
// comparison with ONNX's own tests.
// usage: part_probe MODEL OUTPUT.bin [NAME INPUT.bin]...
// prints a line "NAME SHAPE" for each output. exits: 0 done; 3 the file or an input is refused.

#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/mapped_file.h"
#include "formats/onnx/onnx_reader.h"
#include "run/executor.h"

namespace visionpress {
namespace {

int complain(const Error& error) {
  std::fprintf(stderr, "%s\n", error.to_string().c_str());
  return 3;
}

std::vector<float> load_floats(Bytes bytes) {
  std::vector<float> values(bytes.size() / sizeof(float));
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  return values;
}

int probe(const std::string& path, const std::string& output,
          const std::map<std::string, std::string>& files) {
  const auto file = MappedFile::open(path);
  if (!file) return complain(file.error());
  Diagnostics diagnostics;
  const auto model = read_onnx(file->bytes(), {}, diagnostics);
  if (!model) return complain(model.error());
  const Graph& graph = (*model)->graph();
  ExecutorOptions options;
  options.threads = 1;
  options.is_part = true;
  const auto executor = Executor::create(graph, options);
  if (!executor) return complain(executor.error());
  auto session = executor->make_session();
  if (!session) return complain(session.error());
  std::vector<std::vector<float>> values;
  for (const TensorId id : graph.inputs) {
    const auto named = files.find(graph.tensor(id).name);
    if (named == files.end()) {
      std::fprintf(stderr, "input %s is not given\n", graph.tensor(id).name.c_str());
      return 3;
    }
    const auto raw = MappedFile::open(named->second);
    if (!raw) return complain(raw.error());
    values.push_back(load_floats(raw->bytes()));
  }
  const std::vector<std::span<const float>> inputs(values.begin(), values.end());
  if (const auto ran = session->run_part(inputs); !ran) return complain(ran.error());
  std::ofstream out(output, std::ios::binary);
  for (const OutputView& view : session->outputs()) {
    const Bytes bytes = std::as_bytes(view.values);
    out.write(view_as<const char>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    std::printf("%s %s\n", view.name.c_str(), to_string(view.shape).c_str());
  }
  return 0;
}

}  // namespace
}  // namespace visionpress

int main(int argc, char** argv) {
  if (argc < 3 || argc % 2 == 0) return 2;
  std::map<std::string, std::string> files;
  for (int i = 3; i + 1 < argc; i += 2) files[argv[i]] = argv[i + 1];
  return visionpress::probe(argv[1], argv[2], files);
}
