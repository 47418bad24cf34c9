// The smaller operators, each on values small enough to work out by hand, in both layouts where it
// matters.

#include <cmath>
#include <limits>

#include "run/graph_build_testonly.h"

namespace visionpress {
namespace {

TEST(Ops, EachUnaryFunctionIsItsFormula) {
  const std::vector<float> x = {-2.0F, 0.5F, 7.0F};
  const auto run = [&](UnaryKind kind, float alpha, float beta) {
    return run_one(Unary{kind, alpha, beta}, Layout::ChannelsLast, {1, 3}, x).values;
  };
  using V = std::vector<float>;
  EXPECT_EQ(run(UnaryKind::Relu, 0, 0), (V{0, 0.5F, 7}));
  EXPECT_EQ(run(UnaryKind::Relu6, 0, 0), (V{0, 0.5F, 6}));
  EXPECT_EQ(run(UnaryKind::ReluN1To1, 0, 0), (V{-1, 0.5F, 1}));
  EXPECT_EQ(run(UnaryKind::LeakyRelu, 0.5F, 0), (V{-1, 0.5F, 7}));
  EXPECT_EQ(run(UnaryKind::ThresholdedRelu, 1, 0), (V{0, 0, 7}));
  EXPECT_EQ(run(UnaryKind::HardSigmoid, 0.25F, 0.5F), (V{0, 0.625F, 1}));
  EXPECT_EQ(run(UnaryKind::HardSwish, 0, 0), (V{-2.0F / 6.0F, 0.5F * 3.5F / 6.0F, 7}));
  EXPECT_EQ(run(UnaryKind::Softsign, 0, 0), (V{-2.0F / 3.0F, 0.5F / 1.5F, 7.0F / 8.0F}));
  EXPECT_EQ(run(UnaryKind::Linear, 2, 1), (V{-3, 2, 15}));
  EXPECT_EQ(run(UnaryKind::Threshold, 1, 0), (V{1, 1, 7}));
  EXPECT_EQ(run(UnaryKind::Clip, -1, 1), (V{-1, 0.5F, 1}));
  EXPECT_EQ(run(UnaryKind::Power, 2, 0), (V{4, 0.25F, 49}));
  EXPECT_EQ(run(UnaryKind::Abs, 0, 0), (V{2, 0.5F, 7}));
  EXPECT_EQ(run(UnaryKind::Square, 0, 0), (V{4, 0.25F, 49}));
  EXPECT_EQ(run(UnaryKind::Negate, 0, 0), (V{2, -0.5F, -7}));
  EXPECT_EQ(run(UnaryKind::Floor, 0, 0), (V{-2, 0, 7}));
  EXPECT_EQ(run(UnaryKind::Ceil, 0, 0), (V{-2, 1, 7}));
  EXPECT_EQ(run(UnaryKind::Inverse, 0, 0), (V{-0.5F, 2, 1.0F / 7.0F}));
  EXPECT_NEAR(run(UnaryKind::Exp, 0, 0)[2], std::exp(7.0F), 1e-3F);
  EXPECT_NEAR(run(UnaryKind::Tanh, 0, 0)[0], std::tanh(-2.0F), 1e-6F);
  EXPECT_EQ(run(UnaryKind::ScaledTanh, 2, 0.5F),
            (V{2 * std::tanh(-1.0F), 2 * std::tanh(0.25F), 2 * std::tanh(3.5F)}));
  EXPECT_NEAR(run(UnaryKind::Elu, 0.5F, 0)[0], 0.5F * std::expm1(-2.0F), 1e-6F);
  EXPECT_EQ(run(UnaryKind::Elu, 0.5F, 0)[2], 7.0F);
  EXPECT_NEAR(run(UnaryKind::Sigmoid, 0, 0)[1], 0.62245933F, 1e-7F);
  EXPECT_NEAR(run(UnaryKind::Softplus, 0, 0)[0], 0.126928F, 1e-6F);
}

TEST(Ops, AClipBehindASumIsComputedWithIt) {
  using V = std::vector<float>;
  const auto run = [](UnaryKind kind, bool is_read_twice) {
    TestGraph test(Layout::ChannelsLast);
    const TensorId x = test.add_input({4});
    const TensorId sum = test.add_node(Binary{BinaryKind::Add, FusedActivation::None},
                                       {x, test.add_literal({4}, {1, 1, 1, 1})});
    const TensorId clipped = test.add_node(Unary{kind, 0, 0}, {sum});
    if (is_read_twice) test.add_node(Binary{BinaryKind::Multiply, {}}, {clipped, sum});
    return run_graph(test, {-3, -0.5F, 2, 9}).values;
  };
  EXPECT_EQ(run(UnaryKind::Relu, false), (V{0, 0.5F, 3, 10}));
  EXPECT_EQ(run(UnaryKind::Relu6, false), (V{0, 0.5F, 3, 6}));
  EXPECT_EQ(run(UnaryKind::ReluN1To1, false), (V{-1, 0.5F, 1, 1}));
  EXPECT_EQ(run(UnaryKind::Negate, false), (V{2, -0.5F, -3, -10}));
  EXPECT_EQ(run(UnaryKind::Relu6, true), (V{0, 0.25F, 9, 60}));
}

TEST(Ops, UnaryKindsOfWholeNumbersAndTruth) {
  const std::vector<float> x = {-2.5F, -1.5F, -0.5F, 0.0F, 0.5F, 1.5F, 2.75F};
  const auto run = [&](UnaryKind kind) {
    return run_one(Unary{kind, 0, 0}, Layout::ChannelsLast, {1, 7}, x).values;
  };
  using V = std::vector<float>;
  EXPECT_EQ(run(UnaryKind::Round), (V{-2, -2, 0, 0, 0, 2, 3}));
  EXPECT_EQ(run(UnaryKind::Truncate), (V{-2, -1, 0, 0, 0, 1, 2}));
  EXPECT_EQ(run(UnaryKind::Sign), (V{-1, -1, -1, 0, 1, 1, 1}));
  EXPECT_EQ(run(UnaryKind::LogicalNot), (V{0, 0, 0, 1, 0, 0, 0}));
}

TEST(Ops, BinaryKindsThatCompareGiveOneOrZero) {
  const auto run = [](BinaryKind kind) {
    TestGraph test(Layout::ChannelsLast);
    const TensorId x = test.add_input({4});
    test.add_node(Binary{kind, FusedActivation::None}, {x, test.add_literal({4}, {0, 2, 2, 2})});
    return run_graph(test, {0, 1, 2, 3}).values;
  };
  using V = std::vector<float>;
  EXPECT_EQ(run(BinaryKind::Greater), (V{0, 0, 0, 1}));
  EXPECT_EQ(run(BinaryKind::GreaterEqual), (V{1, 0, 1, 1}));
  EXPECT_EQ(run(BinaryKind::Less), (V{0, 1, 0, 0}));
  EXPECT_EQ(run(BinaryKind::LessEqual), (V{1, 1, 1, 0}));
  EXPECT_EQ(run(BinaryKind::Equal), (V{1, 0, 1, 0}));
  EXPECT_EQ(run(BinaryKind::NotEqual), (V{0, 1, 0, 1}));
  EXPECT_EQ(run(BinaryKind::LogicalAnd), (V{0, 1, 1, 1}));
  EXPECT_EQ(run(BinaryKind::LogicalOr), (V{0, 1, 1, 1}));
}

TEST(Ops, AModuloOfALargeQuotientStaysBelowItsDivisor) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId x = test.add_input({3});
  test.add_node(Binary{BinaryKind::FloorModulo, FusedActivation::None},
                {x, test.add_literal({3}, {0.3F, -0.3F, 0.3F})});
  const std::vector<float> values = run_graph(test, {1234567.0F, 1234567.0F, -1234567.0F}).values;
  // As Python: math.fmod of the two floats, 0.3F being 0.300000011920929, and the divisor's sign.
  EXPECT_FLOAT_EQ(values[0], 0.05094272F);
  EXPECT_FLOAT_EQ(values[1], -0.24905729F);
  EXPECT_FLOAT_EQ(values[2], 0.24905729F);
}

TEST(Ops, BinaryKindsOfArithmeticFollowTensorFlow) {
  const auto run = [](BinaryKind kind) {
    TestGraph test(Layout::ChannelsLast);
    const TensorId x = test.add_input({4});
    test.add_node(Binary{kind, FusedActivation::None}, {x, test.add_literal({4}, {3, 3, -3, 2})});
    return run_graph(test, {7, -7, 7, 0.5F}).values;
  };
  using V = std::vector<float>;
  EXPECT_EQ(run(BinaryKind::FloorDivide), (V{2, -3, -3, 0}));
  EXPECT_EQ(run(BinaryKind::FloorModulo), (V{1, 2, -2, 0.5F}));
  EXPECT_EQ(run(BinaryKind::Power), (V{343, -343, 1.0F / 343.0F, 0.25F}));
  EXPECT_EQ(run(BinaryKind::SquaredDifference), (V{16, 100, 100, 2.25F}));
}

TEST(Ops, BinaryOperandsBroadcastAsInNumpy) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId x = test.add_input({1, 2, 1, 2});
  test.add_node(Binary{BinaryKind::Add, FusedActivation::Relu6},
                {x, test.add_weight({3, 1}, {10, -20, 3})});
  const RunResult result = run_graph(test, {1, 2, 3, 4});
  EXPECT_EQ(result.shape, (Shape{1, 2, 3, 2}));
  EXPECT_EQ(result.values, (std::vector<float>{6, 6, 0, 0, 4, 5, 6, 6, 0, 0, 6, 6}));
}

