// Reductions: of each kind, over axes in each order.

#include <cmath>
#include <limits>
#include <map>

#include "run/graph_build_testonly.h"

namespace visionpress {
namespace {

/// Each row of `x` reduced.
std::vector<float> reduce_rows(ReduceKind kind, bool keeps_nan, std::int64_t columns,
                               const std::vector<float>& x) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId input = test.add_input({std::ssize(x) / columns, columns});
  Reduce op;
  op.kind = kind;
  op.axes = {1};
  op.keep_dims = false;
  op.keeps_nan = keeps_nan;
  test.add_node(op, {input});
  return run_graph(test, x).values;
}

TEST(Reduce, AReductionKeepsNanOrLosesItToTheElementBehindIt) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> x = {nan, 1, 2, 1, nan, 0, 1, 2, nan};
  const std::vector<float> largest = reduce_rows(ReduceKind::Maximum, false, 3, x);
  EXPECT_EQ(largest[0], 2.0F);
  EXPECT_EQ(largest[1], 0.0F);
  EXPECT_TRUE(std::isnan(largest[2]));
  const std::vector<float> smallest = reduce_rows(ReduceKind::Minimum, false, 3, x);
  EXPECT_EQ(smallest[0], 1.0F);
  EXPECT_EQ(smallest[1], 0.0F);
  EXPECT_TRUE(std::isnan(smallest[2]));
  for (const ReduceKind kind : {ReduceKind::Maximum, ReduceKind::Minimum})
    for (const float y : reduce_rows(kind, true, 3, x)) EXPECT_TRUE(std::isnan(y));
}

/// The result by its definition, and the operator's on several numbers of threads.
void expect_reduced(ReduceKind kind, Layout layout, const std::vector<int>& axes, bool keeps_dims) {
  const Shape shape = {2, 61, 43, 5};
  const std::vector<float> x = random_values(count_of(shape), 61);
  std::vector<bool> reduced(shape.size(), false);
  for (const int axis : axes) reduced[static_cast<std::size_t>(axis)] = true;
  std::map<std::size_t, double> totals;
  std::size_t terms = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    std::size_t rest = i;
    std::size_t at = 0;
    std::size_t step = 1;
    for (std::size_t axis = shape.size(); axis-- > 0;) {
      const auto size = static_cast<std::size_t>(shape[axis]);
      if (!reduced[axis]) at += rest % size * step;
      if (!reduced[axis]) step *= size;
      rest /= size;
    }
    const double value = x[i];
    totals[at] += kind == ReduceKind::Sum || kind == ReduceKind::Mean ? value : value * value;
    terms += at == 0 ? 1 : 0;
  }
  TestGraph test(layout);
  const TensorId input = test.add_input(shape);
  Reduce op;
  op.kind = kind;
  op.axes = axes;
  op.keep_dims = keeps_dims;
  test.add_node(op, {input});
  const std::vector<float> one = run_graph(test, x, Arithmetic::Runtime, 1).values;
  ASSERT_EQ(one.size(), totals.size());
  for (const auto& [at, total] : totals) {
    const double mean = kind == ReduceKind::Mean ? total / static_cast<double>(terms) : total;
    EXPECT_NEAR(one[at], kind == ReduceKind::L2 ? std::sqrt(mean) : mean, 1e-3) << at;
  }
  for (const int threads : {2, 7})
    EXPECT_EQ(run_graph(test, x, Arithmetic::Runtime, threads).values, one) << threads;
}

TEST(Reduce, SumsAreThoseOfTheAxesInEachOrder) {
  for (const ReduceKind kind :
       {ReduceKind::Sum, ReduceKind::Mean, ReduceKind::SumOfSquares, ReduceKind::L2}) {
    for (const Layout layout : {Layout::ChannelsLast, Layout::ChannelsFirst}) {
      for (const std::vector<int>& axes :
           std::vector<std::vector<int>>{{1, 2}, {2, 3}, {0, 1, 2}, {2}, {3}, {1}, {0}, {1, 3}}) {
        for (const bool keeps_dims : {false, true}) expect_reduced(kind, layout, axes, keeps_dims);
      }
    }
  }
}

}  // namespace
}  // namespace visionpress
