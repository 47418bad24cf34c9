// Convolutions against a naive oracle, over sizes 1, 2, odd and vector width +- 1.

#include <algorithm>

#include "run/graph_build_testonly.h"

namespace visionpress {
namespace {

struct ConvCase {
  std::int64_t height, width, in, out, kernel, stride, dilation, groups;
  PadRule rule;
};

std::ostream& operator<<(std::ostream& out, const ConvCase& c) {
  return out << c.height << "x" << c.width << "x" << c.in << " to " << c.out << ", kernel "
             << c.kernel << ", stride " << c.stride << ", dilation " << c.dilation << ", groups "
             << c.groups << ", rule " << int(c.rule);
}

// Output size and first padded pixel of one axis.
std::pair<std::int64_t, std::int64_t> axis_of(std::int64_t in, const ConvCase& c) {
  const std::int64_t extent = (c.kernel - 1) * c.dilation + 1;
  if (c.rule == PadRule::Explicit)
    return {(in + 1 - extent) / c.stride + 1, 1};  // one pixel before, none after
  const std::int64_t out = (in + c.stride - 1) / c.stride;
  const std::int64_t total = std::max<std::int64_t>(0, (out - 1) * c.stride + extent - in);
  return {out, c.rule == PadRule::SameUpper ? total / 2 : total - total / 2};
}

// x, kernel: H,W,C and O,H,W,I. Sums in double.
std::vector<float> naive(const ConvCase& c, const std::vector<float>& x,
                         const std::vector<float>& kernel, const std::vector<float>& bias) {
  const auto [out_h, top] = axis_of(c.height, c);
  const auto [out_w, left] = axis_of(c.width, c);
  const std::int64_t per_group = c.in / c.groups;
  std::vector<float> y;
  for (std::int64_t oy = 0; oy < out_h; ++oy) {
    for (std::int64_t ox = 0; ox < out_w; ++ox) {
      for (std::int64_t o = 0; o < c.out; ++o) {
        double sum = bias[static_cast<std::size_t>(o)];
        for (std::int64_t tap = 0; tap < c.kernel * c.kernel * per_group; ++tap) {
          const std::int64_t iy = oy * c.stride - top + tap / per_group / c.kernel * c.dilation;
          const std::int64_t ix = ox * c.stride - left + tap / per_group % c.kernel * c.dilation;
          if (iy < 0 || iy >= c.height || ix < 0 || ix >= c.width) continue;
          const std::int64_t channel = o / (c.out / c.groups) * per_group + tap % per_group;
          sum += static_cast<double>(
                     x[static_cast<std::size_t>((iy * c.width + ix) * c.in + channel)]) *
                 static_cast<double>(
                     kernel[static_cast<std::size_t>(o * c.kernel * c.kernel * per_group + tap)]);
        }
        y.push_back(static_cast<float>(sum));
      }
    }
  }
  return y;
}

Conv2d conv_op(const ConvCase& c) {
  Conv2d op;
  op.stride = {c.stride, c.stride};
  op.dilation = {c.dilation, c.dilation};
  op.groups = c.groups;
  op.padding.rule = c.rule;
  if (c.rule == PadRule::Explicit) op.padding.before = {1, 1};
  return op;
}

std::vector<float> to_planar(const std::vector<float>& x, std::size_t pixels,
                             std::size_t channels) {
  std::vector<float> y(x.size());
  for (std::size_t p = 0; p < pixels; ++p) {
    for (std::size_t c = 0; c < channels; ++c) y[c * pixels + p] = x[p * channels + c];
  }
  return y;
}

class ConvTest : public testing::TestWithParam<ConvCase> {
 protected:
  ConvCase c_ = GetParam();
  std::vector<float> x_ = random_values(static_cast<std::size_t>(c_.height * c_.width * c_.in), 1);
  std::vector<float> kernel_ = random_values(
      static_cast<std::size_t>(c_.out * c_.kernel * c_.kernel * c_.in / c_.groups), 2);
  std::vector<float> bias_ = random_values(static_cast<std::size_t>(c_.out), 3);
  // A sum of n products of values below 1 in float32 is off by at most n * n / 2 ulp of 1; these
  // sums have at most 9 * 33 terms and oneDNN's order is a tree, so a hundred ulp is generous and
  // tight.
  static constexpr float kTolerance = 100.0F * 1.2e-7F;
};

TEST_P(ConvTest, AChannelsLastConvolutionEqualsTheOracle) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId x = test.add_input({1, c_.height, c_.width, c_.in});
  Conv2d op = conv_op(c_);
  op.kernel_layout = KernelLayout::Ohwi;
  test.add_node(op, {x, test.add_weight({c_.out, c_.kernel, c_.kernel, c_.in / c_.groups}, kernel_),
                     test.add_weight({c_.out}, bias_)});
  const std::vector<float> expected = naive(c_, x_, kernel_, bias_);
  const RunResult result = run_graph(test, x_);
  ASSERT_EQ(result.values.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i)
    ASSERT_NEAR(result.values[i], expected[i], kTolerance) << i;
}

// From O,H,W,I to H,W,I,O.
std::vector<float> to_hwio(const std::vector<float>& kernel, std::size_t out) {
  return to_planar(kernel, out, kernel.size() / out);
}

TEST_P(ConvTest, AnHwioKernelEqualsTheOracle) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId x = test.add_input({1, c_.height, c_.width, c_.in});
  Conv2d op = conv_op(c_);
  op.kernel_layout = KernelLayout::Hwio;
  test.add_node(op, {x,
                     test.add_weight({c_.kernel, c_.kernel, c_.in / c_.groups, c_.out},
                                     to_hwio(kernel_, static_cast<std::size_t>(c_.out))),
                     test.add_weight({c_.out}, bias_)});
  const std::vector<float> expected = naive(c_, x_, kernel_, bias_);
  const RunResult result = run_graph(test, x_);
  ASSERT_EQ(result.values.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i)
    ASSERT_NEAR(result.values[i], expected[i], kTolerance) << i;
}