TEST(Ops, AChannelVectorOfAChannelsFirstGraphMeetsItsChannels) {
  TestGraph test(Layout::ChannelsFirst);
  const TensorId x = test.add_input({1, 2, 1, 3});
  test.add_node(Binary{BinaryKind::Multiply, FusedActivation::None},
                {x, test.add_literal({2, 1, 1}, {10, 100})});
  EXPECT_EQ(run_graph(test, {1, 2, 3, 4, 5, 6}).values,
            (std::vector<float>{10, 20, 30, 400, 500, 600}));
}

TEST(Ops, OperandsOfLowerRankAlignFromTheRightOfTheGraphsOrder) {
  // [N,C,H,W] = [1,2,1,3] beside values of lower rank that a node gives, so that their axes are not
  // those of a constant which is seen with four.
  const auto run = [](const Shape& shape, const std::vector<float>& values) {
    TestGraph test(Layout::ChannelsFirst);
    const TensorId x = test.add_input({1, 2, 1, 3});
    const TensorId other = test.add_node(Identity{}, {test.add_literal(shape, values)});
    test.add_node(Binary{BinaryKind::Add, FusedActivation::None}, {x, other});
    return run_graph(test, {1, 2, 3, 4, 5, 6});
  };
  using V = std::vector<float>;
  EXPECT_EQ(run({3}, {10, 20, 30}).values, (V{11, 22, 33, 14, 25, 36}));
  EXPECT_EQ(run({2, 1, 1}, {10, 20}).values, (V{11, 12, 13, 24, 25, 26}));
  EXPECT_EQ(run({2, 1, 3}, {10, 20, 30, 40, 50, 60}).values, (V{11, 22, 33, 44, 55, 66}));
  EXPECT_EQ(run({2, 1}, {10, 20}).shape, (Shape{1, 2, 2, 3}));
  EXPECT_EQ(run({2, 1}, {10, 20}).values, (V{11, 12, 13, 21, 22, 23, 14, 15, 16, 24, 25, 26}));
  const RunResult five = run({2, 1, 2, 1, 1}, {10, 20, 30, 40});
  EXPECT_EQ(five.shape, (Shape{2, 1, 2, 1, 3}));
  EXPECT_EQ(five.values, (V{11, 12, 13, 24, 25, 26, 31, 32, 33, 44, 45, 46}));
}

