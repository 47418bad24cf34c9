// Hybrid int8 layers against a scalar oracle, equal to the last bit. The oracle follows the
// formulas measured on LiteRT 2.3; tests/makers/check_tflite.py compares with LiteRT itself.

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "run/graph_build_testonly.h"

namespace visionpress {
namespace {

struct HybridCase {
  std::int64_t height, width, in, out, kernel, stride;
  bool per_channel;
};

std::ostream& operator<<(std::ostream& out, const HybridCase& c) {
  return out << c.height << "x" << c.width << "x" << c.in << " to " << c.out << ", kernel "
             << c.kernel << ", stride " << c.stride
             << (c.per_channel ? ", per channel" : ", one scale");
}

struct Codes {
  std::vector<int> q = {};
  int zero_point = 0;
  float scale = 1.0F;
};

Codes quantize_xnnpack(const float* x, std::size_t count) {
  const float low = std::min(0.0F, *std::min_element(x, x + count));
  const float high = std::max(0.0F, *std::max_element(x, x + count));
  const float inverse = low == high ? 1.0F : 255.0F / (high - low);
  const float scaled_low = low * inverse;
  const float scaled_high = high * inverse;
  const float zero = (-128.0F + scaled_low) + (127.0F + scaled_high) > 0.0F ? -128.0F - scaled_low
                                                                            : 127.0F - scaled_high;
  Codes codes;
  codes.zero_point = static_cast<int>(std::nearbyint(std::clamp(zero, -128.0F, 127.0F)));
  codes.scale = 1.0F / inverse;
  for (std::size_t i = 0; i < count; ++i) {
    const int q = static_cast<int>(std::nearbyint(x[i] * inverse)) + codes.zero_point;
    codes.q.push_back(std::clamp(q, -128, 127));
  }
  return codes;
}

int round_builtin(float scaled, std::size_t index, std::size_t count) {
  if (index >= count / 8 * 8) return static_cast<int>(std::round(scaled));
  return static_cast<int>(scaled + (scaled < 0.0F ? -0.5F : 0.5F));
}

Codes quantize_builtin(const std::vector<float>& x, bool symmetric) {
  const float low = std::min(0.0F, *std::min_element(x.begin(), x.end()));
  const float high = std::max(0.0F, *std::max_element(x.begin(), x.end()));
  Codes codes;
  float inverse = 1.0F;
  if (symmetric) {
    const float largest = std::max(std::fabs(low), std::fabs(high));
    codes.scale = largest / 127.0F;
    inverse = 127.0F / largest;
  } else {
    const double scale = static_cast<double>(high - low) / 255.0;
    const double zero = 128.0 + std::fabs(low / scale) < 127.0 + std::fabs(high / scale)
                            ? -128.0 - low / scale
                            : 127.0 - high / scale;
    codes.zero_point = static_cast<int>(std::round(std::clamp(zero, -128.0, 127.0)));
    codes.scale = static_cast<float>(scale);
    inverse = static_cast<float>(1.0 / static_cast<double>(codes.scale));
  }
  for (std::size_t i = 0; i < x.size(); ++i) {
    codes.q.push_back(std::clamp(round_builtin(x[i] * inverse, i, x.size()) + codes.zero_point,
                                 symmetric ? -127 : -128, 127));
  }
  return codes;
}

struct Layer {
  HybridCase c = {};
  std::vector<float> x = {};
  std::vector<std::int8_t> kernel = {};
  std::vector<float> scales = {};
  std::vector<float> bias = {};
};

Layer make_layer(const HybridCase& c) {
  Layer layer;
  layer.c = c;
  layer.x = random_values(static_cast<std::size_t>(c.height * c.width * c.in), 11);
  for (float& v : layer.x) v = v * 3.0F + 1.0F;
  for (const float v :
       random_values(static_cast<std::size_t>(c.out * c.kernel * c.kernel * c.in), 12)) {
    layer.kernel.push_back(static_cast<std::int8_t>(v * 127.0F));
  }
  for (std::int64_t o = 0; o < (c.per_channel ? c.out : 1); ++o)
    layer.scales.push_back(0.01F + 0.001F * static_cast<float>(o));
  layer.bias = random_values(static_cast<std::size_t>(c.out), 13);
  return layer;
}

// Sums of (q - zero point) * w for every output; padding pixels hold the zero point and add
// nothing.
std::vector<std::int32_t> sum_products(const Layer& layer, const Codes& codes) {
  const HybridCase& c = layer.c;
  const std::int64_t out_h = (c.height + c.stride - 1) / c.stride;
  const std::int64_t out_w = (c.width + c.stride - 1) / c.stride;
  const std::int64_t top =
      std::max<std::int64_t>(0, (out_h - 1) * c.stride + c.kernel - c.height) / 2;
  const std::int64_t left =
      std::max<std::int64_t>(0, (out_w - 1) * c.stride + c.kernel - c.width) / 2;
  std::vector<std::int32_t> sums;
  for (std::int64_t pixel = 0; pixel < out_h * out_w; ++pixel) {
    for (std::int64_t o = 0; o < c.out; ++o) {
      std::int32_t sum = 0;
      for (std::int64_t tap = 0; tap < c.kernel * c.kernel; ++tap) {
        const std::int64_t y = pixel / out_w * c.stride - top + tap / c.kernel;
        const std::int64_t x = pixel % out_w * c.stride - left + tap % c.kernel;
        if (y < 0 || y >= c.height || x < 0 || x >= c.width) continue;
        for (std::int64_t i = 0; i < c.in; ++i) {
          sum +=
              (codes.q[static_cast<std::size_t>((y * c.width + x) * c.in + i)] - codes.zero_point) *
              layer.kernel[static_cast<std::size_t>((o * c.kernel * c.kernel + tap) * c.in + i)];
        }
      }
      sums.push_back(sum);
    }
  }
  return sums;
}

float scale_of(const Layer& layer, std::size_t o) {
  return layer.scales.size() == 1 ? layer.scales[0] : layer.scales[o];
}

std::vector<float> oracle_xnnpack(const Layer& layer) {
  const auto channels = static_cast<std::size_t>(layer.c.out);
  const bool by_pixel = layer.c.kernel == 1 && layer.c.stride == 1;
  const auto in = static_cast<std::size_t>(layer.c.in);
  Codes codes;
  std::vector<float> pixel_scales;
  if (by_pixel) {
    for (std::size_t p = 0; p < layer.x.size() / in; ++p) {
      const Codes one = quantize_xnnpack(layer.x.data() + p * in, in);
      for (const int q : one.q) codes.q.push_back(q - one.zero_point);
      pixel_scales.push_back(one.scale);
    }
  } else {
    codes = quantize_xnnpack(layer.x.data(), layer.x.size());
  }
  const std::vector<std::int32_t> sums = sum_products(layer, codes);
  std::vector<float> y;
  for (std::size_t i = 0; i < sums.size(); ++i) {
    const float scale = by_pixel ? pixel_scales[i / channels] : codes.scale;
    y.push_back(std::fma(static_cast<float>(sums[i]) * scale, scale_of(layer, i % channels),
                         layer.bias[i % channels]));
  }
  return y;
}

std::vector<float> oracle_builtin(const Layer& layer) {
  const auto channels = static_cast<std::size_t>(layer.c.out);
  const Codes codes = quantize_builtin(layer.x, layer.scales.size() == 1 || channels == 1);
  const std::vector<std::int32_t> sums = sum_products(layer, codes);
  std::vector<float> y;
  for (std::size_t i = 0; i < sums.size(); ++i) {
    const float combined = scale_of(layer, i % channels) * codes.scale;
    y.push_back(static_cast<float>(sums[i]) * combined + layer.bias[i % channels]);
  }
  return y;
}

RunResult run_layer(const Layer& layer, Arithmetic arithmetic, int threads,
                    DType kernel_type = DType::Int8) {
  const HybridCase& c = layer.c;
  TestGraph test(Layout::ChannelsLast);
  const TensorId x = test.add_input({1, c.height, c.width, c.in});
  Conv2d op;
  op.kernel_layout = KernelLayout::Ohwi;
  op.stride = {c.stride, c.stride};
  op.padding.rule = PadRule::SameUpper;
  op.dynamic_range = true;
  const TensorId kernel =
      test.add_int8_weight({c.out, c.kernel, c.kernel, c.in}, layer.kernel, layer.scales);
  test.graph.tensors[static_cast<std::size_t>(kernel)].dtype = kernel_type;
  test.add_node(op, {x, kernel, test.add_weight({c.out}, layer.bias)});
  return run_graph(test, layer.x, arithmetic, threads);
}

class HybridTest : public testing::TestWithParam<HybridCase> {};

TEST_P(HybridTest, TheDefaultArithmeticIsXnnpacksToTheLastBit) {
  const Layer layer = make_layer(GetParam());
  EXPECT_EQ(run_layer(layer, Arithmetic::Runtime, 2).values, oracle_xnnpack(layer));
}

TEST_P(HybridTest, TheBuiltinArithmeticIsTheBuiltinKernelsToTheLastBit) {
  const Layer layer = make_layer(GetParam());
  EXPECT_EQ(run_layer(layer, Arithmetic::Builtin, 2).values, oracle_builtin(layer));
}

TEST_P(HybridTest, SignedBytesCalledUint8RunInTheBuiltinKernelsByDefault) {
  const Layer layer = make_layer(GetParam());
  EXPECT_EQ(run_layer(layer, Arithmetic::Runtime, 2, DType::UInt8).values, oracle_builtin(layer));
}

TEST_P(HybridTest, OneThreadGivesTheBytesOfTwo) {
  const Layer layer = make_layer(GetParam());
  EXPECT_EQ(run_layer(layer, Arithmetic::Runtime, 1).values,
            run_layer(layer, Arithmetic::Runtime, 2).values);
}

INSTANTIATE_TEST_SUITE_P(
    Sizes, HybridTest,
    testing::Values(HybridCase{1, 1, 1, 1, 3, 1, false}, HybridCase{2, 2, 3, 5, 3, 1, true},
                    HybridCase{7, 9, 16, 17, 3, 1, true}, HybridCase{8, 8, 33, 15, 3, 2, true},
                    HybridCase{13, 13, 64, 128, 3, 1, false}, HybridCase{6, 5, 31, 35, 1, 1, true},
                    HybridCase{26, 26, 16, 64, 3, 1, true}, HybridCase{5, 4, 8, 6, 1, 1, false}));

struct DepthwiseCase {
  std::int64_t batch, channels, multiplier, kernel, stride, dilation;
  FusedActivation activation;
};

// What the builtin kernel does for each output channel; padding pixels hold the zero point.
std::vector<float> oracle_depthwise(const DepthwiseCase& c, const std::vector<float>& x,
                                    const Layer& layer) {
  constexpr std::int64_t kSize = 7;
  const std::int64_t out_channels = c.channels * c.multiplier;
  const std::int64_t out = (kSize + c.stride - 1) / c.stride;
  const std::int64_t extent = (c.kernel - 1) * c.dilation + 1;
  const std::int64_t before = std::max<std::int64_t>(0, (out - 1) * c.stride + extent - kSize) / 2;
  const std::int64_t item = kSize * kSize * c.channels;
  std::vector<float> y;
  for (std::int64_t b = 0; b < c.batch; ++b) {
    const std::vector<float> values(x.begin() + b * item, x.begin() + (b + 1) * item);
    const Codes codes = quantize_builtin(values, false);
    for (std::int64_t i = 0; i < out * out * out_channels; ++i) {
      const std::int64_t o = i % out_channels;
      std::int32_t sum = 0;
      for (std::int64_t tap = 0; tap < c.kernel * c.kernel; ++tap) {
        const std::int64_t row =
            i / out_channels / out * c.stride - before + tap / c.kernel * c.dilation;
        const std::int64_t column =
            i / out_channels % out * c.stride - before + tap % c.kernel * c.dilation;
        if (row < 0 || row >= kSize || column < 0 || column >= kSize) continue;
        const auto at =
            static_cast<std::size_t>((row * kSize + column) * c.channels + o / c.multiplier);
        sum += (codes.q[at] - codes.zero_point) *
               layer.kernel[static_cast<std::size_t>(tap * out_channels + o)];
      }
      const float scale = layer.scales[static_cast<std::size_t>(o)];
      const bool is_grouped = o < out_channels / 4 * 4;
      const float first = static_cast<float>(sum) * (is_grouped ? scale : codes.scale);
      const float value =
          first * (is_grouped ? codes.scale : scale) + layer.bias[static_cast<std::size_t>(o)];
      const bool clamps = c.activation == FusedActivation::Relu6;
      y.push_back(clamps ? std::min(std::max(value, 0.0F), 6.0F) : value);
    }
  }
  return y;
}

class HybridDepthwiseTest : public testing::TestWithParam<DepthwiseCase> {};

TEST_P(HybridDepthwiseTest, ScalesAreAppliedInTheOrderOfTheBuiltinKernel) {
  const DepthwiseCase& c = GetParam();
  const std::int64_t out = c.channels * c.multiplier;
  Layer layer = make_layer({1, 1, 1, out, c.kernel, 1, true});
  std::vector<float> x = random_values(static_cast<std::size_t>(c.batch * 49 * c.channels), 31);
  for (float& v : x) v = v * 5.0F + 1.0F;
  for (const Arithmetic arithmetic : {Arithmetic::Runtime, Arithmetic::Builtin}) {
    TestGraph test(Layout::ChannelsLast);
    const TensorId input = test.add_input({c.batch, 7, 7, c.channels});
    Conv2d op;
    op.kernel_layout = KernelLayout::Hwo;
    op.groups = 0;
    op.stride = {c.stride, c.stride};
    op.dilation = {c.dilation, c.dilation};
    op.padding.rule = PadRule::SameUpper;
    op.activation = c.activation;
    op.dynamic_range = true;
    const TensorId kernel =
        test.add_int8_weight({1, c.kernel, c.kernel, out}, layer.kernel, layer.scales);
    test.graph.weights.back().stored.code.axis = 3;
    test.add_node(op, {input, kernel, test.add_weight({out}, layer.bias)});
    EXPECT_EQ(run_graph(test, x, arithmetic).values, oracle_depthwise(c, x, layer));
  }
}

constexpr FusedActivation kNoActivation = FusedActivation::None;
INSTANTIATE_TEST_SUITE_P(Sizes, HybridDepthwiseTest,
                         testing::Values(DepthwiseCase{1, 1, 1, 3, 1, 1, kNoActivation},
                                         DepthwiseCase{1, 3, 1, 3, 1, 1, kNoActivation},
                                         DepthwiseCase{1, 4, 1, 3, 2, 1, FusedActivation::Relu6},
                                         DepthwiseCase{2, 17, 1, 5, 1, 1, FusedActivation::Relu6},
                                         DepthwiseCase{3, 6, 1, 3, 1, 2, kNoActivation},
                                         DepthwiseCase{1, 3, 3, 2, 1, 1, kNoActivation},
                                         DepthwiseCase{2, 1, 8, 3, 2, 1, FusedActivation::Relu6}),
                         [](const auto& named) { return "number" + std::to_string(named.index); });

TEST(Hybrid, AFourBitConvolutionRunsInTheBuiltinKernels) {
  // XNNPACK takes int8 kernels alone; the type of a 4-bit tensor is none that the graph names.
  const Layer layer = make_layer({7, 9, 16, 17, 3, 1, true});
  EXPECT_EQ(run_layer(layer, Arithmetic::Runtime, 2, DType::Other).values, oracle_builtin(layer));
}

TEST(Hybrid, TheBuiltinKernelsPassNanOnAndXnnpackTakesTheLowerBound) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  Layer layer = make_layer({4, 4, 8, 5, 3, 1, true});
  layer.bias[1] = kNan;
  layer.bias[2] = std::numeric_limits<float>::infinity();
  const RunResult builtin = run_layer(layer, Arithmetic::Builtin, 1);
  EXPECT_TRUE(std::isnan(builtin.values[1]));
  EXPECT_EQ(builtin.values[2], std::numeric_limits<float>::max());
  const RunResult xnnpack = run_layer(layer, Arithmetic::Runtime, 1);
  EXPECT_EQ(xnnpack.values[1], -std::numeric_limits<float>::infinity());
  EXPECT_EQ(xnnpack.values[2], std::numeric_limits<float>::infinity());
}

TEST(Hybrid, CodesAtBothEndsOfTheRangeAreSummedExactly) {
  // All products are 255 * 127 before the offset: what 16-bit pair sums would saturate.
  HybridCase c = {4, 4, 64, 16, 3, 1, true};
  Layer layer = make_layer(c);
  std::fill(layer.kernel.begin(), layer.kernel.end(), std::int8_t{127});
  for (std::size_t i = 0; i < layer.x.size(); ++i) layer.x[i] = i == 0 ? -1.0F : 1.0F;
  EXPECT_EQ(run_layer(layer, Arithmetic::Runtime, 2).values, oracle_xnnpack(layer));
}

TEST(Hybrid, AllZeroActivationsLeaveTheBias) {
  Layer layer = make_layer({4, 4, 8, 16, 3, 1, true});
  std::fill(layer.x.begin(), layer.x.end(), 0.0F);
  for (const Arithmetic arithmetic : {Arithmetic::Runtime, Arithmetic::Builtin}) {
    const RunResult result = run_layer(layer, arithmetic, 2);
    for (std::size_t i = 0; i < result.values.size(); ++i)
      ASSERT_EQ(result.values[i], layer.bias[i % 16]);
  }
}

TEST(Hybrid, FloatArithmeticDecodesTheWeights) {
  const Layer layer = make_layer({6, 6, 16, 16, 3, 1, true});
  const RunResult decoded = run_layer(layer, Arithmetic::Float, 2);
  const RunResult integer = run_layer(layer, Arithmetic::Runtime, 2);
  float largest = 0.0F;
  for (std::size_t i = 0; i < decoded.values.size(); ++i) {
    largest = std::max(largest, std::fabs(decoded.values[i] - integer.values[i]));
  }
  EXPECT_GT(largest, 0.0F);
  // 144 products, each off by at most half a step of 6/255 times a weight of at most 127 * 0.025.
  EXPECT_LT(largest, 144.0F * 0.5F * 6.0F / 255.0F * 127.0F * 0.025F);
}

/// The formula of LiteRT's builtin kernel for 4-bit matrices, measured bit for bit.
std::vector<float> oracle_four_bits(const Layer& layer, std::size_t inner, std::size_t columns) {
  float largest = 0.0F;
  for (const float v : layer.x) largest = std::max(largest, std::fabs(v));
  if (largest == 0.0F) largest = 127.0F;
  const float scale = largest / 127.0F;
  std::vector<int> q;
  for (const float v : layer.x) q.push_back(static_cast<int>(std::round(v * (127.0F / largest))));
  const int shift = 7 * std::accumulate(q.begin(), q.end(), 0);
  std::vector<float> y;
  for (std::size_t o = 0; o < columns; ++o) {
    int sum = 0;
    for (std::size_t i = 0; i < inner; ++i) sum += q[i] * (layer.kernel[o * inner + i] + 7);
    const float first = static_cast<float>(-shift) * scale * layer.scales[o] + layer.bias[o];
    y.push_back(first + static_cast<float>(sum) * scale * layer.scales[o]);
  }
  return y;
}

TEST(Hybrid, AFourBitMatrixHasTheRoundingOfItsOwnBuiltinKernel) {
  for (const bool is_zero : {false, true}) {
    Layer layer = make_layer({1, 1, 40, 21, 1, 1, true});
    for (std::int8_t& code : layer.kernel) code = static_cast<std::int8_t>(code % 8);
    if (is_zero) std::fill(layer.x.begin(), layer.x.end(), 0.0F);
    TestGraph test(Layout::ChannelsLast);
    const TensorId x = test.add_input({1, 40});
    const TensorId kernel = test.add_int8_weight({21, 40}, layer.kernel, layer.scales);
    test.graph.weights.back().stored.code.bits = 4;
    FullyConnected op;
    op.dynamic_range = true;
    test.add_node(op, {x, kernel, test.add_weight({21}, layer.bias)});
    const std::vector<float> builtin = run_graph(test, layer.x, Arithmetic::Builtin).values;
    EXPECT_EQ(builtin, oracle_four_bits(layer, 40, 21));
    EXPECT_EQ(run_graph(test, layer.x, Arithmetic::Runtime).values, oracle_xnnpack(layer));
    if (!is_zero) {
      EXPECT_NE(builtin, oracle_builtin(layer));
    }
  }
}

TEST(Hybrid, AFullyConnectedLayerIsQuantizedByRow) {
  TestGraph test(Layout::ChannelsLast);
  const TensorId x = test.add_input({1, 24});
  Layer layer = make_layer({1, 1, 24, 5, 1, 1, true});
  FullyConnected op;
  op.dynamic_range = true;
  test.add_node(op, {x, test.add_int8_weight({5, 24}, layer.kernel, layer.scales),
                     test.add_weight({5}, layer.bias)});
  const RunResult result = run_graph(test, layer.x);
  EXPECT_EQ(result.shape, (Shape{1, 5}));
  EXPECT_EQ(result.values, oracle_xnnpack(layer));
}

// Inputs from -128 to 127 have the scale 1, so their codes lose nothing.
TEST(HybridConv, ATransposedOneIsTheFloatOneOfItsCodes) {
  for (const std::int64_t stride : {1, 2, 3}) {
    for (const std::int64_t kernel : {1, 3, 4}) {
      TestGraph test(Layout::ChannelsLast);
      test.graph.format = Format::TfLite;
      const TensorId x = test.add_input({2, 4, 5, 3});
      Conv2d op;
      op.kernel_layout = KernelLayout::Ohwi;
      op.transposed = true;
      op.dynamic_range = true;
      op.stride = {stride, stride};
      op.padding.rule = PadRule::SameUpper;
      op.output_size = {4 * stride, 5 * stride};
      std::vector<std::int8_t> codes(static_cast<std::size_t>(7 * kernel * kernel * 3));
      for (std::size_t i = 0; i < codes.size(); ++i)
        codes[i] = static_cast<std::int8_t>(static_cast<int>(i * 37 % 255) - 127);
      const TensorId weight = test.add_int8_weight({7, kernel, kernel, 3}, codes, {0.5F});
      test.graph.tensors[static_cast<std::size_t>(weight)].dtype = DType::Int8;
      test.add_node(op, {x, weight, test.add_weight({7}, random_values(7, 71))});
      std::vector<float> input(2 * 4 * 5 * 3);
      for (std::size_t i = 0; i < input.size(); ++i)
        input[i] = static_cast<float>(static_cast<int>(i * 17 % 256) - 128);
      for (const std::size_t at : {0U, 60U}) {
        input[at] = -128.0F;
        input[at + 1] = 127.0F;
      }
      const RunResult hybrid = run_graph(test, input);
      const RunResult decoded = run_graph(test, input, Arithmetic::Float);
      ASSERT_EQ(hybrid.shape, decoded.shape);
      for (std::size_t i = 0; i < hybrid.values.size(); ++i)
        ASSERT_NEAR(hybrid.values[i], decoded.values[i], 0.05F) << stride << " " << kernel;
    }
  }
}

}  // namespace
}  // namespace visionpress