TEST_P(ConvTest, AnHwimKernelOfSoManyGroupsEqualsTheOracle) {
  if (c_.groups != c_.in) GTEST_SKIP() << "not a depthwise convolution";
  TestGraph test(Layout::ChannelsLast);
  const TensorId x = test.add_input({1, c_.height, c_.width, c_.in});
  Conv2d op = conv_op(c_);
  op.groups = 0;
  op.kernel_layout = KernelLayout::Hwim;
  test.add_node(op, {x,
                     test.add_weight({c_.kernel, c_.kernel, c_.in, c_.out / c_.in},
                                     to_hwio(kernel_, static_cast<std::size_t>(c_.out))),
                     test.add_weight({c_.out}, bias_)});
  const std::vector<float> expected = naive(c_, x_, kernel_, bias_);
  const RunResult result = run_graph(test, x_);
  ASSERT_EQ(result.values.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i)
    ASSERT_NEAR(result.values[i], expected[i], kTolerance) << i;
}

TEST_P(ConvTest, AChannelsFirstConvolutionEqualsTheOracle) {
  TestGraph test(Layout::ChannelsFirst);
  const TensorId x = test.add_input({1, c_.in, c_.height, c_.width});
  const auto taps = static_cast<std::size_t>(c_.kernel * c_.kernel);
  const auto per_group = static_cast<std::size_t>(c_.in / c_.groups);
  std::vector<float> oihw;
  for (std::size_t o = 0; o < static_cast<std::size_t>(c_.out); ++o) {
    const auto begin = kernel_.begin() + static_cast<std::ptrdiff_t>(o * taps * per_group);
    const std::vector<float> one(begin, begin + static_cast<std::ptrdiff_t>(taps * per_group));
    const std::vector<float> planar = to_planar(one, taps, per_group);
    oihw.insert(oihw.end(), planar.begin(), planar.end());
  }
  test.add_node(conv_op(c_),
                {x, test.add_weight({c_.out, c_.in / c_.groups, c_.kernel, c_.kernel}, oihw),
                 test.add_weight({c_.out}, bias_)});
  const std::vector<float> hwc = naive(c_, x_, kernel_, bias_);
  const std::vector<float> expected = to_planar(hwc, hwc.size() / static_cast<std::size_t>(c_.out),
                                                static_cast<std::size_t>(c_.out));
  const RunResult result =
      run_graph(test, to_planar(x_, static_cast<std::size_t>(c_.height * c_.width),
                                static_cast<std::size_t>(c_.in)));
  ASSERT_EQ(result.values.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i)
    ASSERT_NEAR(result.values[i], expected[i], kTolerance) << i;
}