TEST(Ops, AConstantOfEqualSidesIsMovedToTheOrderOfMemoryToo) {
  TestGraph test(Layout::ChannelsFirst);
  const TensorId x = test.add_input({1, 2, 2, 2});
  test.add_node(Binary{BinaryKind::Add, FusedActivation::None},
                {x, test.add_literal({1, 2, 2, 2}, {10, 20, 30, 40, 50, 60, 70, 80})});
  EXPECT_EQ(run_graph(test, {1, 2, 3, 4, 5, 6, 7, 8}).values,
            (std::vector<float>{11, 22, 33, 44, 55, 66, 77, 88}));
}

TEST(Ops, AMaximumKeepsNanWhereItIsAskedTo) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const auto run = [&](BinaryKind kind, bool keeps_nan, bool swaps,
                       Arithmetic arithmetic = Arithmetic::Runtime) {
    TestGraph test(Layout::ChannelsLast);
    const TensorId x = test.add_input({1, 3});
    const TensorId zero = test.add_literal({1, 1}, {0});
    test.add_node(Binary{kind, FusedActivation::None, keeps_nan},
                  swaps ? std::vector<TensorId>{zero, x} : std::vector<TensorId>{x, zero});
    return run_graph(test, {nan, -1, 1}, arithmetic).values;
  };
  for (const BinaryKind kind : {BinaryKind::Maximum, BinaryKind::Minimum}) {
    EXPECT_TRUE(std::isnan(run(kind, true, false)[0]));
    EXPECT_TRUE(std::isnan(run(kind, true, true)[0]));
    // LiteRT's default kernels clamp by the constant, its builtin ones compare.
    EXPECT_TRUE(std::isnan(run(kind, false, false)[0]));
    EXPECT_TRUE(std::isnan(run(kind, false, true)[0]));
    EXPECT_EQ(run(kind, false, false, Arithmetic::Builtin)[0], 0.0F);
  }
  EXPECT_EQ(run(BinaryKind::Maximum, true, false)[1], 0.0F);
  EXPECT_EQ(run(BinaryKind::Minimum, true, false)[2], 0.0F);
}

