#include "model_commands.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>

#include "eval/image.h"
#include "formats/open_model.h"
#include "fuzz_input.h"
#include "visionpress/compress.h"
#include "visionpress/convert.h"
#include "visionpress/model.h"
#include "visionpress/predict.h"

namespace visionpress {
namespace {

/// A model that would take long or much memory is legal, and teaches the fuzzer nothing.
bool is_quick(const Graph& graph) {
  constexpr std::size_t kMostNodes = 128;
  constexpr double kMostValues = 1U << 20U;      // of all tensors
  constexpr double kMostProducts = 1ULL << 32U;  // largest tensor times all weights
  double values = 0.0;
  double largest = 1.0;
  double weights = 1.0;
  for (const Tensor& tensor : graph.tensors) {
    const auto count = static_cast<double>(element_count(tensor.shape).value_or(0));
    values += count;
    largest = std::max(largest, count);
  }
  for (const Weight& weight : graph.weights) {
    weights += static_cast<double>(element_count(weight.stored.shape).value_or(0));
  }
  return graph.nodes.size() <= kMostNodes && values <= kMostValues &&
         largest * weights <= kMostProducts;
}

template <typename T>
void require_no_fault_of_ours(const Result<T>& result, const char* promise) {
  if (result || result.error().kind != ErrorKind::Internal) return;
  require(false, (std::string(promise) + ": " + result.error().to_string()).c_str());
}

void compress_by_all(const std::string& path, const char* extension) {
  CompressOptions options;
  options.input = path;
  options.output = scratch_folder() + "/written" + extension;
  options.overwrite = true;
  options.threads = 1;
  options.min_elements = 1;
  for (const SchemeInfo& scheme : schemes()) {
    options.scheme = scheme.name;
    const auto written = compress(options);
    require_no_fault_of_ours(written, "what is compressed can be read back");
    if (written) require(inspect(written->output).has_value(), "a written file can be inspected");
  }
  options.integer_storage = IntegerStorage::WeightOnly;
  options.quantize_biases = true;
  options.scheme = "linear-8";
  require_no_fault_of_ours(compress(options), "what is compressed can be read back");
}

void run(const std::string& path) {
  static const std::string image = [] {
    const std::string file = scratch_folder() + "/image.png";
    require(save_image(make_image(24, 24), file, Overwrite::Allow).has_value(), "an image");
    return file;
  }();
  PredictOptions options;
  options.threads = 1;
  options.preprocess.input_size = {24, 24};
  const auto result = predict(path, {image}, options);
  if (!result && result.error().kind == ErrorKind::InvalidArgument) {
    options.preprocess.input_size.reset();
    static_cast<void>(predict(path, {image}, options));
  }
}

void convert_to_tflite(const std::string& path) {
  ConvertOptions options;
  options.input = path;
  options.output = scratch_folder() + "/converted.tflite";
  options.overwrite = true;
  options.threads = 1;
  options.input_size = {24, 24};
  require_no_fault_of_ours(convert(options), "what is converted can be read back");
  options.input_size.reset();
  options.weights = "linear-8";
  require_no_fault_of_ours(convert(options), "what is converted can be read back");
}

}  // namespace

void run_commands(Bytes model, const char* extension) {
  const std::string path = put_file(std::string("model") + extension, model);
  if (!inspect(path)) return;
  const auto opened = open_model(path);
  require(opened.has_value(), "what is inspected opens");
  if (!is_quick(opened->graph())) return;
  compress_by_all(path, extension);
  run(path);
  convert_to_tflite(path);
}

}  // namespace visionpress
