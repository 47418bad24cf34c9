#include "press/plan.h"

#include <limits>

#include <gtest/gtest.h>

#include "codecs/family.h"
#include "press/code_store.h"
#include "press/estimate.h"
#include "press/fake_model_testonly.h"
#include "press/press.h"

namespace visionpress {
namespace {

Plan plan_of(const SourceModel& model, const PressOptions& options) {
  auto plan = make_plan(model, options);
  EXPECT_TRUE(plan) << plan.error().message;
  return plan ? *plan : Plan();
}

TEST(PlanTest, KernelsAreEncodedAndBiasesAndVectorsAndConstantsStay) {
  FakeModel model;
  model.add_weight("conv:weights", {64, 64});
  model.add_weight("conv:bias", {4096}, WeightRole::Bias);
  model.add_weight("norm:scale", {4096}, WeightRole::Vector);
  model.add_weight("anchors", {4096}, WeightRole::Constant);
  const Plan plan = plan_of(model, wish("linear-8"));
  EXPECT_FALSE(plan.weights[0].is_kept());
  EXPECT_EQ(plan.weights[1].kept_because, "a bias");
  EXPECT_EQ(plan.weights[2].kept_because, "a vector");
  EXPECT_EQ(plan.weights[3].kept_because, "a constant, not a kernel");
  EXPECT_EQ(plan.changed_count(), 1U);
}

TEST(PlanTest, BiasesThatAreAskedForHaveOneScale) {
  FakeModel model;
  model.add_weight("conv:bias", {64}, WeightRole::Bias);
  PressOptions options = wish("linear-8");
  options.quantize_biases = true;
  const Plan plan = plan_of(model, options);
  EXPECT_FALSE(plan.weights[0].is_kept());
  EXPECT_EQ(plan.weights[0].form.granularity, Granularity::Tensor);
}

TEST(PlanTest, TheFormIsTheOneThatTheFileGives) {
  FakeModel model;
  model.signed_codes = true;
  model.add_weight("conv:weights", {64, 64});
  const Plan plan = plan_of(model, wish("linear-8"));
  EXPECT_TRUE(plan.weights[0].form.is_signed);
  EXPECT_EQ(plan.weights[0].form.granularity, Granularity::Channel);
}

TEST(PlanTest, WhatTheFileRefusesIsKeptForItsReasonAndNeverEncoded) {
  FakeModel model;
  const std::size_t refused = model.add_weight("a:weights", {64, 64});
  model.add_weight("b:weights", {64, 64});
  // The file refuses 8 bits for this weight only; the store's count below shows that it is never
  // encoded.
  model.refuse = [&](std::size_t index, const Form& form) {
    return index == refused && form.bits == 8 ? std::string("the file holds no such codes") : "";
  };
  const Plan plan = plan_of(model, wish("linear-8"));
  EXPECT_EQ(plan.weights[refused].kept_because, "the file holds no such codes");
  CodeStore store(model.graph(), {});
  const auto pressed = encode_plan(plan, store);
  ASSERT_TRUE(pressed);
  EXPECT_EQ(store.encoded_count(), 1U);
  EXPECT_EQ((*pressed)[refused].codes, nullptr);
  EXPECT_EQ((*pressed)[refused].row.to, "float32");
}

TEST(PlanTest, AFileThatIsNotRewrittenIsRefusedBeforeItsValuesAreRead) {
  FakeModel model;
  model.add_weight("a:weights", {64, 64});
  model.rewritable = false;
  const auto plan = make_plan(model, wish("linear-8"));
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().kind, ErrorKind::Unsupported);
  EXPECT_EQ(plan.error().message, "a fake that is not rewritten");
}

TEST(PlanTest, SmallWeightsAndThoseWithoutGainStay) {
  FakeModel model;
  model.add_weight("small:weights", {31, 33});
  model.add_weight("thin:weights", {1024, 2});  // two codes and eight bytes of scale and offset
  const Plan plan = plan_of(model, wish("linear-8"));
  EXPECT_EQ(plan.weights[0].kept_because, "fewer than 1024 elements");
  EXPECT_EQ(plan.weights[1].kept_because, "in fewer bits it would take 10240 bytes, not 8192");
  PressOptions options = wish("linear-8");
  options.min_elements = 1;
  EXPECT_FALSE(plan_of(model, options).weights[0].is_kept());
}

TEST(PlanTest, ValuesThatDoNotFitStayAndSayWhich) {
  FakeModel model;
  const std::size_t nan = model.add_weight("nan:weights", {64, 64});
  const std::size_t huge = model.add_weight("huge:weights", {64, 64});
  const std::size_t tiny = model.add_weight("tiny:weights", {64, 64});
  model.values(nan)[7] = std::numeric_limits<float>::quiet_NaN();
  model.values(huge)[7] = 1e6F;
  for (float& value : model.values(tiny)) value *= 1e-7F;
  const Plan plan = plan_of(model, wish("fp16"));
  EXPECT_EQ(plan.weights[nan].kept_because, "it holds values that are not finite: 1 NaN");
  EXPECT_EQ(plan.weights[huge].kept_because,
            "1 of its values lies beyond +-65504, the largest half");
  EXPECT_TRUE(plan.weights[tiny].kept_because.starts_with("as halves it would keep an SNR of"));
}

TEST(PlanTest, LayersThatChangeAsAWholeStayAsAWhole) {
  FakeModel model;
  model.whole_layers = true;
  const std::size_t kernel = model.add_weight("conv:weights", {64, 64});
  const std::size_t bias = model.add_weight("conv:bias", {64}, WeightRole::Bias);
  const std::size_t other = model.add_weight("other:weights", {64, 64});
  model.weight(bias).layer_group = model.weight(kernel).layer_group;
  EXPECT_EQ(plan_of(model, wish("fp16")).changed_count(), 3U);
  model.values(kernel)[7] = std::numeric_limits<float>::infinity();
  const Plan plan = plan_of(model, wish("fp16"));
  EXPECT_EQ(plan.weights[bias].kept_because, "its layer's conv:weights stays");
  EXPECT_FALSE(plan.weights[other].is_kept());
}

TEST(PlanTest, WeightsOfTheSameBytesChangeTogetherOrStayTogether) {
  FakeModel model;
  const std::size_t first = model.add_weight("first:weights", {64, 64});
  const std::size_t second = model.add_weight("second:weights", {64, 64});
  model.weight(second).stored.payload = model.weight(first).stored.payload;
  EXPECT_EQ(plan_of(model, wish("linear-8")).changed_count(), 2U);
  PressOptions options = wish("linear-8");
  options.keep = {"second"};
  const Plan plan = plan_of(model, options);
  EXPECT_EQ(plan.weights[second].kept_because, "kept as asked");
  EXPECT_EQ(plan.weights[first].kept_because, "second:weights stays, which has the same bytes");
}

TEST(PlanTest, FirstAndLastLayerStayWhenAsked) {
  FakeModel model;
  for (const char* name : {"a:weights", "b:weights", "c:weights"}) model.add_weight(name, {64, 64});
  PressOptions options = wish("linear-8");
  options.keep_first_last = true;
  const Plan plan = plan_of(model, options);
  EXPECT_EQ(plan.weights[0].kept_because, "first or last layer");
  EXPECT_FALSE(plan.weights[1].is_kept());
  EXPECT_EQ(plan.weights[2].kept_because, "first or last layer");
}

TEST(PlanTest, WhatIsSmallAlreadyIsSaidSo) {
  FakeModel model;
  const std::size_t index = model.add_weight("conv:weights", {64, 64});
  const std::vector<std::uint16_t> halves(64 * 64, 0x3c00);  // ones
  model.weight(index).stored.code = {.encoding = Encoding::Float16, .bits = 16};
  model.weight(index).stored.payload = std::as_bytes(std::span(halves));
  const Plan plan = plan_of(model, wish("fp16"));
  EXPECT_EQ(plan.weights[index].kept_because, "already float16");
  EXPECT_TRUE(plan.weights[index].is_small_already);
  EXPECT_FALSE(plan_of(model, wish("linear-8")).weights[index].is_kept());
}

TEST(PlanTest, BelowSixBitsSensitiveKernelsGetEight) {
  FakeModel model;
  for (const char* name : {"a:weights", "b:weights", "c:weights"}) model.add_weight(name, {64, 64});
  model.chain_layers();
  const auto bits_of = [&](const PressOptions& options) {
    std::vector<int> bits;
    for (const PlannedWeight& planned : plan_of(model, options).weights) {
      EXPECT_FALSE(planned.is_kept());
      bits.push_back(planned.form.bits);
    }
    return bits;
  };
  PressOptions options = wish("linear-5");
  EXPECT_EQ(bits_of(options), (std::vector<int>{8, 5, 8}));
  EXPECT_EQ(plan_of(model, options).weights[0].wider_because, "first layer");
  EXPECT_EQ(plan_of(model, options).weights[1].wider_because, "");
  EXPECT_EQ(plan_of(model, options).weights[2].wider_because, "last layer");
  EXPECT_EQ(bits_of(wish("linear-6")), (std::vector<int>{6, 6, 6}));
  options.keep_sensitive = false;
  EXPECT_EQ(bits_of(options), (std::vector<int>{5, 5, 5}));
  options = wish("linear-5");
  options.keep = {"a"};
  const Plan plan = plan_of(model, options);
  EXPECT_EQ(plan.weights[0].kept_because, "kept as asked");
  EXPECT_EQ(plan.weights[0].wider_because, "");
}

TEST(PlanTest, CodesThatTheFileHoldsAsBytesAreCountedAsBytes) {
  FakeModel model;
  model.codes_are_bytes = true;
  model.add_weight("a:weights", {64, 64});
  PressOptions options = wish("linear-4");
  CodeStore store(model.graph(), {});
  const Plan plan = plan_of(model, options);
  EXPECT_EQ(plan.weights[0].stored_bits, 8);
  const auto pressed = encode_plan(plan, store);
  ASSERT_TRUE(pressed);
  EXPECT_EQ((*pressed)[0].row.bytes_after, 4096U + 64U * 8U);
}

TEST(PlanTest, EachWeightMayHaveAFormOfItsOwn) {
  FakeModel model;
  model.add_weight("a:weights", {64, 64});
  model.add_weight("b:weights", {64, 64});
  Plan plan;
  for (std::size_t i = 0; i < 2; ++i) {
    const Form form = *parse_form(i == 0 ? "linear-4" : "fp16");
    plan.weights.push_back(plan_weight(model, i, form, PressOptions()));
  }
  keep_together(model, plan);
  CodeStore store(model.graph(), {});
  const auto pressed = encode_plan(plan, store);
  ASSERT_TRUE(pressed);
  EXPECT_EQ((*pressed)[0].row.to, "linear-4");
  EXPECT_EQ((*pressed)[0].row.bytes_after, 2048U + 64U * 8U);  // packed, scales and offsets
  EXPECT_EQ((*pressed)[1].row.to, "float16");
}

TEST(PlanTest, FinishedCodesThatTheFileCannotHoldAreRefused) {
  FakeModel model;
  model.add_weight("a:weights", {64, 64});
  Plan plan = plan_of(model, wish("linear-8"));
  const Form form = *parse_form("linear-4");
  const auto codes =
      find_family(form)->encode(model.values(0), {64, 64}, form, EncodeOptions()).value();
  model.refuse = [](std::size_t /*index*/, const Form& asked) {
    return asked.bits == 4 ? std::string("no codes of 4 bits") : "";
  };
  const auto refused =
      plan_finished(model, 0, std::make_shared<const EncodedWeight>(codes), {}, plan);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "fake.a:weights cannot be linear-4: no codes of 4 bits");
  EncodedWeight other = codes;
  other.shape = {32, 128};
  const auto shaped =
      plan_finished(model, 0, std::make_shared<const EncodedWeight>(other), {}, plan);
  ASSERT_FALSE(shaped);
  EXPECT_EQ(shaped.error().message, "fake.a:weights: codes of shape [32,128], expected [64,64]");
  EXPECT_EQ(plan.weights[0].finished, nullptr);
}

