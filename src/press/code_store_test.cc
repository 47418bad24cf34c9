#include "press/code_store.h"

#include <limits>

#include <gtest/gtest.h>

#include "base/half.h"
#include "press/fake_model_testonly.h"

namespace visionpress {
namespace {

TEST(CodeStoreTest, EachPairOfWeightAndFormIsEncodedOnce) {
  FakeModel model;
  model.add_weight("a:weights", {64, 64});
  model.add_weight("b:weights", {64, 64});
  CodeStore store(model.graph(), {.threads = 2});
  const Form four = *parse_form("linear-4");
  const auto first = store.encode(0, four).value().get().codes;
  const auto again = store.encode(0, four).value().get().codes;
  EXPECT_EQ(first, again);  // the same object, not an equal one
  EXPECT_EQ(store.encoded_count(), 1U);
  Form is_signed = four;
  is_signed.is_signed = true;
  EXPECT_NE(store.encode(0, is_signed).value().get().codes, first);
  EXPECT_NE(store.encode(1, four).value().get().codes, first);
  EXPECT_NE(store.encode(0, *parse_form("linear-4-tensor")).value().get().codes, first);
  EXPECT_EQ(store.encoded_count(), 4U);
}

TEST(CodeStoreTest, ARefusalOfTheCodecIsKeptToo) {
  FakeModel model;
  model.add_weight("a:weights", {64, 64});
  model.values(0)[3] = std::numeric_limits<float>::quiet_NaN();
  CodeStore store(model.graph(), {});
  for (int i = 0; i < 2; ++i) {
    const auto coded = store.encode(0, *parse_form("linear-8"));
    ASSERT_TRUE(coded);
    EXPECT_EQ(coded->get().codes, nullptr);
    EXPECT_EQ(coded->get().refused, "value 3 is nan, expected a finite number");
  }
  EXPECT_EQ(store.encoded_count(), 1U);
}

TEST(CodeStoreTest, StoredHalvesAreDecodedFirst) {
  FakeModel model;
  model.add_weight("a:weights", {2, 4});
  std::vector<std::uint16_t> halves;
  for (int i = 0; i < 8; ++i) halves.push_back(float_to_half(static_cast<float>(i)));
  model.weight(0).stored.code = {.encoding = Encoding::Float16, .bits = 16};
  model.weight(0).stored.payload = std::as_bytes(std::span(halves));
  CodeStore store(model.graph(), {});
  const auto coded = store.encode(0, *parse_form("linear-8"));
  ASSERT_TRUE(coded);
  EXPECT_EQ(coded->get().codes->code.offsets, (std::vector<float>{0.0F, 4.0F}));
}

TEST(CodeStoreTest, AFormWithoutACodecIsAFaultOfTheCaller) {
  FakeModel model;
  model.add_weight("a:weights", {64, 64});
  CodeStore store(model.graph(), {});
  const auto coded = store.encode(0, Form{});
  ASSERT_FALSE(coded);
  EXPECT_EQ(coded.error().message, "fake.a:weights: no codec encodes to float32");
}

}  // namespace
}  // namespace visionpress