INSTANTIATE_TEST_SUITE_P(Sizes, ConvTest,
                         testing::Values(ConvCase{1, 1, 1, 1, 1, 1, 1, 1, PadRule::SameUpper},
                                         ConvCase{2, 2, 3, 15, 3, 1, 1, 1, PadRule::SameUpper},
                                         ConvCase{7, 9, 3, 16, 3, 1, 1, 1, PadRule::SameUpper},
                                         ConvCase{13, 11, 3, 17, 3, 2, 1, 1, PadRule::SameLower},
                                         ConvCase{8, 10, 4, 8, 3, 2, 1, 1, PadRule::SameUpper},
                                         ConvCase{9, 9, 33, 31, 3, 1, 1, 1, PadRule::Explicit},
                                         ConvCase{7, 8, 16, 17, 3, 1, 1, 1, PadRule::SameLower},
                                         ConvCase{6, 5, 16, 35, 1, 1, 1, 1, PadRule::SameUpper},
                                         ConvCase{12, 12, 8, 8, 3, 1, 2, 1, PadRule::SameUpper},
                                         ConvCase{9, 8, 8, 12, 3, 2, 1, 4, PadRule::SameLower},
                                         ConvCase{10, 7, 6, 6, 3, 1, 1, 6, PadRule::SameUpper},
                                         ConvCase{9, 7, 5, 15, 3, 2, 1, 5, PadRule::SameUpper}));

TEST(Conv, ADepthwiseKernelWithAMultiplierEqualsItsTaps) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId x = test.add_input({1, 1, 2, 2});  // two pixels of two channels
  Conv2d op;
  op.kernel_layout = KernelLayout::Hwo;
  op.groups = 0;
  // [1, 1, 2, 4]: two taps along x, two results a channel.
  test.add_node(op, {x, test.add_weight({1, 1, 2, 4}, {1, 2, 3, 4, 10, 20, 30, 40}),
                     test.add_weight({4}, {0, 0, 0, 1})});
  const RunResult result = run_graph(test, {1, 2, 3, 4});
  EXPECT_EQ(result.shape, (Shape{1, 1, 1, 4}));
  EXPECT_EQ(result.values, (std::vector<float>{31, 62, 126, 169}));
}

TEST(Conv, ATransposedConvolutionSpreadsEachPixel) {
  TestGraph test(Layout::ChannelsFirst);
  const TensorId x = test.add_input({1, 1, 1, 2});
  Conv2d op;
  op.kernel_layout = KernelLayout::Iohw;
  op.transposed = true;
  op.stride = {1, 2};
  test.add_node(op, {x, test.add_weight({1, 1, 1, 3}, {1, 10, 100})});
  const RunResult result = run_graph(test, {1, 2});
  EXPECT_EQ(result.shape, (Shape{1, 1, 1, 5}));
  EXPECT_EQ(result.values, (std::vector<float>{1, 10, 102, 20, 200}));
}

