#include "calibrate/calibrate.h"

#include <cmath>
#include <limits>
#include <map>
#include <vector>

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/half.h"
#include "calibrate/weight_sensitivity.h"
#include "codecs/decode.h"
#include "press/code_store.h"
#include "run/graph_build_testonly.h"

namespace visionpress {
namespace {

constexpr std::int64_t kChannels = 24;
constexpr std::int64_t kSide = 6;

/// A network in memory whose file takes every form.
class GraphModel : public SourceModel {
 public:
  GraphModel() : test(Layout::ChannelsLast) {
    const TensorId input = test.add_input({1, kSide, kSide, kChannels});
    Conv2d op;
    op.kernel_layout = KernelLayout::Ohwi;
    op.padding.rule = PadRule::SameUpper;
    const TensorId first = add_layer(op, input, {kChannels, 3, 3, kChannels}, 1);
    const TensorId active = test.add_node(Unary{UnaryKind::Relu}, {first});
    const TensorId second = add_layer(op, active, {kChannels, 1, 1, kChannels}, 2);
    const TensorId sum = test.add_node(Binary{BinaryKind::Add}, {second, active});
    Conv2d depthwise = op;
    depthwise.kernel_layout = KernelLayout::Hwo;
    depthwise.groups = 0;
    const TensorId third = add_layer(depthwise, sum, {1, 3, 3, kChannels}, 3);
    (void)add_layer(op, third, {10, kSide, kSide, kChannels}, 4);
    for (std::size_t i = 0; i < test.graph.weights.size(); ++i) {
      Weight& weight = test.graph.weights[i];
      weight.role = i % 2 == 0 ? WeightRole::Kernel : WeightRole::Bias;
      weight.layer_group = i / 2;
      weight.layer = "layer" + std::to_string(i / 2);
      weight.channel_axis = i == 4 ? 3 : 0;
    }
  }

  [[nodiscard]] const Graph& graph() const override { return test.graph; }
  [[nodiscard]] Form adapt(std::size_t /*index*/, const Form& wish) const override { return wish; }
  [[nodiscard]] std::string why_not(std::size_t /*index*/, const Form& /*form*/,
                                    const RewriteOptions& /*options*/) const override {
    return {};
  }
  [[nodiscard]] std::uint64_t estimate_overhead(std::size_t /*index*/, const WeightCode& code,
                                                const RewriteOptions& /*options*/) const override {
    return code.encoding == Encoding::Float16 ? bytes_around_halves : 0;
  }
  [[nodiscard]] Result<FilePieces> rewrite(std::span<const WeightEdit> /*edits*/,
                                           const RewriteOptions& /*options*/) const override {
    return FilePieces{};
  }

  TestGraph test;
  std::uint64_t bytes_around_halves = 0;