TEST(Ops, OneValuePerChannelMeetsEachPixel) {
  for (const std::int64_t channels : {1, 3, 16, 300}) {
    const Shape shape = {1, 23, 7, channels};
    const std::vector<float> x = random_values(count_of(shape), 62);
    const std::vector<float> b = random_values(static_cast<std::size_t>(channels), 63);
    const RunResult y = run_one(Binary{BinaryKind::Subtract, FusedActivation::None},
                                Layout::ChannelsLast, shape, x, {b});
    ASSERT_EQ(y.values.size(), x.size());
    for (std::size_t i = 0; i < x.size(); ++i)
      ASSERT_EQ(y.values[i], x[i] - b[i % static_cast<std::size_t>(channels)]) << i;
  }
}

TEST(Ops, AFlooredQuotientIsExact) {
  // 0.7F / 0.1F is 6.99999978, which float32 rounds to 7.
  const RunResult y = run_one(Binary{BinaryKind::FloorDivide, FusedActivation::None},
                              Layout::ChannelsLast, {1}, {0.7F}, {{0.1F}});
  EXPECT_EQ(y.values, std::vector<float>{6});
}

TEST(Ops, AnAverageOfThreeDividesTheirSum) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId x = test.add_input({1, 2});
  test.add_node(Binary{BinaryKind::Average, FusedActivation::None},
                {x, test.add_literal({1, 2}, {2, 3}), test.add_literal({}, {6})});
  EXPECT_EQ(run_graph(test, {1, 3}).values, (std::vector<float>{3, 4}));
}

TEST(Ops, NormalizationsFollowTheirFormulas) {
  const std::vector<float> x = {1, 2, 3, 10, 20, 30};
  const RunResult batch = run_one(BatchNorm{0.0F}, Layout::ChannelsFirst, {1, 2, 1, 3}, x,
                                  {{2, 1}, {1, 0}, {2, 10}, {4, 100}});
  EXPECT_EQ(batch.values, (std::vector<float>{0, 1, 2, 0, 1, 2}));
  const RunResult instance =
      run_one(InstanceNorm{0.0F}, Layout::ChannelsFirst, {1, 2, 1, 3}, x, {{1, 1}, {0, 5}});
  const float deviation = std::sqrt(2.0F / 3.0F);
  EXPECT_NEAR(instance.values[0], -1.0F / deviation, 1e-6F);
  EXPECT_NEAR(instance.values[5], 5.0F + 1.0F / deviation, 1e-6F);
  const RunResult prelu =
      run_one(Prelu{}, Layout::ChannelsFirst, {1, 2, 1, 2}, {-1, 1, -1, 1}, {{0.5F, 2}});
  EXPECT_EQ(prelu.values, (std::vector<float>{-0.5F, 1, -2, 1}));
}

