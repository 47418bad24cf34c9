// Operators that choose elements: against naive oracles, and by hand where the values say more.

#include <algorithm>
#include <limits>

#include "run/graph_build_testonly.h"

namespace visionpress {
namespace {

using V = std::vector<float>;

Result<void> run_status(const TestGraph& test, const V& input) {
  const auto executor = Executor::create(test.graph, {});
  if (!executor) return tl::unexpected<Error>(executor.error());
  auto session = executor->make_session();
  if (!session) return tl::unexpected<Error>(session.error());
  return session->run(input);
}

TEST(Selection, GatherEqualsItsDefinitionAlongEveryAxis) {
  const Shape dims = {2, 3, 4};
  const V x = random_values(24, 1);
  const V indices = {2, 0, 1, 1, 0, 2};  // [3, 2]
  for (int axis = 0; axis < 3; ++axis) {
    TestGraph test(Layout::ChannelsLast);
    const TensorId input = test.add_input(dims);
    V wanted = indices;
    for (float& i : wanted)
      i = std::min(i, static_cast<float>(dims[static_cast<std::size_t>(axis)] - 1));
    test.add_node(Gather{axis - 3}, {input, test.add_literal({3, 2}, wanted)});
    const RunResult result = run_graph(test, x);
    std::int64_t outer = 1;
    std::int64_t inner = 1;
    for (int a = 0; a < 3; ++a) {
      if (a < axis) outer *= dims[static_cast<std::size_t>(a)];
      if (a > axis) inner *= dims[static_cast<std::size_t>(a)];
    }
    V expected;
    for (std::int64_t o = 0; o < outer; ++o) {
      for (const float index : wanted) {
        for (std::int64_t i = 0; i < inner; ++i) {
          const std::int64_t at =
              (o * dims[static_cast<std::size_t>(axis)] + static_cast<std::int64_t>(index)) *
                  inner +
              i;
          expected.push_back(x[static_cast<std::size_t>(at)]);
        }
      }
    }
    EXPECT_EQ(result.values, expected) << axis;
    EXPECT_EQ(result.shape.size(), 4U);
  }
}

TEST(Selection, AnIndexOutsideNamesTheNodeAndTheRange) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId input = test.add_input({1});
  test.add_node(Gather{0}, {test.add_literal({5}, {1, 2, 3, 4, 5}), input});
  EXPECT_EQ(run_graph(test, {4}).values, (V{5}));
  for (const float index : {7.0F, -1.0F, 1e30F, std::numeric_limits<float>::quiet_NaN()}) {
    const auto ran = run_status(test, {index});
    ASSERT_FALSE(ran) << index;
    EXPECT_EQ(ran.error().kind, ErrorKind::Malformed);
  }
  EXPECT_EQ(run_status(test, {7}).error().message, "nodes[0] (TEST): index 7 is outside 0..4");
}

TEST(Selection, IndicesMayBeWholeNumbersOfTheFile) {
  const std::int32_t stored[2] = {2, 1};
  TestGraph test(Layout::ChannelsLast);
  const TensorId input = test.add_input({3});
  Tensor tensor;
  tensor.name = "indices";
  tensor.shape = {2};
  tensor.dtype = DType::Int32;
  tensor.constant = std::as_bytes(std::span(stored));
  test.add_node(Gather{0}, {input, test.graph.add_tensor(tensor)});
  EXPECT_EQ(run_graph(test, {5, 6, 7}).values, (V{7, 6}));
}

TEST(Selection, GatherNdTakesARowOfIndicesAResult) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId input = test.add_input({2, 3, 2});
  const TensorId rows = test.add_literal({3, 2}, {1, 2, 0, 0, 1, 0});
  test.add_node(GatherNd{}, {input, rows});
  const RunResult result = run_graph(test, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11});
  EXPECT_EQ(result.shape, (Shape{3, 2}));
  EXPECT_EQ(result.values, (V{10, 11, 0, 1, 6, 7}));
  TestGraph outside(Layout::ChannelsLast);
  const TensorId x = outside.add_input({2, 3});
  outside.add_node(GatherNd{}, {x, outside.add_literal({1, 2}, {1, 3})});
  EXPECT_EQ(run_status(outside, V(6, 0.0F)).error().message,
            "nodes[0] (TEST): index 3 is outside 0..2");
}