TEST(PlanTest, TheSizeOfAPlanIsThatOfItsFile) {
  FakeModel model;
  model.add_weight("a:weights", {64, 64});
  const Plan plan = plan_of(model, wish("linear-8"));
  const auto bytes = measure_plan(model, plan, {}, model.size_bytes());
  ASSERT_TRUE(bytes && *bytes);
  EXPECT_EQ(**bytes, 4096U);
  model.extra_bytes = 20000;
  EXPECT_EQ(measure_plan(model, plan, {}, model.size_bytes())->has_value(), false);
  const auto estimate = estimate_form(model, wish("linear-8"), model.size_bytes());
  ASSERT_TRUE(estimate);
  EXPECT_EQ(estimate->weights, 0U);
  EXPECT_EQ(estimate->bytes, model.size_bytes());
}

TEST(PlanTest, OnlyOfferedNamesAreChosen) {
  EXPECT_EQ(choose_form("linear-8").value(), *parse_form("linear-8"));
  const auto unknown = choose_form("linear8");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().kind, ErrorKind::Usage);
  EXPECT_EQ(
      unknown.error().message,
      "no scheme \"linear8\" (did you mean linear-8?); one of fp16, linear-8, "
      "linear-8-tensor, linear-7, linear-6, linear-5, linear-4, linear-3, linear-2, linear-1, "
      "palette-8, palette-7, palette-6, palette-5, palette-4, palette-3, palette-2, palette-1");
  EXPECT_FALSE(choose_form("float32"));
  EXPECT_FALSE(choose_form("linear-4-tensor"));
}

}  // namespace
}  // namespace visionpress
