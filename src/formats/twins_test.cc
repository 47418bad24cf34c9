// One network in several formats: what each file gives, after its own preprocessing, is the same.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <memory>
#include <random>

#include <gtest/gtest.h>

#include "base/mapped_file.h"
#include "base/shared_testonly.h"
#include "formats/coreml/coreml_reader.h"
#include "formats/graphdef/graphdef_reader.h"
#include "formats/onnx/onnx_reader.h"
#include "formats/tflite/tflite_reader.h"
#include "run/executor.h"

namespace visionpress {
namespace {

constexpr float kTolerance = 1e-3F;  ///< of the output's range: sums in another order, exp and tanh

struct Opened {
  MappedFile file = {};
  std::unique_ptr<SourceModel> source = {};
};

Opened open_twin(const std::string& name, std::array<std::int64_t, 2> input_size) {
  Opened opened;
  auto file = MappedFile::open(find_shared_folder() + "/models/" + name);
  EXPECT_TRUE(file) << name;
  if (!file) return opened;
  opened.file = std::move(*file);
  Diagnostics diagnostics;
  const Bytes bytes = opened.file.bytes();
  auto source = name.ends_with(".mlmodel")  ? read_coreml(bytes, diagnostics)
                : name.ends_with(".tflite") ? read_tflite(bytes, diagnostics)
                : name.ends_with(".onnx")   ? read_onnx(bytes, {input_size}, diagnostics)
                                            : read_graphdef(bytes, {input_size}, diagnostics);
  EXPECT_TRUE(source) << name << ": " << (source ? "" : source.error().message);
  if (source) opened.source = std::move(*source);
  return opened;
}

/// H,W,C as C,H,W.
std::vector<float> channels_first(const std::vector<float>& pixels, std::size_t channels) {
  std::vector<float> planes(pixels.size());
  const std::size_t plane = pixels.size() / channels;
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    planes[i % channels * plane + i / channels] = pixels[i];
  }
  return planes;
}

std::vector<float> channels_last(std::span<const float> planes, std::size_t channels) {
  std::vector<float> pixels(planes.size());
  const std::size_t plane = planes.size() / channels;
  for (std::size_t i = 0; i < planes.size(); ++i) {
    pixels[i % plane * channels + i / plane] = planes[i];
  }
  return pixels;
}

/// The first output for one image, H,W,C; pixels: H,W,C with three channels.
std::vector<float> run_twin(const Graph& graph, const std::array<std::int64_t, 2>& size,
                            const std::vector<float>& pixels) {
  ExecutorOptions options;
  options.threads = 1;
  const bool first = graph.layout == Layout::ChannelsFirst;
  options.input_shape = first ? Shape{1, 3, size[0], size[1]} : Shape{1, size[0], size[1], 3};
  auto executor = Executor::create(graph, options);
  EXPECT_TRUE(executor) << (executor ? "" : executor.error().message);
  if (!executor) return {};
  auto session = executor->make_session();
  EXPECT_TRUE(session);
  if (!session || !session->run(first ? channels_first(pixels, 3) : pixels)) return {};
  const OutputView& output = session->outputs().front();
  if (first && output.shape.size() == 4) {
    return channels_last(output.values, static_cast<std::size_t>(output.shape[1]));
  }
  return {output.values.begin(), output.values.end()};
}

std::vector<float> random_pixels(std::array<std::int64_t, 2> size, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_int_distribution<int> level(0, 255);
  std::vector<float> pixels(static_cast<std::size_t>(size[0] * size[1] * 3));
  for (float& value : pixels) value = static_cast<float>(level(random));
  return pixels;
}

void expect_same(const std::vector<float>& a, const std::vector<float>& b,
                 const std::string& what) {
  ASSERT_EQ(a.size(), b.size()) << what;
  ASSERT_FALSE(a.empty()) << what;
  const auto [low, high] = std::ranges::minmax(a);
  float worst = 0.0F;
  for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::fabs(a[i] - b[i]));
  EXPECT_LE(worst, kTolerance * std::max(high - low, 1e-6F)) << what;
}

struct Pair {
  std::string name = {};
  std::string other = {};
  std::array<std::int64_t, 2> size = {0, 0};  ///< height, width
};

class TwinsTest : public ::testing::TestWithParam<Pair> {};

TEST_P(TwinsTest, GiveTheSame) {
  VP_SKIP_WITHOUT_SHARED();
  const auto& [name, other, size] = GetParam();
  const Opened a = open_twin(name, size);
  const Opened b = open_twin(other, size);
  ASSERT_TRUE(a.source && b.source);
  const std::vector<float> pixels = random_pixels(size, 5);
  expect_same(run_twin(a.source->graph(), size, pixels), run_twin(b.source->graph(), size, pixels),
              name + " and " + other);
}

INSTANTIATE_TEST_SUITE_P(
    Files, TwinsTest,
    ::testing::Values(
        Pair{"custom-vision/currency.pb", "custom-vision/currency.mlmodel", {227, 227}},
        Pair{"custom-vision/currency.onnx", "custom-vision/currency.mlmodel", {227, 227}},
        Pair{"custom-vision/fruit.pb", "custom-vision/fruit.tflite", {227, 227}},
        Pair{"other/starry_night.pb", "other/starry_night.tflite", {640, 480}},
        Pair{"other/starry_night.pb", "other/starry_night.mlmodel", {640, 480}},
        Pair{"reference-detector/model.pb", "reference-detector/model.tflite", {416, 416}},
        Pair{"reference-detector/model.pb", "reference-detector/model.mlmodel", {416, 416}}));

/// The last kernel of a graph: its values and its place among the nodes.
std::size_t last_connected(const Graph& graph) {
  std::size_t last = graph.nodes.size();
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    if (std::holds_alternative<FullyConnected>(graph.nodes[i].op)) last = i;
  }
  return last;
}

std::vector<float> sorted_values(const Graph& graph, TensorId kernel) {
  const Bytes payload = graph.weights[*graph.tensor(kernel).weight].stored.payload;
  std::vector<float> values(payload.size() / sizeof(float));
  std::memcpy(values.data(), payload.data(), payload.size());
  std::ranges::sort(values);
  return values;
}

// The two files are not of one iteration: their last layers hold other values, so their answers
// differ. Up to there they are one network; the Core ML file subtracts a mean, its twin's caller
// must.
TEST(TwinsTest, FruitsCoreMlFileIsItsTwinUpToTheLastLayer) {
  VP_SKIP_WITHOUT_SHARED();
  const std::array<std::int64_t, 2> size = {227, 227};
  const Opened pb = open_twin("custom-vision/fruit.pb", size);
  const Opened coreml = open_twin("custom-vision/fruit.mlmodel", size);
  ASSERT_TRUE(pb.source && coreml.source);
  Graph a = pb.source->graph();
  Graph b = coreml.source->graph();
  const Node& last_a = a.nodes[last_connected(a)];
  const Node& last_b = b.nodes[last_connected(b)];
  EXPECT_NE(sorted_values(a, last_a.inputs[1]), sorted_values(b, last_b.inputs[1]));
  a.outputs = {last_a.inputs[0]};
  b.outputs = {last_b.inputs[0]};
  std::vector<float> pixels = random_pixels(size, 6);
  const std::vector<float> from_coreml = run_twin(b, size, pixels);
  constexpr std::array<float, 3> kMean = {104.0F, 117.0F,
                                          123.0F};  // blue, green, red: the scaler's
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] -= kMean[i % 3];
  expect_same(run_twin(a, size, pixels), from_coreml, "before the last layer");
}

}  // namespace
}  // namespace visionpress