TEST(Selection, TakeRowsCutsTheFirstAxisAlone) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId sizes = test.add_input({2});
  test.add_node(TakeRows{}, {test.add_literal({3, 2}, {1, 2, 3, 4, 5, 6}), sizes});
  const RunResult two = run_graph(test, {2, -1});
  EXPECT_EQ(two.shape, (Shape{2, 2}));
  EXPECT_EQ(two.values, (V{1, 2, 3, 4}));
  EXPECT_EQ(run_graph(test, {-1, 2}).shape, (Shape{3, 2}));
  EXPECT_EQ(run_graph(test, {0, 2}).shape, (Shape{0, 2}));
  EXPECT_EQ(run_status(test, {4, 2}).error().message,
            "nodes[0] (TEST): it takes 4 elements of axis 0 of [3,2]");
  EXPECT_EQ(run_status(test, {1, 1}).error().message,
            "nodes[0] (TEST): it takes 1 elements of axis 1 of [3,2], a computed part of the first "
            "axis alone is run");
}

TEST(Selection, SelectSpreadsItsThreeOperands) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId input = test.add_input({2, 3});
  const TensorId column = test.add_literal({2, 1}, {0, 1});
  test.add_node(Select{}, {column, input, test.add_literal({}, {-1})});
  const RunResult result = run_graph(test, {1, 2, 3, 4, 5, 6});
  EXPECT_EQ(result.shape, (Shape{2, 3}));
  EXPECT_EQ(result.values, (V{-1, -1, -1, 4, 5, 6}));
}

TEST(Selection, TileRepeatsEveryAxisInEitherLayout) {
  for (const Layout layout : {Layout::ChannelsLast, Layout::ChannelsFirst}) {
    TestGraph test(layout);
    const TensorId input = test.add_input({1, 2, 1, 2});
    test.add_node(Tile{{2, 1, 3, 1}}, {input});
    const RunResult result = run_graph(test, {1, 2, 3, 4});
    EXPECT_EQ(result.shape, (Shape{2, 2, 3, 2}));
    EXPECT_EQ(result.values, (V{1, 2, 1, 2, 1, 2, 3, 4, 3, 4, 3, 4,  //
                                1, 2, 1, 2, 1, 2, 3, 4, 3, 4, 3, 4}));
  }
}

TEST(Selection, ShapeOfGivesTheGraphsOrder) {
  TestGraph test(Layout::ChannelsFirst);
  const TensorId input = test.add_input({1, 3, 2, 4});
  test.add_node(ShapeOf{}, {input});
  EXPECT_EQ(run_graph(test, V(24, 0.0F)).values, (V{1, 3, 2, 4}));
}

TEST(Selection, TopKTakesTheLowerOfEqualsFirst) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId input = test.add_input({2, 4});
  test.add_node(TopK{3}, {input});
  const TensorId indices = test.add_value("indices");
  test.graph.nodes[0].outputs.push_back(indices);
  const V x = {1, 5, 5, 2, std::numeric_limits<float>::quiet_NaN(), -3, 0, -3};
  EXPECT_EQ(run_graph(test, x).values, (V{5, 5, 2, 0, -3, -3}));
  test.graph.outputs = {indices};
  EXPECT_EQ(run_graph(test, x).values, (V{1, 2, 3, 2, 1, 3}));
}

float area_of(const float* b) {
  return (std::max(b[0], b[2]) - std::min(b[0], b[2])) *
         (std::max(b[1], b[3]) - std::min(b[1], b[3]));
}

float naive_overlap(const float* a, const float* b) {
  const float height = std::min(std::max(a[0], a[2]), std::max(b[0], b[2])) -
                       std::max(std::min(a[0], a[2]), std::min(b[0], b[2]));
  const float width = std::min(std::max(a[1], a[3]), std::max(b[1], b[3])) -
                      std::max(std::min(a[1], a[3]), std::min(b[1], b[3]));
  if (area_of(a) <= 0 || area_of(b) <= 0 || height <= 0 || width <= 0) return 0;
  return height * width / (area_of(a) + area_of(b) - height * width);
}