 private:
  TensorId add_layer(const Conv2d& op, TensorId input, const Shape& kernel, unsigned seed) {
    const auto count = static_cast<std::size_t>(*element_count(kernel));
    std::vector<float> values = random_values(count, seed);
    for (float& value : values) value *= 0.3F;
    const std::int64_t outs = op.groups == 0 ? kernel[3] : kernel[0];
    return test.add_node(
        op, {input, test.add_weight(kernel, values),
             test.add_weight({outs}, random_values(static_cast<std::size_t>(outs), 9))});
  }
};

/// Pictures whose channels vary together, as those of networks do.
CalibrationPictures make_pictures(std::size_t count, unsigned seed) {
  CalibrationPictures pictures = {.shape = {1, kSide, kSide, kChannels}};
  const auto channels = static_cast<std::size_t>(kChannels);
  for (unsigned p = 0; p < count; ++p) {
    std::vector<float> x =
        random_values(static_cast<std::size_t>(kSide * kSide) * channels, seed * 1000 + p);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const float shared = x[i / channels * channels];
      if (i % channels != 0) x[i] = 0.4F * x[i] + shared;
    }
    pictures.inputs.push_back(std::move(x));
  }
  return pictures;
}

PressOptions options_of(const char* form, int threads = 2) {
  PressOptions options;
  options.form = *parse_form(form);
  options.min_elements = 1;
  options.threads = threads;
  return options;
}

/// All kernels in the form, biases as they are.
Plan plan_kernels(const GraphModel& model, const PressOptions& options) {
  Plan plan;
  for (std::size_t i = 0; i < model.graph().weights.size(); ++i) {
    PlannedWeight planned;
    if (model.graph().weights[i].role == WeightRole::Kernel) {
      planned.form = options.form;
    } else {
      planned.kept_because = "a bias";
    }
    plan.weights.push_back(planned);
  }
  return plan;
}

/// Noise over signal of the network's output on other pictures, with the plan's codes.
double measure_noise(const GraphModel& model, const Plan& plan, const CalibrationPictures& seen) {
  GraphModel changed;
  CodeStore store(model.graph(), {});
  for (std::size_t i = 0; i < plan.weights.size(); ++i) {
    const PlannedWeight& planned = plan.weights[i];
    if (planned.is_kept()) continue;
    const EncodedWeight* codes = planned.finished.get();
    if (codes == nullptr) codes = store.encode(i, planned.form)->get().codes.get();
    changed.test.graph.weights[i].stored = codes->view();
  }
  double noise = 0.0;
  double signal = 0.0;
  for (const std::vector<float>& input : seen.inputs) {
    const RunResult original = run_graph(model.test, input);
    const RunResult other = run_graph(changed.test, input, Arithmetic::Float);
    for (std::size_t i = 0; i < original.values.size(); ++i) {
      noise += std::pow(original.values[i] - other.values[i], 2);
      signal += std::pow(original.values[i], 2);
    }
  }
  return noise / signal;
}

class CalibrateForms : public testing::TestWithParam<const char*> {};

TEST_P(CalibrateForms, UnseenPicturesGiveLessNoiseThanWithNearestCodes) {
  const GraphModel model;
  const PressOptions options = options_of(GetParam());
  Plan plan = plan_kernels(model, options);
  const CalibrationPictures unseen = make_pictures(8, 2);
  const double nearest = measure_noise(model, plan, unseen);
  const auto rows = calibrate(model, make_pictures(32, 1), options, {}, plan);
  ASSERT_TRUE(rows) << rows.error().to_string();
  ASSERT_EQ(rows->size(), 4U);
  for (const CalibratedWeight& row : *rows) EXPECT_EQ(row.not_because, "");
  EXPECT_LT(measure_noise(model, plan, unseen), 0.6 * nearest);
}

INSTANTIATE_TEST_SUITE_P(Forms, CalibrateForms,
                         testing::Values("linear-2", "linear-3", "linear-4", "palette-3"));

TEST(Calibrate, BiasesAreHalvesWhereTheyCostTheFileNothing) {
  const GraphModel model;
  const PressOptions options = options_of("linear-3");
  Plan plan = plan_kernels(model, options);
  ASSERT_TRUE(calibrate(model, make_pictures(4, 1), options, {}, plan));
  for (const std::size_t bias : {1U, 3U, 5U, 7U}) {
    ASSERT_NE(plan.weights[bias].finished, nullptr);
    EXPECT_EQ(plan.weights[bias].finished->code.encoding, Encoding::Float16);
  }
}

TEST(Calibrate, OtherwiseBiasesAreFloatsWithTheValuesOfHalves) {
  GraphModel model;
  model.bytes_around_halves = 100;
  const PressOptions options = options_of("linear-3");
  Plan plan = plan_kernels(model, options);
  ASSERT_TRUE(calibrate(model, make_pictures(4, 1), options, {}, plan));
  for (const std::size_t bias : {1U, 3U, 5U, 7U}) {
    ASSERT_NE(plan.weights[bias].finished, nullptr);
    EXPECT_EQ(plan.weights[bias].finished->code.encoding, Encoding::Float32);
    const auto values = load_weight(plan.weights[bias].finished->view());
    ASSERT_TRUE(values);
    for (const float value : *values) EXPECT_EQ(value, half_to_float(float_to_half(value)));
  }
}

TEST(Calibrate, BiasesBeyondTheRangeOfHalvesKeepTheirPrecision) {
  GraphModel model;
  const PressOptions options = options_of("linear-3");
  auto values = *load_weight(model.test.graph.weights[1].stored);
  values[2] = 70000.0F;
  model.test.graph.weights[1].stored.payload = view_bytes(std::span<const float>(values));
  Plan plan = plan_kernels(model, options);
  ASSERT_TRUE(calibrate(model, make_pictures(4, 1), options, {}, plan));
  const auto changed = load_weight(plan.weights[1].finished->view());
  ASSERT_TRUE(changed);
  EXPECT_NEAR((*changed)[2], 70000.0F, 1.0F);
}

TEST(Calibrate, CodesDoNotDependOnThreads) {
  const GraphModel model;
  const CalibrationPictures pictures = make_pictures(5, 1);
  Plan one = plan_kernels(model, options_of("linear-3"));
  Plan two = one;
  const CalibrateOptions budget = {.noise_budget = 0.05};
  ASSERT_TRUE(calibrate(model, pictures, options_of("linear-3", 1), budget, one));
  ASSERT_TRUE(calibrate(model, pictures, options_of("linear-3", 2), budget, two));
  for (std::size_t i = 0; i < one.weights.size(); ++i)
    EXPECT_TRUE(one.weights[i].finished->codes == two.weights[i].finished->codes) << i;
}

/// Bits of all finished codes by their frequencies in each kernel.
double count_bits(const Plan& plan) {
  double bits = 0.0;
  for (std::size_t i = 0; i < plan.weights.size(); i += 2) {
    std::map<std::byte, double> counts;
    const ByteBuffer& codes = plan.weights[i].finished->codes;
    for (const std::byte code : codes) ++counts[code];
    for (const auto& [code, count] : counts)
      bits += count * std::log2(static_cast<double>(codes.size()) / count);
  }
  return bits;
}

TEST(Calibrate, ALargerNoiseBudgetTakesFewerBits) {
  const GraphModel model;
  const CalibrationPictures pictures = make_pictures(16, 1);
  for (const char* form : {"linear-8", "linear-4", "linear-2", "palette-4"}) {
    const PressOptions options = options_of(form);
    double before = std::numeric_limits<double>::infinity();
    for (const double budget : {0.0, 0.05, 0.2}) {
      Plan plan = plan_kernels(model, options);
      ASSERT_TRUE(calibrate(model, pictures, options, {.noise_budget = budget}, plan));
      const double bits = count_bits(plan);
      EXPECT_LT(bits, before) << form << ", " << budget;
      before = bits;
    }
  }
}

TEST(Calibrate, TheNoiseIsNearTheBudget) {
  const GraphModel model;
  const PressOptions options = options_of("linear-8");
  for (const double budget : {0.003, 0.03}) {
    Plan plan = plan_kernels(model, options);
    ASSERT_TRUE(calibrate(model, make_pictures(32, 1), options, {.noise_budget = budget}, plan));
    const double noise = measure_noise(model, plan, make_pictures(8, 2));
    EXPECT_GT(noise, 0.1 * budget);
    EXPECT_LT(noise, budget);
  }
}

TEST(Calibrate, OnePictureIsEnoughToRun) {
  const GraphModel model;
  const PressOptions options = options_of("linear-4");
  Plan plan = plan_kernels(model, options);
  const auto rows = calibrate(model, make_pictures(1, 1), options, {}, plan);
  ASSERT_TRUE(rows) << rows.error().to_string();
  for (const PlannedWeight& planned : plan.weights) ASSERT_NE(planned.finished, nullptr);
}

TEST(Calibrate, BlackPicturesLeaveTheFirstLayerAsItWas) {
  const GraphModel model;
  const PressOptions options = options_of("linear-4");
  Plan plan = plan_kernels(model, options);
  CalibrationPictures black = make_pictures(2, 1);
  for (std::vector<float>& input : black.inputs) std::fill(input.begin(), input.end(), 0.0F);
  const auto rows = calibrate(model, black, options, {}, plan);
  ASSERT_TRUE(rows) << rows.error().to_string();
  EXPECT_EQ(rows->front().not_because, "its inputs are zero on every picture");
  EXPECT_EQ(plan.weights[0].finished, nullptr);
  EXPECT_FALSE(plan.weights[0].is_kept());
}

TEST(Calibrate, InputsThatAreNotFiniteAreSaid) {
  const GraphModel model;
  const PressOptions options = options_of("linear-4");
  Plan plan = plan_kernels(model, options);
  CalibrationPictures pictures = make_pictures(2, 1);
  pictures.inputs[1][5] = std::numeric_limits<float>::infinity();
  const auto rows = calibrate(model, pictures, options, {}, plan);
  ASSERT_TRUE(rows) << rows.error().to_string();
  EXPECT_EQ(rows->front().not_because, "its inputs are not finite on the pictures");
}

TEST(Calibrate, KeptWeightsStay) {
  const GraphModel model;
  const PressOptions options = options_of("linear-3");
  Plan plan = plan_kernels(model, options);
  plan.weights[2].kept_because = "as asked";
  const auto rows = calibrate(model, make_pictures(3, 1), options, {}, plan);
  ASSERT_TRUE(rows);
  EXPECT_EQ(rows->size(), 3U);
  EXPECT_EQ(plan.weights[2].finished, nullptr);
}

/// names: as choose_wish reads them.
std::vector<WeightSensitivity> measure(const GraphModel& model, int threads = 2,
                                       const std::vector<std::string>& names = {
                                           "linear-8", "linear-4", "linear-2"}) {
  PressOptions press;
  press.min_elements = 1;
  press.threads = threads;
  const CalibrationPictures pictures = make_pictures(5, 3);
  std::vector<FormWish> forms;
  forms.reserve(names.size());
  for (const std::string& name : names) forms.push_back(choose_wish(name).value());
  const auto found = measure_weights(model, pictures, press, {.forms = forms});
  EXPECT_TRUE(found) << found.error().to_string();
  return found ? *found : std::vector<WeightSensitivity>();
}

TEST(MeasureWeights, FewerBitsChangeTheOutputsMore) {
  const GraphModel model;
  const std::vector<WeightSensitivity> found = measure(model);
  ASSERT_EQ(found.size(), 4U);
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].weight, 2 * i);
    ASSERT_EQ(found[i].forms.size(), 3U);
    for (std::size_t f = 1; f < 3; ++f) {
      EXPECT_GT(found[i].forms[f].change, 4.0 * found[i].forms[f - 1].change) << i;
      EXPECT_LT(found[i].forms[f].bytes, found[i].forms[f - 1].bytes);
    }
    EXPECT_LT(found[i].forms[0].change, 1e-3);
  }
}

