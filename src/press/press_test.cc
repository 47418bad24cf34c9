#include "press/press.h"

#include <gtest/gtest.h>

#include "codecs/family.h"
#include "press/fake_model_testonly.h"

namespace visionpress {
namespace {

std::vector<PressedWeight> press(const FakeModel& model, const Plan& plan) {
  CodeStore store(model.graph(), {});
  auto pressed = encode_plan(plan, store);
  EXPECT_TRUE(pressed) << pressed.error().message;
  return pressed ? std::move(*pressed) : std::vector<PressedWeight>();
}

TEST(PressTest, FinishedCodesAreWrittenAsTheyAreAndNothingIsEncoded) {
  FakeModel model;
  model.add_weight("a:weights", {64, 64});
  model.add_weight("b:weights", {8, 8});
  Plan plan = *make_plan(model, wish("linear-8"));
  const Form form = *parse_form("linear-3");
  EncodedWeight codes =
      find_family(form)->encode(model.values(0), {64, 64}, form, EncodeOptions()).value();
  codes.codes[5] = static_cast<std::byte>(std::to_integer<unsigned>(codes.codes[5]) ^ 1U);
  const auto finished = std::make_shared<const EncodedWeight>(codes);
  ASSERT_TRUE(plan_finished(model, 0, finished, {}, plan));
  CodeStore store(model.graph(), {});
  auto pressed = encode_plan(plan, store);
  ASSERT_TRUE(pressed) << pressed.error().message;
  EXPECT_EQ(store.encoded_count(), 0U);
  const auto edits = list_edits(*pressed);
  ASSERT_EQ(edits.size(), 1U);
  EXPECT_EQ(edits[0].value, finished.get());
  const auto file = model.rewrite(edits, {});
  ASSERT_TRUE(file);
  EXPECT_EQ(ByteBuffer(file->pieces[0].begin(), file->pieces[0].end()), codes.codes);
  // The row describes these codes: the moved code has a larger error than rounding gives.
  EXPECT_EQ((*pressed)[0].row.to, "linear-3");
  EXPECT_GT(*(*pressed)[0].row.max_steps, 0.5);
  EXPECT_EQ((*pressed)[0].row.bytes_after, 64U * 64U * 3U / 8U + 64U * 8U);
}

TEST(PressTest, RowsTellWhatAWeightLost) {
  FakeModel model;
  model.add_weight("a:weights", {64, 64});
  model.add_weight("a:bias", {64}, WeightRole::Bias);
  const auto pressed = press(model, *make_plan(model, wish("linear-8")));
  const WeightRow& row = pressed[0].row;
  EXPECT_EQ(row.from, "float32");
  EXPECT_EQ(row.to, "linear-8");
  EXPECT_EQ(row.bytes_before, 16384U);
  EXPECT_EQ(row.bytes_after, 4096U + 64U * 8U);
  EXPECT_GT(*row.snr_db, 35.0);
  EXPECT_GT(*row.channel_snr_db, 35.0);
  EXPECT_TRUE(row.weak_because.empty());
  EXPECT_EQ(pressed[1].row.kept_because, "a bias");
  EXPECT_EQ(pressed[1].row.to, "float32");
  EXPECT_FALSE(pressed[1].row.snr_db);
}

TEST(PressTest, FewBitsAreNamedWeak) {
  FakeModel model;
  model.add_weight("a:weights", {64, 64});
  const auto pressed = press(model, *make_plan(model, wish("linear-3")));
  EXPECT_TRUE(pressed[0].row.weak_because.starts_with("SNR ")) << pressed[0].row.weak_because;
}

TEST(PressTest, ValuesThatTheCodecRefusesStay) {
  FakeModel model;
  model.add_weight("a:weights", {64, 64});
  const Plan plan = *make_plan(model, wish("linear-8"));
  model.values(0)[0] = 3e38F;  // after the plan was made
  model.values(0)[1] = -3e38F;
  const auto pressed = press(model, plan);
  EXPECT_EQ(pressed[0].codes, nullptr);
  EXPECT_EQ(pressed[0].row.kept_because,
            "the values of channel 0 reach over more than half of the largest float32");
}

TEST(PressTest, AFileThatWouldGrowIsLeftAsItIs) {
  FakeModel model;
  model.add_weight("a:weights", {64, 64});
  const std::vector<std::byte> source(model.size_bytes());
  const Plan plan = *make_plan(model, wish("linear-8"));
  auto pressed = press(model, plan);
  const auto smaller = rewrite_smaller(model, source, {}, pressed);
  ASSERT_TRUE(smaller);
  EXPECT_EQ(count_bytes(*smaller), 4096U);
  EXPECT_EQ(list_edits(pressed).size(), 1U);
  model.extra_bytes = 20000;
  const auto same = rewrite_smaller(model, source, {}, pressed);
  ASSERT_TRUE(same);
  ASSERT_EQ(same->pieces.size(), 1U);
  EXPECT_EQ(same->pieces[0].data(), source.data());
  EXPECT_TRUE(list_edits(pressed).empty());
  EXPECT_EQ(pressed[0].row.kept_because, "the file would not shrink: 24096 bytes, not 16384");
  EXPECT_EQ(pressed[0].row.to, "float32");
  EXPECT_EQ(pressed[0].row.bytes_after, 16384U);
}

}  // namespace
}  // namespace visionpress