// Takes the best of what is left again and again.
V naive_choice(const NonMaxSuppression& op, const V& boxes, V scores) {
  V chosen;
  while (static_cast<std::int64_t>(chosen.size()) < op.max_outputs) {
    const auto best = std::max_element(scores.begin(), scores.end()) - scores.begin();
    const float least = op.has_score_threshold ? op.score_threshold : -100.0F;
    if (scores[static_cast<std::size_t>(best)] <= least) break;
    bool is_covered = false;
    for (const float other : chosen) {
      is_covered = is_covered || naive_overlap(boxes.data() + best * 4,
                                               boxes.data() + static_cast<std::ptrdiff_t>(other) *
                                                                  4) > op.iou_threshold;
    }
    scores[static_cast<std::size_t>(best)] = -1000.0F;
    if (!is_covered) chosen.push_back(static_cast<float>(best));
  }
  return chosen;
}

TEST(Selection, WhatOnlyConstantsDecideIsKnownBeforeTheRun) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId input = test.add_input({4});
  const TensorId mask = test.add_literal({4}, {0, 1, 0, 1});
  const TensorId found = test.add_node(Where{}, {mask});
  const TensorId flat = test.add_node(Reshape{{-1}}, {found});
  test.add_node(Gather{0}, {input, flat});
  const auto executor = Executor::create(test.graph, {});
  ASSERT_TRUE(executor);
  auto session = executor->make_session();
  ASSERT_TRUE(session);
  EXPECT_EQ(session->outputs()[0].shape, (Shape{2}));  // nothing is left open
  EXPECT_EQ(run_graph(test, {5, 6, 7, 8}).values, (V{6, 8}));
  TestGraph outside(Layout::ChannelsLast);
  outside.add_input({4});
  outside.add_node(Gather{0}, {outside.add_literal({2}, {1, 2}), outside.add_literal({1}, {2})});
  const auto refused = Executor::create(outside.graph, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "nodes[0] (TEST): index 2 is outside 0..1");
}

TEST(Selection, NonMaxSuppressionEqualsTheOracle) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    constexpr std::int64_t kBoxes = 40;
    const V boxes = random_values(kBoxes * 4, seed);
    V scores = random_values(kBoxes, seed + 100);
    for (float& s : scores) s = std::round(s * 10.0F);  // many are equal
    NonMaxSuppression op;
    op.max_outputs = 5 + seed;
    op.iou_threshold = 0.1F;
    op.has_score_threshold = seed % 2 == 0;
    op.score_threshold = -3.0F;
    TestGraph test(Layout::ChannelsLast);
    const TensorId input = test.add_input({kBoxes, 4});
    test.add_node(op, {input, test.add_literal({kBoxes}, scores)});
    const V expected = naive_choice(op, boxes, scores);
    const RunResult result = run_graph(test, boxes);
    EXPECT_EQ(result.values, expected) << "seed " << seed;
    EXPECT_EQ(result.shape, (Shape{static_cast<std::int64_t>(expected.size())}));
  }
}

TEST(Selection, APaddedChoiceSaysHowManyCount) {
  NonMaxSuppression op;
  op.max_outputs = 3;
  op.pad = true;
  op.has_score_threshold = true;
  op.score_threshold = 0.5F;
  TestGraph test(Layout::ChannelsLast);
  const TensorId input = test.add_input({2, 4});
  test.add_node(op, {input, test.add_literal({2}, {0.5F, 0.75F})});
  const TensorId count = test.add_value("count");
  const TensorId scores = test.add_value("scores");
  test.graph.nodes[0].outputs.insert(test.graph.nodes[0].outputs.end(), {count, scores});
  const V boxes = {0, 0, 1, 1, 1, 1, 0, 0};
  EXPECT_EQ(run_graph(test, boxes).values, (V{1, 0, 0}));
  test.graph.outputs = {count};
  EXPECT_EQ(run_graph(test, boxes).values, (V{1}));
  test.graph.outputs = {scores};
  EXPECT_EQ(run_graph(test, boxes).values, (V{0.75F, 0, 0}));
}

}  // namespace
}  // namespace visionpress