TEST(Conv, ATransposedHwoiKernelSpreadsEachPixelOverItsChannels) {
  // Two channels in, three out, two taps along x.
  const auto tap = [](std::size_t w, std::size_t o, std::size_t i) {
    return static_cast<float>(100 * w + 10 * o + i + 1);
  };
  std::vector<float> kernel;
  for (std::size_t w = 0; w < 2; ++w) {
    for (std::size_t o = 0; o < 3; ++o) {
      for (std::size_t i = 0; i < 2; ++i) kernel.push_back(tap(w, o, i));
    }
  }
  TestGraph test(Layout::ChannelsLast);
  const TensorId x = test.add_input({1, 1, 2, 2});
  Conv2d op;
  op.kernel_layout = KernelLayout::Hwoi;
  op.transposed = true;
  op.stride = {1, 1};
  test.add_node(op, {x, test.add_weight({1, 2, 3, 2}, kernel)});
  const std::vector<float> pixels = {1, 2, 3, 5};
  std::vector<float> expected(9, 0.0F);
  for (std::size_t pixel = 0; pixel < 2; ++pixel) {
    for (std::size_t w = 0; w < 2; ++w) {
      for (std::size_t o = 0; o < 3; ++o) {
        for (std::size_t i = 0; i < 2; ++i)
          expected[(pixel + w) * 3 + o] += pixels[pixel * 2 + i] * tap(w, o, i);
      }
    }
  }
  const RunResult result = run_graph(test, pixels);
  EXPECT_EQ(result.shape, (Shape{1, 1, 3, 3}));
  EXPECT_EQ(result.values, expected);
}

TEST(Conv, AnHwimKernelOfOtherChannelsIsRefused) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId x = test.add_input({1, 4, 4, 3});
  Conv2d op;
  op.groups = 0;
  op.kernel_layout = KernelLayout::Hwim;
  test.add_node(op, {x, test.add_weight({1, 1, 6, 1}, std::vector<float>(6, 1.0F))});
  const auto executor = Executor::create(test.graph, {});
  ASSERT_FALSE(executor);
  EXPECT_EQ(executor.error().message,
            "nodes[0] (TEST): kernel [1,1,6,1] does not fit 3 input channels in 3 groups");
}

TEST(Conv, AStrideBeyondTheImageNeedsNoMoreRoomThanTheImage) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId x = test.add_input({1, 2, 2, 1});
  Conv2d op;
  op.kernel_layout = KernelLayout::Ohwi;
  op.padding.rule = PadRule::SameUpper;
  op.stride = {999999, 999999};
  test.add_node(op, {x, test.add_weight({1, 1, 1, 1}, {3})});
  EXPECT_EQ(run_graph(test, {2, 4, 6, 8}).values, (std::vector<float>{6}));
}

TEST(Conv, AKernelThatDoesNotFitTheChannelsIsNamed) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId x = test.add_input({1, 4, 4, 3});
  Conv2d op;
  op.kernel_layout = KernelLayout::Ohwi;
  test.add_node(op, {x, test.add_weight({2, 1, 1, 4}, std::vector<float>(8, 1.0F))});
  const auto executor = Executor::create(test.graph, {});
  ASSERT_FALSE(executor);
  EXPECT_EQ(executor.error().message,
            "nodes[0] (TEST): kernel [2,1,1,4] does not fit 3 input channels in 1 groups");
}

TEST(Conv, AFirstLayerIsSummedInTheOrderOfTheNamedRuntime) {
  const ConvCase c = {5, 9, 3, 17, 3, 1, 1, 1, PadRule::SameUpper};
  const std::vector<float> x = random_values(5 * 9 * 3, 21);
  const std::vector<float> kernel = random_values(17 * 27, 22);
  const std::vector<float> bias = random_values(17, 23);
  TestGraph test(Layout::ChannelsLast);
  Conv2d op = conv_op(c);
  op.kernel_layout = KernelLayout::Ohwi;
  test.add_node(op, {test.add_input({1, 5, 9, 3}), test.add_weight({17, 3, 3, 3}, kernel),
                     test.add_weight({17}, bias)});
  const RunResult xnnpack = run_graph(test, x, Arithmetic::Runtime);
  const RunResult builtin = run_graph(test, x, Arithmetic::Builtin);
  std::size_t at = 0;
  for (std::int64_t pixel = 0; pixel < 5 * 9; ++pixel) {
    for (std::size_t o = 0; o < 17; ++o, ++at) {
      float fused = bias[o];
      float plain = 0.0F;
      for (std::int64_t tap = 0; tap < 27; ++tap) {
        const std::int64_t iy = pixel / 9 + tap / 9 - 1;
        const std::int64_t ix = pixel % 9 + tap / 3 % 3 - 1;
        if (iy < 0 || iy >= 5 || ix < 0 || ix >= 9) continue;
        const float a = x[static_cast<std::size_t>((iy * 9 + ix) * 3 + tap % 3)];
        const float b = kernel[o * 27 + static_cast<std::size_t>(tap)];
        fused = std::fma(a, b, fused);
        plain = plain + a * b;
      }
      ASSERT_EQ(xnnpack.values[at], fused) << at;
      ASSERT_EQ(builtin.values[at], plain + bias[o]) << at;
    }
  }
}

