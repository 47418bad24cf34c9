// Operators that pick, place, order or add up elements, against their definitions by hand.

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

TEST(Places, GatherPicksWithinEachBatch) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId input = test.add_input({2, 3});
  Gather gather;
  gather.axis = 1;
  gather.batch_axes = 1;
  test.add_node(gather, {input, test.add_literal({2, 2}, {2, 0, 1, 1})});
  const RunResult result = run_graph(test, {1, 2, 3, 4, 5, 6});
  EXPECT_EQ(result.shape, (Shape{2, 2}));
  EXPECT_EQ(result.values, (V{3, 1, 5, 5}));
}

TEST(Places, NegativeIndicesCountFromTheEndWhereTheFormatSaysSo) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId input = test.add_input({3});
  Gather gather;
  gather.counts_back = true;
  test.add_node(gather, {input, test.add_literal({2}, {-1, -3})});
  EXPECT_EQ(run_graph(test, {1, 2, 3}).values, (V{3, 1}));
  std::get<Gather>(test.graph.nodes[0].op).counts_back = false;
  EXPECT_EQ(run_status(test, {1, 2, 3}).error().message,
            "nodes[0] (TEST): index -1 is outside 0..2");
}

TEST(Places, GatherElementsTakesOneElementForEachIndex) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId input = test.add_input({2, 3});
  test.add_node(GatherElements{1, false}, {input, test.add_literal({2, 2}, {2, 0, 1, 1})});
  EXPECT_EQ(run_graph(test, {1, 2, 3, 4, 5, 6}).values, (V{3, 1, 5, 5}));
  TestGraph rows(Layout::ChannelsLast);
  const TensorId x = rows.add_input({2, 3});
  rows.add_node(GatherElements{0, false}, {x, rows.add_literal({1, 3}, {1, 0, 1})});
  EXPECT_EQ(run_graph(rows, {1, 2, 3, 4, 5, 6}).values, (V{4, 2, 6}));
}

TEST(Places, ScatterNdCombinesUpdatesInTheirOrder) {
  for (const auto& [kind, expected] : std::vector<std::pair<ScatterKind, V>>{
           {ScatterKind::Update, {1, 2, 7, 8, 5, 6}},
           {ScatterKind::Add, {1, 2, 3 + 9 + 7, 4 + 9 + 8, 5, 6}},
           {ScatterKind::Subtract, {1, 2, 3 - 9 - 7, 4 - 9 - 8, 5, 6}},
           {ScatterKind::Multiply, {1, 2, 3 * 9 * 7, 4 * 9 * 8, 5, 6}},
           {ScatterKind::Maximum, {1, 2, 9, 9, 5, 6}},
           {ScatterKind::Minimum, {1, 2, 3, 4, 5, 6}}}) {
    TestGraph test(Layout::ChannelsLast);
    const TensorId input = test.add_input({3, 2});
    test.add_node(ScatterNd{kind, false}, {input, test.add_literal({2, 1}, {1, 1}),
                                           test.add_literal({2, 2}, {9, 9, 7, 8})});
    EXPECT_EQ(run_graph(test, {1, 2, 3, 4, 5, 6}).values, expected) << static_cast<int>(kind);
  }
}

TEST(Places, AnUpdateOutsideNamesItsIndex) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId input = test.add_input({3});
  test.add_node(ScatterNd{ScatterKind::Add, false},
                {input, test.add_literal({1, 1}, {3}), test.add_literal({1}, {1})});
  EXPECT_EQ(run_status(test, {0, 0, 0}).error().message,
            "nodes[0] (TEST): index 3 is outside 0..2");
}

TEST(Places, ScatterElementsIsTheInverseOfGatherElements) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId input = test.add_input({2, 3});
  test.add_node(ScatterElements{1, ScatterKind::Update, false},
                {input, test.add_literal({2, 1}, {2, 0}), test.add_literal({2, 1}, {10, 20})});
  EXPECT_EQ(run_graph(test, {1, 2, 3, 4, 5, 6}).values, (V{1, 2, 10, 20, 5, 6}));
}

