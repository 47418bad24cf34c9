#include "formats/tflite/tflite_reader.h"

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/mapped_file.h"
#include "base/shared_testonly.h"
#include "formats/tflite/tflite_build_testonly.h"

namespace visionpress {
namespace {

struct Opened {
  MappedFile file = {};
  Diagnostics diagnostics = {};
  std::unique_ptr<SourceModel> model = {};
};

Opened open_shared(const std::string& name) {
  Opened opened;
  auto file = MappedFile::open(find_shared_folder() + "/models/" + name);
  EXPECT_TRUE(file) << file.error().to_string();
  opened.file = std::move(*file);
  auto model = read_tflite(opened.file.bytes(), opened.diagnostics);
  EXPECT_TRUE(model) << name << ": " << model.error().to_string();
  if (model) opened.model = std::move(*model);
  return opened;
}

template <typename T>
std::size_t count_ops(const Graph& graph) {
  return static_cast<std::size_t>(
      std::count_if(graph.nodes.begin(), graph.nodes.end(),
                    [](const Node& node) { return std::holds_alternative<T>(node.op); }));
}

TEST(TfliteReader, ATensorWithoutAShapeIsNoScalar) {
  TinyModel tiny;
  tiny.has_output_shape = false;
  const std::vector<std::byte> file = build_tiny_model(tiny);
  Diagnostics diagnostics;
  const auto model = read_tflite(file, diagnostics);
  ASSERT_TRUE(model) << model.error().to_string();
  const Graph& graph = (*model)->graph();
  EXPECT_TRUE(graph.tensor(graph.inputs[0]).has_rank);
  EXPECT_FALSE(graph.tensor(graph.outputs[0]).has_rank);
  // What the operator makes of its input; the file does not say.
  EXPECT_EQ(graph.tensor(graph.outputs[0]).shape, (Shape{1, 8, 8, 4}));
}

TEST(TfliteReader, TheReferenceDetectorHasNineConvolutionsOfFloats) {
  VP_SKIP_WITHOUT_SHARED();
  const Opened opened = open_shared("reference-detector/model.tflite");
  ASSERT_NE(opened.model, nullptr);
  const Graph& graph = opened.model->graph();
  EXPECT_EQ(graph.layout, Layout::ChannelsLast);
  EXPECT_EQ(count_ops<Conv2d>(graph), 9U);
  EXPECT_EQ(count_ops<Unsupported>(graph), 0U);
  EXPECT_EQ(graph.input_info.width, 416);
  EXPECT_EQ(graph.input_info.source, "nothing");
  const auto kernels =
      std::count_if(graph.weights.begin(), graph.weights.end(), [](const Weight& w) {
        return w.role == WeightRole::Kernel && w.stored.code.encoding == Encoding::Float32;
      });
  EXPECT_EQ(kernels, 9);
}

TEST(TfliteReader, EveryOperatorOfTheFloatModelsIsLowered) {
  VP_SKIP_WITHOUT_SHARED();
  for (const char* name :
       {"classifiers/mobilenet_v1_0.25_224_metadata.tflite", "classifiers/vww_96_float.tflite",
        "custom-vision/fruit.tflite", "other/face_detection_short_range_fp16.tflite",
        "other/starry_night.tflite", "reference-detector/model.tflite"}) {
    const Opened opened = open_shared(name);
    ASSERT_NE(opened.model, nullptr);
    for (const Node& node : opened.model->graph().nodes) {
      const auto* unsupported = std::get_if<Unsupported>(&node.op);
      EXPECT_EQ(unsupported, nullptr)
          << name << ": " << node.path << ": " << (unsupported != nullptr ? unsupported->why : "");
    }
    EXPECT_TRUE(opened.diagnostics.warnings().empty()) << opened.diagnostics.warnings().front();
  }
}

TEST(TfliteReader, HalfWeightsBehindDequantizeAreWeightsOfTheirLayer) {
  VP_SKIP_WITHOUT_SHARED();
  const Opened opened = open_shared("other/face_detection_short_range_fp16.tflite");
  ASSERT_NE(opened.model, nullptr);
  const Graph& graph = opened.model->graph();
  for (const Node& node : graph.nodes) {
    EXPECT_NE(node.source_type, "DEQUANTIZE");
    if (!std::holds_alternative<Conv2d>(node.op)) continue;
    const Tensor& kernel = graph.tensor(node.inputs[1]);
    ASSERT_TRUE(kernel.weight);
    EXPECT_EQ(graph.weights[*kernel.weight].stored.code.encoding, Encoding::Float16);
    EXPECT_EQ(graph.weights[*kernel.weight].role, WeightRole::Kernel);
  }
}

TEST(TfliteReader, NormalizationAndLabelsComeFromMetadataAndArchive) {
  VP_SKIP_WITHOUT_SHARED();
  const Opened opened = open_shared("classifiers/mobilenet_v1_0.25_224_metadata.tflite");
  ASSERT_NE(opened.model, nullptr);
  const Graph& graph = opened.model->graph();
  EXPECT_EQ(graph.input_info.source, "TFLite metadata");
  EXPECT_EQ(graph.input_info.mean, std::vector<float>({127.5F}));
  EXPECT_EQ(graph.input_info.std, std::vector<float>({127.5F}));
  EXPECT_EQ(graph.labels.size(), 1001U);
  EXPECT_EQ(graph.labels_source.substr(0, 17), "appended archive:");
}

TEST(TfliteReader, GraphsOfEightBitActivationsCanRunAndKeepTheirWeights) {
  VP_SKIP_WITHOUT_SHARED();
  const Opened opened = open_shared("classifiers/vww_96_int8.tflite");
  ASSERT_NE(opened.model, nullptr);
  const Graph& graph = opened.model->graph();
  for (const Node& node : graph.nodes) {
    EXPECT_FALSE(std::holds_alternative<Unsupported>(node.op)) << node.path;
  }
  // A code of the input is a pixel less 128: its real value is the pixel times the scale.
  EXPECT_EQ(graph.input_info.mean, std::vector<float>({0.0F}));
  EXPECT_EQ(graph.input_info.source, "quantized input");
  for (const Weight& weight : graph.weights) EXPECT_FALSE(weight.fixed_because.empty());
}

}  // namespace
}  // namespace visionpress