// A reader may show a stored weight in another shape, or make a kernel of one value.
TEST(Conv, AKernelCountsInTheShapeInWhichItIsRead) {
  const std::vector<float> kernel = random_values(27 * 4, 8);
  const std::vector<float> input = random_values(300, 9);
  std::vector<RunResult> results;
  for (const bool is_view : {false, true}) {
    TestGraph test(Layout::ChannelsLast);
    const TensorId x = test.add_input({1, 10, 10, 3});
    Conv2d op;
    op.kernel_layout = KernelLayout::Hwio;
    op.padding.rule = PadRule::SameUpper;
    TensorId weight = test.add_weight(is_view ? Shape{9, 12} : Shape{3, 3, 3, 4}, kernel);
    if (is_view) {
      Tensor view = test.graph.tensor(weight);
      view.shape = {3, 3, 3, 4};
      weight = test.graph.add_tensor(std::move(view));
    }
    test.add_node(op, {x, weight});
    results.push_back(run_graph(test, input));
  }
  EXPECT_EQ(results[0].values, results[1].values);
}

/// max(conv, slope * conv), each layer by itself where its parts are outputs.
std::vector<float> run_maximum(float slope, BinaryKind kind, bool shows_parts) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId x = test.add_input({1, 7, 5, 3});
  Conv2d op;
  op.kernel_layout = KernelLayout::Hwio;
  op.padding.rule = PadRule::SameUpper;
  const TensorId y =
      test.add_node(op, {x, test.add_weight({3, 3, 3, 4}, random_values(27 * 4, 10))});
  const TensorId scaled = test.add_node(Binary{BinaryKind::Multiply, FusedActivation::None},
                                        {test.add_literal({}, {slope}), y});
  const TensorId out = test.add_node(Binary{kind, FusedActivation::None}, {y, scaled});
  test.graph.outputs =
      shows_parts ? std::vector<TensorId>{out, y, scaled} : std::vector<TensorId>{out};
  return run_graph(test, random_values(105, 11)).values;
}

TEST(Conv, TheLargerOfItAndAMultipleIsThatForEverySlope) {
  for (const float slope : {0.0F, 0.1F, 1.0F, 1.5F, 2.0F, -0.5F}) {
    for (const BinaryKind kind : {BinaryKind::Maximum, BinaryKind::Minimum}) {
      EXPECT_EQ(run_maximum(slope, kind, false), run_maximum(slope, kind, true)) << slope;
    }
  }
}

// Leaky ReLU as two layers, and a pool behind it, both taken over by the convolution.
RunResult run_block(std::int64_t in, std::int64_t out, Arithmetic arithmetic, bool shows_parts) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId x = test.add_input({1, 10, 12, in});
  Conv2d op;
  op.kernel_layout = KernelLayout::Ohwi;
  op.padding.rule = PadRule::SameUpper;
  const TensorId y = test.add_node(
      op,
      {x,
       test.add_weight({out, 3, 3, in}, random_values(static_cast<std::size_t>(out * 9 * in), 5)),
       test.add_weight({out}, random_values(static_cast<std::size_t>(out), 6))});
  const TensorId scaled = test.add_node(Binary{BinaryKind::Multiply, FusedActivation::None},
                                        {y, test.add_literal({}, {0.1F})});
  const TensorId leaky =
      test.add_node(Binary{BinaryKind::Maximum, FusedActivation::None}, {scaled, y});
  Pool2d pool;
  pool.kernel = {2, 2};
  pool.stride = {2, 2};
  pool.padding.rule = PadRule::SameUpper;
  const TensorId pooled = test.add_node(pool, {leaky});
  // Outputs cannot be absorbed, so naming the parts as outputs keeps every layer by itself.
  test.graph.outputs =
      shows_parts ? std::vector<TensorId>{pooled, y, leaky} : std::vector<TensorId>{pooled};
  return run_graph(test, random_values(static_cast<std::size_t>(120 * in), 7), arithmetic);
}