// y = x / (bias + alpha * sum of x^2 over the places within the radius) ^ beta, each window by
// itself.
TEST(Ops, ALocalResponseNormFollowsItsFormula) {
  for (const std::int64_t channels : {1, 2, 7, 17}) {
    for (const std::int64_t radius : {0, 1, 5, 40}) {
      for (const float beta : {0.5F, 0.75F, 1.0F, 0.3F}) {
        LocalResponseNorm norm;
        norm.radius = radius;
        norm.bias = 2.0F;
        norm.alpha = 0.25F;
        norm.beta = beta;
        const std::vector<float> x =
            random_values(static_cast<std::size_t>(2 * 3 * 5 * channels), 7);
        const RunResult result = run_one(norm, Layout::ChannelsLast, {2, 3, 5, channels}, x);
        ASSERT_EQ(result.values.size(), x.size());
        for (std::int64_t i = 0; i < std::ssize(x); ++i) {
          double sum = 0.0;
          for (std::int64_t k = -radius; k <= radius; ++k) {
            const std::int64_t c = i % channels + k;
            if (c < 0 || c >= channels) continue;
            const auto value = static_cast<double>(x[static_cast<std::size_t>(i + k)]);
            sum += value * value;
          }
          const auto at = static_cast<std::size_t>(i);
          const double expected =
              static_cast<double>(x[at]) / std::pow(2.0 + 0.25 * sum, static_cast<double>(beta));
          // Computed in double; only the result is rounded, by half an ulp of a value below 1.
          ASSERT_NEAR(static_cast<double>(result.values[at]), expected, 6e-8) << channels;
        }
      }
    }
  }
}

TEST(Ops, ALocalResponseNormRunsAlongTheChannelsOfEitherLayout) {
  const LocalResponseNorm norm = {-3, 1, 0.0F, 1.0F, 0.5F};
  const RunResult result = run_one(norm, Layout::ChannelsFirst, {1, 2, 1, 2}, {3, 0, 4, 2});
  EXPECT_EQ(result.values, (std::vector<float>{0.6F, 0, 0.8F, 1}));
}

TEST(Ops, TheInverseOfMinusZeroIsNegative) {
  const float infinity = std::numeric_limits<float>::infinity();
  for (const UnaryKind kind : {UnaryKind::Rsqrt, UnaryKind::Inverse}) {
    const RunResult result =
        run_one(Unary{kind, 0.0F, 0.0F}, Layout::ChannelsLast, {2}, {0, -0.0F});
    EXPECT_EQ(result.values, (std::vector<float>{infinity, -infinity}));
  }
}

TEST(Ops, AFloorDivisionByZeroEndsTheRunAsInLiteRt) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId x = test.add_input({2});
  test.add_node(Binary{BinaryKind::FloorDivide}, {test.add_literal({2}, {1, 2}), x});
  const auto executor = Executor::create(test.graph, {});
  ASSERT_TRUE(executor);
  auto session = executor->make_session();
  EXPECT_TRUE(session->run(std::vector<float>{1, 2}));
  const auto ran = session->run(std::vector<float>{1, -0.0F});
  ASSERT_FALSE(ran);
  EXPECT_NE(ran.error().message.find("it divides by zero"), std::string::npos);
}

TEST(Ops, SoftmaxRunsAlongTheChannelsOfEitherLayout) {
  Softmax softmax;
  softmax.axis = -3;
  const RunResult result = run_one(softmax, Layout::ChannelsFirst, {1, 2, 1, 2}, {0, 100, 0, 0});
  EXPECT_EQ(result.values, (std::vector<float>{0.5F, 1, 0.5F, std::exp(-100.0F)}));
}

TEST(Ops, AReductionOfFiveAxesToFourLiesAsTensorsOfFourDo) {
  Reduce reduce;
  reduce.kind = ReduceKind::Sum;
  reduce.axes = {0};
  reduce.keep_dims = false;
  const RunResult sum = run_one(reduce, Layout::ChannelsFirst, {2, 1, 2, 1, 3},
                                {1, 2, 3, 4, 5, 6, 10, 20, 30, 40, 50, 60});
  EXPECT_EQ(sum.shape, (Shape{1, 2, 1, 3}));
  EXPECT_EQ(sum.values, (std::vector<float>{11, 22, 33, 44, 55, 66}));
}

