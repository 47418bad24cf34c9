// A layer's matrix and its samples, judged by the runner: matrix times sample is what the layer
// computes at that position.

#include "calibrate/layer_moments.h"

#include <array>
#include <vector>

#include <gtest/gtest.h>

#include "calibrate/activation_walk.h"
#include "calibrate/kernel_matrix.h"
#include "run/graph_build_testonly.h"

namespace visionpress {
namespace {

struct Case {
  const char* name;
  Layout layout;
  Op op;
  Shape input;
  Shape kernel;
};

Conv2d conv(KernelLayout layout, std::int64_t groups = 1) {
  Conv2d op;
  op.kernel_layout = layout;
  op.groups = groups;
  return op;
}

Conv2d strided(Conv2d op) {
  op.stride = {2, 1};
  op.dilation = {1, 2};
  op.padding.before = {1, 0};
  op.padding.after = {0, 2};
  return op;
}

std::vector<Case> all_cases() {
  constexpr Layout kFirst = Layout::ChannelsFirst;
  constexpr Layout kLast = Layout::ChannelsLast;
  return {
      {"Oihw", kFirst, strided(conv(KernelLayout::Oihw)), {1, 3, 7, 6}, {5, 3, 3, 2}},
      {"OihwGroups", kFirst, strided(conv(KernelLayout::Oihw, 2)), {1, 4, 7, 6}, {6, 2, 3, 2}},
      {"Ohwi", kLast, strided(conv(KernelLayout::Ohwi)), {1, 7, 6, 3}, {5, 3, 2, 3}},
      {"Hwo", kLast, strided(conv(KernelLayout::Hwo, 0)), {1, 7, 6, 4}, {1, 3, 2, 8}},
      {"Hwio", kLast, strided(conv(KernelLayout::Hwio)), {1, 7, 6, 3}, {3, 2, 3, 5}},
      {"Hwim", kLast, strided(conv(KernelLayout::Hwim, 0)), {1, 7, 6, 4}, {3, 2, 4, 2}},
      {"OutIn", kLast, FullyConnected{}, {1, 12}, {5, 12}},
      {"InOut", kLast, FullyConnected{.kernel_is_in_out = true}, {1, 12}, {12, 5}},
  };
}

class LayerMatrix : public testing::TestWithParam<Case> {};

/// The gram of one position's sample x is x x^T; with cross = W (x' - x) x^T it holds all that the
/// layer's results are made of. Every position is taken.
TEST_P(LayerMatrix, TimesTheMeanInputIsTheMeanResult) {
  const Case& c = GetParam();
  TestGraph test(c.layout);
  const TensorId input = test.add_input(c.input);
  const auto kernel_count = static_cast<std::size_t>(*element_count(c.kernel));
  const std::vector<float> kernel = random_values(kernel_count, 5);
  test.add_node(c.op, {input, test.add_weight(c.kernel, kernel)});
  const std::vector<float> x = random_values(static_cast<std::size_t>(*element_count(c.input)), 6);
  const RunResult result = run_graph(test, x);

  const CalibrationPictures pictures = {.shape = c.input, .inputs = {x}};
  ActivationWalk walk(test.graph, pictures, 1);
  ASSERT_TRUE(walk.advance(input));
  const auto matrix = find_kernel_matrix(test.graph, test.graph.nodes[0], c.input);
  ASSERT_TRUE(matrix) << matrix.error().to_string();
  ASSERT_TRUE(matrix->has_value());
  const KernelMatrix& layer = **matrix;
  const MomentCollector collector(layer, c.layout, walk, walk, {.samples = 1000});
  const std::size_t results = layer.groups * layer.rows();
  const std::size_t positions = result.values.size() / results;
  for (std::size_t g = 0; g < layer.groups; ++g) {
    std::vector<float> rows;
    for (std::size_t r = 0; r < layer.rows(); ++r) {
      for (std::size_t k = 0; k < layer.columns(); ++k)
        rows.push_back(kernel[layer.offset(g, r, k)]);
    }
    const LayerMoments moments = collector.collect(g, rows, 1);
    ASSERT_EQ(moments.samples, positions);
    for (std::size_t r = 0; r < layer.rows(); ++r) {
      double expected = 0.0;
      for (std::size_t p = 0; p < positions; ++p) {
        const std::size_t channel = g * layer.rows() + r;
        expected += c.layout == Layout::ChannelsFirst ? result.values[channel * positions + p]
                                                      : result.values[p * results + channel];
      }
      double found = 0.0;
      for (std::size_t k = 0; k < layer.columns(); ++k)
        found += static_cast<double>(rows[r * layer.columns() + k]) * moments.mean_input[k];
      // Sums of up to 24 products of values below 1, in float32.
      EXPECT_NEAR(found, expected / static_cast<double>(positions), 1e-5) << g << " " << r;
      // Both networks are the same: nothing is lacking.
      EXPECT_EQ(moments.mean_lack[r], 0.0);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Layouts, LayerMatrix, testing::ValuesIn(all_cases()),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(LayerMoments, TransposedConvolutionsHaveARowForEachTap) {
  Conv2d op = conv(KernelLayout::Iohw);
  op.transposed = true;
  op.stride = {2, 2};
  TestGraph test(Layout::ChannelsFirst);
  const TensorId input = test.add_input({1, 3, 4, 5});
  test.add_node(op, {input, test.add_weight({3, 2, 2, 2}, random_values(24, 1))});
  const auto matrix = find_kernel_matrix(test.graph, test.graph.nodes[0], {1, 3, 4, 5});
  ASSERT_TRUE(matrix && matrix->has_value());
  EXPECT_EQ((*matrix)->rows(), 8U);  // 2 channels of 2x2 taps
  EXPECT_EQ((*matrix)->columns(), 3U);
  EXPECT_EQ((*matrix)->reads.positions, (std::array<std::int64_t, 2>{4, 5}));
}

TEST(LayerMoments, WhatAJoinedTensorHasLostIsLacking) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId input = test.add_input({1, 2, 3, 4});
  const std::vector<float> x = random_values(24, 2);
  std::vector<float> other = x;
  for (float& value : other) value += 0.25F;
  const CalibrationPictures pictures = {.shape = {1, 2, 3, 4}, .inputs = {x}};
  const CalibrationPictures originals = {.shape = {1, 2, 3, 4}, .inputs = {other}};
  test.add_node(conv(KernelLayout::Ohwi),
                {input, test.add_weight({4, 1, 1, 4}, std::vector<float>(16, 0.0F))});
  ActivationWalk changed(test.graph, pictures, 1);
  ActivationWalk original(test.graph, originals, 1);
  ASSERT_TRUE(changed.advance(input));
  ASSERT_TRUE(original.advance(input));
  const auto matrix = find_kernel_matrix(test.graph, test.graph.nodes[0], {1, 2, 3, 4});
  ASSERT_TRUE(matrix && matrix->has_value());
  const MomentCollector collector(**matrix, Layout::ChannelsLast, changed, original,
                                  {.samples = 100, .joined = input});
  const LayerMoments moments = collector.collect(0, std::vector<float>(16, 0.0F), 1);
  for (const double lack : moments.mean_lack) EXPECT_NEAR(lack, 0.25, 1e-6);
}

}  // namespace
}  // namespace visionpress