TEST(Conv, AbsorbedLayersGiveTheSameBytesAsLayersByThemselves) {
  for (const Arithmetic arithmetic : {Arithmetic::Runtime, Arithmetic::Builtin}) {
    for (const std::int64_t in : {3, 20}) {
      const RunResult whole = run_block(in, 16, arithmetic, false);
      EXPECT_EQ(whole.shape, (Shape{1, 5, 6, 16}));
      EXPECT_EQ(whole.values, run_block(in, 16, arithmetic, true).values) << in;
    }
  }
}

// Zeros around the image, a convolution and a clip; the convolution takes both over unless the
// parts are shown.
RunResult run_bordered(Layout layout, std::int64_t groups, PadRule rule, bool shows_parts) {
  constexpr std::int64_t kChannels = 6;
  const bool is_last = layout == Layout::ChannelsLast;
  TestGraph test(layout);
  const Shape image = is_last ? Shape{1, 9, 7, kChannels} : Shape{1, kChannels, 9, 7};
  const TensorId x = test.add_input(image);
  Pad pad;
  pad.before = is_last ? Shape{0, 2, 1, 0} : Shape{0, 0, 2, 1};
  pad.after = is_last ? Shape{0, 0, 3, 0} : Shape{0, 0, 0, 3};
  const TensorId padded = test.add_node(pad, {x});
  Conv2d op;
  op.groups = groups;
  op.stride = {2, 1};
  op.padding.rule = rule;
  const Shape kernel = {kChannels, kChannels / groups, 3, 3};
  const TensorId y =
      test.add_node(op, {padded, test.add_weight(kernel, random_values(count_of(kernel), 5)),
                         test.add_weight({kChannels}, random_values(kChannels, 6))});
  const TensorId clipped = test.add_node(Unary{UnaryKind::Clip, -0.5F, 0.75F}, {y});
  if (shows_parts) test.graph.outputs = {clipped, padded, y};
  return run_graph(test, random_values(count_of(image), 7));
}

TEST(Conv, AnAbsorbedBorderIsTheSameAsABorderByItself) {
  for (const Layout layout : {Layout::ChannelsLast, Layout::ChannelsFirst}) {
    for (const std::int64_t groups : {1, 2, 6}) {
      for (const PadRule rule : {PadRule::Explicit, PadRule::SameUpper, PadRule::SameLower}) {
        const RunResult whole = run_bordered(layout, groups, rule, false);
        const RunResult parts = run_bordered(layout, groups, rule, true);
        ASSERT_EQ(whole.shape, parts.shape);
        // oneDNN may sum in another order: 54 products below 1 round to within 54 * 2^-24 each.
        for (std::size_t i = 0; i < whole.values.size(); ++i)
          EXPECT_NEAR(whole.values[i], parts.values[i], 54 * 54 * 0x1p-24F) << groups;
      }
    }
  }
}

// A convolution and the operators behind it, which it takes over unless the parts are shown.
RunResult run_chain(const std::vector<Unary>& chain, bool shows_parts) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId x = test.add_input({1, 9, 7, 6});
  Conv2d op;
  op.kernel_layout = KernelLayout::Ohwi;
  TensorId value =
      test.add_node(op, {x, test.add_weight({5, 3, 3, 6}, random_values(std::size_t{5} * 54, 41))});
  std::vector<TensorId> parts = {value};
  for (const Unary& unary : chain) parts.push_back(value = test.add_node(unary, {value}));
  test.graph.outputs = {value};
  if (shows_parts) test.graph.outputs.insert(test.graph.outputs.end(), parts.begin(), parts.end());
  return run_graph(test, random_values(378, 42));
}