TEST(Ops, ReductionsKeepOrDropTheirAxes) {
  const std::vector<float> x = {1, 2, 3, 4, 5, 6, 7, 8};
  Reduce reduce;
  reduce.axes = {2, 3};
  const RunResult mean = run_one(reduce, Layout::ChannelsFirst, {1, 2, 2, 2}, x);
  EXPECT_EQ(mean.shape, (Shape{1, 2, 1, 1}));
  EXPECT_EQ(mean.values, (std::vector<float>{2.5F, 6.5F}));
  reduce.axes = {2};
  reduce.keep_dims = false;
  reduce.kind = ReduceKind::Sum;
  const RunResult sum = run_one(reduce, Layout::ChannelsFirst, {1, 2, 2, 2}, x);
  EXPECT_EQ(sum.shape, (Shape{1, 2, 2}));
  EXPECT_EQ(sum.values, (std::vector<float>{4, 6, 12, 14}));
  reduce.axes = {-3};
  reduce.kind = ReduceKind::ArgMax;
  EXPECT_EQ(run_one(reduce, Layout::ChannelsFirst, {1, 2, 2, 2}, {9, 2, 3, 4, 5, 6, 3, 8}).values,
            (std::vector<float>{0, 1, 0, 1}));
}

TEST(Ops, AFullyConnectedLayerReadsAPlaneInChannelOrder) {
  TestGraph test(Layout::ChannelsFirst);
  const TensorId x = test.add_input({1, 2, 1, 2});
  FullyConnected op;
  op.keep_spatial = true;
  op.activation = FusedActivation::Relu;
  test.add_node(op, {x, test.add_weight({2, 4}, {1, 10, 100, 1000, -1, 0, 0, 0}),
                     test.add_weight({2}, {0.5F, 0})});
  const RunResult result = run_graph(test, {1, 2, 3, 4});
  EXPECT_EQ(result.shape, (Shape{1, 2, 1, 1}));
  EXPECT_EQ(result.values, (std::vector<float>{4321.5F, 0}));
}

/// [1 2 3; 4 5 6] x [1 0; 2 1; 0 3], by hand; each operand also the other way round.
TEST(Ops, ComputedMatricesAreMultiplied) {
  const std::vector<float> rows = {1, 2, 3, 4, 5, 6};
  const std::vector<float> columns = {1, 4, 2, 5, 3, 6};
  for (const bool turn_a : {false, true}) {
    for (const bool turn_b : {false, true}) {
      TestGraph test(Layout::ChannelsLast);
      const TensorId a = test.add_input(turn_a ? Shape{3, 2} : Shape{2, 3});
      const TensorId b = turn_b ? test.add_literal({2, 3}, {1, 2, 0, 0, 1, 3})
                                : test.add_literal({3, 2}, {1, 0, 2, 1, 0, 3});
      test.add_node(BatchMatMul{turn_a, turn_b}, {a, b});
      const RunResult result = run_graph(test, turn_a ? columns : rows);
      EXPECT_EQ(result.shape, (Shape{2, 2}));
      EXPECT_EQ(result.values, (std::vector<float>{5, 11, 14, 23}));
    }
  }
}