TEST(MeasureWeights, NoiseMakesDownloadsSmaller) {
  const GraphModel model;
  const auto found =
      measure(model, 2, {"linear-8", "linear-8:0.001", "linear-8:0.01", "linear-8:0.1"});
  ASSERT_EQ(found.size(), 4U);
  for (const WeightSensitivity& weight : found) {
    ASSERT_EQ(weight.forms.size(), 4U);
    for (std::size_t f = 1; f < 4; ++f) {
      EXPECT_LT(weight.forms[f].download_bytes, weight.forms[f - 1].download_bytes);
      EXPECT_GT(weight.forms[f].change, weight.forms[f - 1].change);
      EXPECT_EQ(weight.forms[f].bytes, weight.forms[0].bytes);
    }
  }
}

TEST(Calibrate, AWeightsOwnNoiseGoesBeforeTheBudget) {
  const GraphModel model;
  const PressOptions options = options_of("linear-8");
  Plan plan = plan_kernels(model, options);
  plan.weights[2].noise = 0.1;
  const auto rows = calibrate(model, make_pictures(8, 1), options, {.noise_budget = 1e-4}, plan);
  ASSERT_TRUE(rows);
  ASSERT_EQ(rows->size(), 4U);
  for (const CalibratedWeight& row : *rows) {
    if (row.weight == 2) {
      EXPECT_NEAR(row.snr_db, 10.0, 3.0);
    } else {
      EXPECT_GT(row.snr_db, 35.0);
    }
  }
}