TEST(Conv, ClipsBehindItAreTakenOverAsOne) {
  const Unary relu = {UnaryKind::Relu, 0.0F, 0.0F};
  const Unary minus = {UnaryKind::Linear, -1.0F, 0.0F};
  const Unary negate = {UnaryKind::Negate, 0.0F, 0.0F};
  const auto above = [](float least) { return Unary{UnaryKind::Threshold, least, 0.0F}; };
  for (const std::vector<Unary>& chain : std::vector<std::vector<Unary>>{
           {relu, minus, above(-2.0F), minus},  // ReLU6 in Core ML, here with 2
           {minus, above(-1.0F), negate},
           {above(-1.0F), minus},  // ends in a negation, which is a step of its own
           {relu, minus},
           {minus, relu, minus, above(-0.5F), relu},
           {{UnaryKind::Clip, -3.0F, 1.0F}, {UnaryKind::Clip, 2.0F, 4.0F}},
           {relu, {UnaryKind::Linear, 2.0F, 0.0F}, above(1.0F)}}) {
    EXPECT_EQ(run_chain(chain, false).values, run_chain(chain, true).values) << chain.size();
  }
}

// A convolution, a batch norm and a ReLU.
RunResult run_normed(std::int64_t groups, float variance, Arithmetic arithmetic, bool shows_parts) {
  constexpr std::int64_t kChannels = 20;
  TestGraph test(Layout::ChannelsFirst);
  const TensorId x = test.add_input({1, kChannels, 9, 11});
  Conv2d op;
  op.groups = groups;
  const Shape kernel = {kChannels, kChannels / groups, 3, 3};
  const TensorId y =
      test.add_node(op, {x, test.add_weight(kernel, random_values(count_of(kernel), 51))});
  std::vector<TensorId> inputs = {y};
  for (unsigned i = 0; i < 3; ++i)
    inputs.push_back(test.add_weight({kChannels}, random_values(kChannels, 52 + i)));
  inputs.push_back(test.add_weight({kChannels}, std::vector<float>(kChannels, variance)));
  const TensorId normed = test.add_node(BatchNorm{1e-3F}, inputs);
  const TensorId active = test.add_node(Unary{UnaryKind::Relu}, {normed});
  if (shows_parts) test.graph.outputs = {active, y, normed};
  return run_graph(test, random_values(kChannels * 99, 57), arithmetic);
}

TEST(Conv, ABatchNormBehindItIsFoldedIntoItsKernel) {
  for (const std::int64_t groups : {1, 4, 20}) {
    const RunResult whole = run_normed(groups, 0.5F, Arithmetic::Runtime, false);
    const RunResult parts = run_normed(groups, 0.5F, Arithmetic::Float, true);
    ASSERT_EQ(whole.shape, parts.shape);
    const float most = *std::ranges::max_element(parts.values);
    for (std::size_t i = 0; i < whole.values.size(); ++i)
      ASSERT_NEAR(whole.values[i], parts.values[i], 2e-6F * most) << groups;
  }
}

TEST(Conv, ABatchNormOfNegativeVarianceIsNotFolded) {
  const RunResult whole = run_normed(1, -1.0F, Arithmetic::Runtime, false);
  const RunResult parts = run_normed(1, -1.0F, Arithmetic::Float, true);
  ASSERT_EQ(whole.values.size(), parts.values.size());
  for (std::size_t i = 0; i < whole.values.size(); ++i)
    EXPECT_EQ(std::isnan(whole.values[i]), std::isnan(parts.values[i])) << i;
}

// A 3x3 convolution of some images.
RunResult run_images(const Shape& image, std::int64_t out, Arithmetic arithmetic, int threads) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId x = test.add_input(image);
  Conv2d op;
  op.kernel_layout = KernelLayout::Ohwi;
  op.padding.rule = PadRule::SameUpper;
  op.activation = FusedActivation::Relu;
  const Shape kernel = {out, 3, 3, image[3]};
  test.add_node(op, {x, test.add_weight(kernel, random_values(count_of(kernel), 31)),
                     test.add_weight({out}, random_values(static_cast<std::size_t>(out), 32))});
  return run_graph(test, random_values(count_of(image), 33), arithmetic, threads);
}