/// Sums in double; float32 ones of k products of values below 1 err by at most k * 2^-24 * k.
TEST(Ops, BatchesOfMatricesBroadcast) {
  struct Case {
    Shape a;
    Shape b;
    Shape out;
  };
  for (const Case& c :
       {Case{{2, 1, 3, 5}, {1, 4, 5, 2}, {2, 4, 3, 2}}, Case{{7, 17}, {3, 17, 1}, {3, 7, 1}},
        Case{{1, 300, 9}, {1, 9, 33}, {1, 300, 33}}}) {
    TestGraph test(Layout::ChannelsLast);
    const auto a = random_values(static_cast<std::size_t>(*element_count(c.a)), 1);
    const auto b = random_values(static_cast<std::size_t>(*element_count(c.b)), 2);
    test.add_node(BatchMatMul{}, {test.add_input(c.a), test.add_literal(c.b, b)});
    const RunResult result = run_graph(test, a);
    ASSERT_EQ(result.shape, c.out);
    EXPECT_EQ(run_graph(test, a, Arithmetic::Runtime, 1).values, result.values);
    const std::size_t m = static_cast<std::size_t>(c.a[c.a.size() - 2]);
    const std::size_t k = static_cast<std::size_t>(c.a.back());
    const std::size_t n = static_cast<std::size_t>(c.b.back());
    const bool is_grid = c.out.size() == 4;  // a has the first batch axis of 2, b the second of 4
    for (std::size_t i = 0; i < result.values.size(); ++i) {
      const std::size_t matrix = i / (m * n);
      const float* p = a.data() + (is_grid ? matrix / 4 * m * k : 0) + i / n % m * k;
      const float* q = b.data() + (is_grid ? matrix % 4 : matrix) * k * n + i % n;
      double sum = 0;
      for (std::size_t j = 0; j < k; ++j) sum += static_cast<double>(p[j]) * q[j * n];
      ASSERT_NEAR(result.values[i], sum, static_cast<double>(k * k) * 0x1p-24) << i;
    }
  }
}

TEST(Ops, AProductOfPlanesOfOneChannelIsThatOfTheirRowsAndColumns) {
  TestGraph test(Layout::ChannelsFirst);
  const TensorId a = test.add_input({1, 1, 2, 3});
  test.add_node(BatchMatMul{}, {a, test.add_literal({1, 1, 3, 2}, {1, 0, 2, 1, 0, 3})});
  const RunResult result = run_graph(test, {1, 2, 3, 4, 5, 6});
  EXPECT_EQ(result.shape, (Shape{1, 1, 2, 2}));
  EXPECT_EQ(result.values, (std::vector<float>{5, 11, 14, 23}));
}

TEST(Ops, MatricesThatDoNotMeetAreRefused) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId x = test.add_input({2, 3});
  test.add_node(BatchMatMul{false, false}, {x, x});
  const auto executor = Executor::create(test.graph, {});
  ASSERT_FALSE(executor);
  EXPECT_EQ(executor.error().message, "nodes[0] (TEST): product of [2,3] and [2,3]");
}

TEST(Ops, AMatrixOfColumnsIsTheSameProductAsOneOfRows) {
  const std::vector<float> x = random_values(2 * 5, 1);
  const std::vector<float> rows = random_values(3 * 5, 2);  // [out, in]
  std::vector<float> columns(rows.size());
  for (std::size_t o = 0; o < 3; ++o) {
    for (std::size_t i = 0; i < 5; ++i) columns[i * 3 + o] = rows[o * 5 + i];
  }
  const auto run = [&](bool is_in_out) {
    TestGraph test(Layout::ChannelsLast);
    const TensorId input = test.add_input({2, 5});
    FullyConnected op;
    op.kernel_is_in_out = is_in_out;
    const Shape shape = is_in_out ? Shape{5, 3} : Shape{3, 5};
    test.add_node(op, {input, test.add_weight(shape, is_in_out ? columns : rows),
                       test.add_weight({3}, {1, 2, 3})});
    return run_graph(test, x);
  };
  const RunResult result = run(true);
  EXPECT_EQ(result.shape, (Shape{2, 3}));
  for (std::size_t row = 0; row < 2; ++row) {
    for (std::size_t o = 0; o < 3; ++o) {
      float sum = static_cast<float>(o + 1);
      for (std::size_t i = 0; i < 5; ++i) sum += x[row * 5 + i] * columns[i * 3 + o];
      EXPECT_NEAR(result.values[row * 3 + o], sum, 1e-6F);
    }
  }
  EXPECT_EQ(result.values, run(false).values);
}

TEST(Executor, LayersThatCannotBeRunAreNamedTogether) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId x = test.add_input({1, 2});
  const TensorId y = test.add_node(Unsupported{"no such layer"}, {x});
  const TensorId z = test.add_node(Unsupported{"other reason"}, {y});
  test.add_node(Unsupported{"no such layer"}, {z});
  test.graph.format = Format::CoreMl;
  const auto executor = Executor::create(test.graph, {});
  ASSERT_FALSE(executor);
  EXPECT_EQ(executor.error().kind, ErrorKind::Unsupported);
  EXPECT_EQ(executor.error().message,
            "3 of 3 layers cannot be run: nodes[0] (TEST), nodes[2] (TEST): no such layer; "
            "nodes[1] (TEST): other reason");
}