TEST(Places, ReverseTurnsTheNamedAxes) {
  const V x = {1, 2, 3, 4, 5, 6};
  EXPECT_EQ(run_one(Reverse{{1}}, Layout::ChannelsLast, {2, 3}, x).values, (V{3, 2, 1, 6, 5, 4}));
  EXPECT_EQ(run_one(Reverse{{0, -1}}, Layout::ChannelsLast, {2, 3}, x).values,
            (V{6, 5, 4, 3, 2, 1}));
  // Channels of a channels-first image.
  const V image = {1, 2, 3, 4, 5, 6, 7, 8};
  EXPECT_EQ(run_one(Reverse{{1}}, Layout::ChannelsFirst, {1, 2, 2, 2}, image).values,
            (V{5, 6, 7, 8, 1, 2, 3, 4}));
}

TEST(Places, CumulativeSumsRunEitherWayAndMayLeaveOutTheElement) {
  const V x = {1, 2, 3, 4, 5, 6};
  const auto run = [&x](const CumulativeSum& op) {
    return run_one(op, Layout::ChannelsLast, {2, 3}, x).values;
  };
  EXPECT_EQ(run({1, false, false}), (V{1, 3, 6, 4, 9, 15}));
  EXPECT_EQ(run({1, true, false}), (V{0, 1, 3, 0, 4, 9}));
  EXPECT_EQ(run({1, false, true}), (V{6, 5, 3, 15, 11, 6}));
  EXPECT_EQ(run({0, true, true}), (V{4, 5, 6, 0, 0, 0}));
}

TEST(Places, TopKMayTakeTheSmallestOrAll) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId input = test.add_input({4});
  test.add_node(TopK{-1, true}, {input});
  const TensorId indices = test.add_value("indices");
  test.graph.nodes[0].outputs.push_back(indices);
  EXPECT_EQ(run_graph(test, {3, 1, 2, 1}).values, (V{1, 1, 2, 3}));
  test.graph.outputs = {indices};
  EXPECT_EQ(run_graph(test, {3, 1, 2, 1}).values, (V{1, 3, 2, 0}));
}

// A run holds images as N,H,W,C; places count in the graph's order N,C,H,W.
TEST(Places, PlacesCountInTheGraphsOrder) {
  const V x = {1, 2, 3, 4, 5, 6, 7, 8};  // channels [[1,2],[3,4]] and [[5,6],[7,8]]
  TestGraph gather(Layout::ChannelsFirst);
  const TensorId image = gather.add_input({1, 2, 2, 2});
  gather.add_node(Gather{1}, {image, gather.add_literal({2}, {1, 0})});
  EXPECT_EQ(run_graph(gather, x).values, (V{5, 6, 7, 8, 1, 2, 3, 4}));
  EXPECT_EQ(run_one(Where{}, Layout::ChannelsFirst, {1, 2, 2, 2}, {0, 0, 0, 0, 0, 1, 0, 0}).values,
            (V{0, 1, 0, 1}));
  TestGraph top(Layout::ChannelsFirst);
  const TensorId rows = top.add_input({1, 2, 2, 2});
  top.add_node(TopK{1}, {rows});
  top.graph.nodes[0].outputs.push_back(top.add_value("indices"));
  EXPECT_EQ(run_graph(top, x).values, (V{2, 4, 6, 8}));
  TestGraph product(Layout::ChannelsFirst);
  const TensorId a = product.add_input({1, 2, 2, 2});
  product.add_node(BatchMatMul{}, {a, a});
  EXPECT_EQ(run_graph(product, x).values, (V{7, 10, 15, 22, 67, 78, 91, 106}));
}

}  // namespace
}  // namespace visionpress