TEST(MeasureWeights, IsTheSameForEveryNumberOfThreads) {
  const GraphModel model;
  const std::vector<WeightSensitivity> one = measure(model, 1);
  const std::vector<WeightSensitivity> three = measure(model, 3);
  ASSERT_EQ(one.size(), three.size());
  for (std::size_t i = 0; i < one.size(); ++i) {
    for (std::size_t f = 0; f < one[i].forms.size(); ++f)
      EXPECT_EQ(one[i].forms[f].change, three[i].forms[f].change);
  }
}

/// A walk does not keep an output that it has passed.
TEST(MeasureWeights, AnOutputOfAnEarlyLayerDoesNotFeelLaterWeights) {
  GraphModel model;
  Graph& graph = model.test.graph;
  const std::vector<WeightSensitivity> alone = measure(model);
  const TensorId early = graph.nodes[1].outputs[0];
  graph.outputs = {early, graph.outputs[0], graph.outputs[0]};
  const std::vector<WeightSensitivity> both = measure(model);
  ASSERT_EQ(both.size(), alone.size());
  EXPECT_NE(both[0].forms[2].change, alone[0].forms[2].change);
  // The mean over two outputs, of which one does not change.
  for (std::size_t i = 1; i < both.size(); ++i)
    EXPECT_DOUBLE_EQ(both[i].forms[2].change, alone[i].forms[2].change / 2.0);
}

/// The probabilities of a sure classifier hardly change, its values before the softmax do.
TEST(MeasureWeights, ComparesProbabilitiesBeforeTheirSoftmax) {
  GraphModel model;
  const std::vector<WeightSensitivity> plain = measure(model);
  Graph& graph = model.test.graph;
  graph.outputs = {model.test.add_node(Softmax{}, {graph.outputs[0]})};
  const std::vector<WeightSensitivity> behind = measure(model);
  ASSERT_EQ(behind.size(), plain.size());
  for (std::size_t i = 0; i < plain.size(); ++i) {
    // Not equal: what all values have in common changes no probability.
    EXPECT_GT(behind[i].forms[2].change, 0.1 * plain[i].forms[2].change);
    EXPECT_LT(behind[i].forms[2].change, 10.0 * plain[i].forms[2].change);
  }
}

}  // namespace
}  // namespace visionpress