TEST(Executor, HalfArithmeticRoundsEveryActivation) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId x = test.add_input({1, 1});
  test.add_node(Unary{UnaryKind::Linear, 1.0F, 0.0F}, {x});
  EXPECT_EQ(run_graph(test, {1.0F + 1.0F / 4096.0F}, Arithmetic::Float16).values[0], 1.0F);
  EXPECT_EQ(run_graph(test, {1.0F + 1.0F / 4096.0F}, Arithmetic::Runtime).values[0],
            1.0F + 1.0F / 4096.0F);
}

TEST(Executor, AnInputOfTheWrongSizeIsRefused) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId x = test.add_input({1, 2});
  test.add_node(Unary{UnaryKind::Relu, 0.0F, 0.0F}, {x});
  const auto executor = Executor::create(test.graph, {});
  ASSERT_TRUE(executor);
  auto session = executor->make_session();
  ASSERT_TRUE(session);
  const std::vector<float> wrong(3, 0.0F);
  const auto ran = session->run(wrong);
  ASSERT_FALSE(ran);
  EXPECT_EQ(ran.error().message, "input of 3 values, the model takes 2");
}

TEST(Ops, ATargetThatFollowsFromSizesIsKnownBeforeTheRun) {
  // Keras' Dense of four axes flattens to a matrix by the sizes of its input.
  for (const Arithmetic arithmetic : {Arithmetic::Runtime, Arithmetic::Float16}) {
    TestGraph test(Layout::ChannelsLast);
    const TensorId x = test.add_input({1, 2, 3});
    const TensorId sizes = test.add_node(ShapeOf{}, {x});
    test.graph.tensors[static_cast<std::size_t>(sizes)].dtype = DType::Int32;
    const TensorId flat = test.add_node(Reshape{{6}}, {x});
    test.add_node(Reshape{}, {flat, sizes});
    const RunResult result = run_graph(test, {1, 2, 3, 4, 5, 6}, arithmetic);
    EXPECT_EQ(result.shape, (Shape{1, 2, 3}));
    EXPECT_EQ(result.values, (std::vector<float>{1, 2, 3, 4, 5, 6}));
  }
}

TEST(Ops, ReluPassesNanOn) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  for (const UnaryKind kind : {UnaryKind::Relu, UnaryKind::Relu6, UnaryKind::ReluN1To1}) {
    const RunResult result =
        run_one(Unary{kind, 0.0F, 0.0F}, Layout::ChannelsLast, {1, 3}, {kNan, -2.0F, 0.5F});
    EXPECT_TRUE(std::isnan(result.values[0]));
    EXPECT_EQ(result.values[2], 0.5F);
  }
}

TEST(Ops, ConvolutionsPassNanThroughTheirClamps) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  // Our own kernel for few taps, and oneDNN's.
  for (const std::int64_t out : {4, 64}) {
    for (const FusedActivation activation : {FusedActivation::Relu, FusedActivation::Relu6}) {
      TestGraph test(Layout::ChannelsLast);
      const TensorId x = test.add_input({1, 2, 2, 4});
      Conv2d op;
      op.kernel_layout = KernelLayout::Ohwi;
      op.padding.rule = PadRule::SameUpper;
      op.activation = activation;
      const auto count = static_cast<std::size_t>(out);
      std::vector<float> bias(count, -1.0F);
      bias[1] = kNan;
      const TensorId kernel = test.add_weight({out, 3, 3, 4}, std::vector<float>(count * 36, 0.0F));
      test.add_node(op, {x, kernel, test.add_weight({out}, bias)});
      const RunResult result = run_graph(test, std::vector<float>(16, 1.0F));
      EXPECT_EQ(result.values[0], 0.0F) << out;
      EXPECT_TRUE(std::isnan(result.values[1])) << out;
    }
  }
}

}  // namespace
}  // namespace visionpress
