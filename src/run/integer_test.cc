// Operators of fully integer networks against sums and roundings written out; LiteRT itself is
// compared in tests/makers/check_integer.py.

#include <algorithm>
#include <cmath>
#include <random>
#include <span>

#include <gtest/gtest.h>

#include "model/graph.h"
#include "run/executor.h"

namespace visionpress {
namespace {

constexpr float kInScale = 0.5F;
constexpr float kKernelScale = 0.25F;
constexpr float kOutScale = 0.25F;

Tensor coded(const char* name, Shape shape, DType dtype, float scale, std::int64_t zero) {
  Tensor tensor;
  tensor.name = name;
  tensor.shape = std::move(shape);
  tensor.dtype = dtype;
  tensor.quantization = QuantParams{{scale}, {zero}, 0};
  return tensor;
}

/// A 1x1 convolution of uint8 codes with zero point 3 in the kernel, 100 before it and 20 after it.
struct PointwiseNetwork {
  std::vector<std::uint8_t> kernel = {};
  Graph graph = {};

  PointwiseNetwork(std::int64_t pixels, std::int64_t in, std::int64_t out, std::mt19937& random) {
    std::uniform_int_distribution<int> code(0, 255);
    for (std::int64_t i = 0; i < in * out; ++i)
      kernel.push_back(static_cast<std::uint8_t>(code(random)));
    graph.format = Format::TfLite;
    graph.layout = Layout::ChannelsLast;
    const TensorId x =
        graph.add_tensor(coded("x", {1, 1, pixels, in}, DType::UInt8, kInScale, 100));
    Tensor stored = coded("w", {out, 1, 1, in}, DType::UInt8, kKernelScale, 3);
    stored.quantization.reset();
    stored.weight = 0;
    Weight weight;
    weight.stored.shape = stored.shape;
    weight.stored.code.encoding = Encoding::Linear;
    weight.stored.code.bits = 8;
    weight.stored.code.scales = {kKernelScale};
    weight.stored.code.zero_points = {3};
    weight.stored.payload = std::as_bytes(std::span(kernel));
    graph.weights.push_back(weight);
    const TensorId w = graph.add_tensor(stored);
    const TensorId y =
        graph.add_tensor(coded("y", {1, 1, pixels, out}, DType::UInt8, kOutScale, 20));
    Conv2d conv;
    conv.kernel_layout = KernelLayout::Ohwi;
    Node node;
    node.op = conv;
    node.inputs = {x, w};
    node.outputs = {y};
    graph.nodes.push_back(node);
    graph.inputs = {x};
    graph.outputs = {y};
  }
};

TEST(Integer, SumsAreExactAndRoundedOnceAtTheEnd) {
  std::mt19937 random(11);
  std::uniform_int_distribution<int> code(99, 101);
  for (const std::int64_t in : {1, 3, 4, 17}) {
    for (const std::int64_t out : {1, 2, 16, 33}) {
      constexpr std::int64_t kPixels = 5;
      const PointwiseNetwork network(kPixels, in, out, random);
      const auto executor = Executor::create(network.graph, {Arithmetic::Builtin, 1, {}, false});
      ASSERT_TRUE(executor) << executor.error().message;
      auto session = executor->make_session();
      ASSERT_TRUE(session);
      std::vector<float> x;
      for (std::int64_t i = 0; i < kPixels * in; ++i)
        x.push_back(kInScale * static_cast<float>(code(random) - 100));
      ASSERT_TRUE(session->run(x));
      const auto y = session->outputs()[0].values;
      for (std::int64_t p = 0; p < kPixels; ++p) {
        for (std::int64_t o = 0; o < out; ++o) {
          double sum = 0.0;
          for (std::int64_t i = 0; i < in; ++i) {
            const int w = network.kernel[static_cast<std::size_t>(o * in + i)] - 3;
            sum += static_cast<double>(x[static_cast<std::size_t>(p * in + i)]) * kKernelScale * w;
          }
          // The factor is 1/2, which needs the first of the two roundings alone: a half moves up.
          const double right = std::clamp(std::floor(sum / kOutScale + 0.5), -20.0, 235.0);
          ASSERT_EQ(y[static_cast<std::size_t>(p * out + o)], kOutScale * right)
              << in << " to " << out;
        }
      }
    }
  }
}

TEST(Integer, ARunInFloatKeepsRealValues) {
  std::mt19937 random(12);
  const PointwiseNetwork network(1, 1, 1, random);
  const auto executor = Executor::create(network.graph, {Arithmetic::Float, 1, {}, false});
  ASSERT_TRUE(executor) << executor.error().message;
  auto session = executor->make_session();
  ASSERT_TRUE(session);
  const std::vector<float> x = {1.0F / 3.0F};
  ASSERT_TRUE(session->run(x));
  const float w = kKernelScale * static_cast<float>(network.kernel[0] - 3);
  EXPECT_NEAR(session->outputs()[0].values[0], x[0] * w, 1e-5F);
}

/// One operator from int8 codes of scale 1/2 and zero point 1 to the result's code.
std::vector<float> run_operator(Op op, Shape in, const Tensor& result, std::vector<float> x,
                                Arithmetic arithmetic) {
  Graph graph;
  graph.format = Format::TfLite;
  graph.layout = Layout::ChannelsLast;
  const TensorId from = graph.add_tensor(coded("x", std::move(in), DType::Int8, kInScale, 1));
  const TensorId to = graph.add_tensor(result);
  Node node;
  node.op = std::move(op);
  node.inputs = {from};
  node.outputs = {to};
  graph.nodes.push_back(node);
  graph.inputs = {from};
  graph.outputs = {to};
  const auto executor = Executor::create(graph, {arithmetic, 1, {}, false});
  EXPECT_TRUE(executor) << executor.error().message;
  auto session = executor->make_session();
  EXPECT_TRUE(session->run(x));
  const auto y = session->outputs()[0].values;
  return {y.begin(), y.end()};
}

TEST(Integer, AMeanIsRoundedToTheResultsCode) {
  Reduce mean;
  mean.axes = {1, 2};
  const std::vector<float> x = {0.5F, 10.0F, 1.0F, 10.5F, 1.5F, 11.0F, 2.0F, 11.0F};
  const Tensor y = coded("y", {1, 1, 1, 2}, DType::Int8, 0.25F, -3);
  for (const Arithmetic arithmetic : {Arithmetic::Runtime, Arithmetic::Builtin}) {
    // 1.25 and 10.625; the second is half a code from both neighbours.
    const auto found = run_operator(mean, {1, 2, 2, 2}, y, x, arithmetic);
    EXPECT_EQ(found[0], 1.25F);
    EXPECT_NEAR(found[1], 10.625F, 0.125F);
  }
}

TEST(Integer, ABilinearResizeKeepsTheCodesOfItsCorners) {
  Resize resize;
  resize.kind = ResizeKind::Bilinear;
  resize.grid = ResizeGrid::AlignCorners;
  resize.size = {1, 3};
  const Tensor y = coded("y", {1, 1, 3, 1}, DType::Int8, kInScale, 1);
  for (const Arithmetic arithmetic : {Arithmetic::Runtime, Arithmetic::Builtin}) {
    EXPECT_EQ(run_operator(resize, {1, 1, 2, 1}, y, {1.0F, 3.0F}, arithmetic),
              (std::vector<float>{1.0F, 2.0F, 3.0F}));
  }
}

TEST(Integer, ARowIsDividedByItsLength) {
  const CodedFunction normalize = {CodedFunctionKind::L2Normalization};
  const Tensor y = coded("y", {1, 2}, DType::Int8, 1.0F / 128.0F, 0);
  for (const Arithmetic arithmetic : {Arithmetic::Runtime, Arithmetic::Float}) {
    const auto found = run_operator(normalize, {1, 2}, y, {3.0F, 4.0F}, arithmetic);
    EXPECT_NEAR(found[0], 0.6F, 1.0F / 128.0F);
    EXPECT_NEAR(found[1], 0.8F, 1.0F / 128.0F);
  }
}

TEST(Integer, OtherScalesThanTheRuntimesAreRefused) {
  Graph graph;
  graph.format = Format::TfLite;
  graph.layout = Layout::ChannelsLast;
  graph.inputs = {graph.add_tensor(coded("x", {1, 4}, DType::Int8, 0.5F, 0))};
  graph.outputs = {graph.add_tensor(coded("y", {1, 4}, DType::Int8, 0.5F, 0))};
  Node node;
  node.op = CodedFunction{CodedFunctionKind::LogSoftmax};
  node.inputs = graph.inputs;
  node.outputs = graph.outputs;
  graph.nodes.push_back(node);
  const auto executor = Executor::create(graph, {Arithmetic::Runtime, 1, {}, false});
  ASSERT_FALSE(executor);
  EXPECT_EQ(executor.error().kind, ErrorKind::Unsupported);
}

}  // namespace
}  // namespace visionpress