TEST(Conv, WinogradsConvolutionsAreTheDirectOnesOnAnyNumberOfThreads) {
  struct Case {
    Shape image;
    std::int64_t out;
  };
  // Kernels that stay in a core's cache and ones that do not, fewer and more tiles than pass at
  // once.
  for (const auto& [image, out] : {Case{{3, 13, 14, 40}, 24}, Case{{1, 50, 7, 16}, 130},
                                   Case{{2, 13, 13, 140}, 150}, Case{{3, 31, 30, 128}, 131}}) {
    const RunResult direct = run_images(image, out, Arithmetic::Float, 2);
    const RunResult one = run_images(image, out, Arithmetic::Runtime, 1);
    ASSERT_EQ(one.shape, direct.shape);
    // The sums of both have up to 1,260 products, each of which rounds.
    const float most = *std::ranges::max_element(direct.values);
    for (std::size_t i = 0; i < one.values.size(); ++i)
      ASSERT_NEAR(one.values[i], direct.values[i], 4e-6F * most) << i;
    for (const int threads : {2, 3, 7})
      EXPECT_EQ(run_images(image, out, Arithmetic::Runtime, threads).values, one.values) << threads;
  }
}

// A convolution of oneDNN's is cut into slices of rows, one or more for each thread.
TEST(Conv, SlicesOfRowsMakeTheWholeConvolution) {
  constexpr std::int64_t kIn = 24;
  constexpr std::int64_t kOut = 40;
  for (const bool transposed : {false, true}) {
    for (const std::int64_t kernel : {1, 2, 3, 5}) {
      for (const std::int64_t stride : {1, 2, 3}) {
        for (const std::int64_t dilation : {1, 2}) {
          for (const PadRule rule : {PadRule::SameUpper, PadRule::Explicit}) {
            for (const Shape& image : {Shape{1, 13, 9, kIn}, Shape{2, 11, 10, kIn}}) {
              TestGraph test(Layout::ChannelsLast);
              const TensorId x = test.add_input(image);
              Conv2d op;
              op.stride = {stride, stride};
              op.dilation = {dilation, dilation};
              op.padding.rule = rule;
              op.transposed = transposed;
              op.kernel_layout = transposed ? KernelLayout::Hwoi : KernelLayout::Hwio;
              const Shape shape =
                  transposed ? Shape{kernel, kernel, kOut, kIn} : Shape{kernel, kernel, kIn, kOut};
              const TensorId weights = test.add_weight(shape, random_values(count_of(shape), 61));
              test.add_node(op, {x, weights});
              const std::vector<float> values = random_values(count_of(image), 62);
              const RunResult one = run_graph(test, values, Arithmetic::Float, 1);
              for (const int threads : {2, 3, 7}) {
                const RunResult many = run_graph(test, values, Arithmetic::Float, threads);
                ASSERT_EQ(many.shape, one.shape);
                for (std::size_t i = 0; i < one.values.size(); ++i) {
                  ASSERT_EQ(many.values[i], one.values[i])
                      << "at " << i << ", " << threads << " threads, kernel " << kernel
                      << ", stride " << stride << ", dilation " << dilation << ", transposed "
                      << transposed;
                }
              }
            }
          }
        }
      }
    }
  }
}

TEST(Conv, TheArithmeticSaysWhereConvolutionsAreWinograds) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId x = test.add_input({1, 8, 8, 16});
  Conv2d op;
  op.kernel_layout = KernelLayout::Ohwi;
  op.padding.rule = PadRule::SameUpper;
  test.add_node(op, {x, test.add_weight({16, 3, 3, 16}, random_values(std::size_t{16} * 144, 1))});
  const auto name = [&](Arithmetic arithmetic) {
    const auto executor = Executor::create(test.graph, {.arithmetic = arithmetic});
    return executor ? executor->arithmetic_name() : executor.error().message;
  };
  EXPECT_EQ(name(Arithmetic::Runtime), "float32, Winograd");
  EXPECT_EQ(name(Arithmetic::Float), "float32");
  EXPECT_EQ(name(Arithmetic::Builtin), "float32");
}

}  // namespace
}  // namespace visionpress
