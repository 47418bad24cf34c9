#include "press/verify.h"

#include <gtest/gtest.h>

#include "press/fake_model_testonly.h"

namespace visionpress {
namespace {

class VerifyTest : public testing::Test {
 protected:
  VerifyTest() {
    model_.add_weight("a:weights", {64, 64});
    model_.add_weight("a:bias", {64}, WeightRole::Bias);
    PressOptions options;
    options.form = *parse_form("linear-8");
    CodeStore store(model_.graph(), {});
    pressed_ = encode_plan(*make_plan(model_, options), store).value();
    written_ = read_back(model_, pressed_);
  }

  std::string fault() const {
    const auto verified = verify_written(model_, {}, pressed_, written_);
    return verified ? "" : verified.error().message;
  }

  FakeModel model_ = {};
  std::vector<PressedWeight> pressed_ = {};
  Graph written_ = {};
};

TEST_F(VerifyTest, AFileOfTheCodesAndTheOldValuesIsAccepted) { EXPECT_EQ(fault(), ""); }

TEST_F(VerifyTest, AnotherCodeIsFound) {
  ByteBuffer codes = pressed_[0].codes->codes;
  codes[100] ^= std::byte{1};
  written_.weights[0].stored.payload = codes;
  EXPECT_EQ(fault(), "fake.a:weights: the codes read back differ from those written");
}

TEST_F(VerifyTest, AnotherScaleOfOneChannelIsFound) {
  float& scale = written_.weights[0].stored.code.scales[63];
  scale = std::nextafter(scale, 1.0F);
  EXPECT_EQ(fault(), "fake.a:weights: written as linear-8 [64,64], meant as linear-8 [64,64]");
}

TEST_F(VerifyTest, OtherOffsetsAndTheWrongSignAreFound) {
  WeightCode& code = written_.weights[0].stored.code;
  code.is_signed = true;
  EXPECT_NE(fault(), "");
  code.is_signed = false;
  EXPECT_EQ(fault(), "");
  code.offsets[0] += 1.0F;
  EXPECT_NE(fault(), "");
}

TEST_F(VerifyTest, TheSignOfHalvesMeansNothing) {
  PressOptions options;
  options.form = *parse_form("fp16");
  CodeStore store(model_.graph(), {});
  pressed_ = encode_plan(*make_plan(model_, options), store).value();
  written_ = read_back(model_, pressed_);
  written_.weights[0].stored.code.is_signed = true;
  EXPECT_EQ(fault(), "");
}

TEST_F(VerifyTest, AWeightThatWasToStayIsFoundChanged) {
  std::vector<float> bias = model_.values(1);
  bias[3] += 1e-6F;
  written_.weights[1].stored.payload = std::as_bytes(std::span(bias));
  EXPECT_EQ(fault(), "fake.a:bias: changed, though it was to stay");
}

TEST_F(VerifyTest, AMissingWeightAndAMissingLayerAreFound) {
  written_.weights[1].name = "other";
  EXPECT_EQ(fault(), "fake.a:bias: missing from the written file");
  written_.weights.pop_back();
  EXPECT_EQ(fault(), "written with 0 layers and 1 weights, meant with 0 and 2");
}

TEST_F(VerifyTest, OneScaleThatIsRepeatedForEachChannelMeansTheSame) {
  EncodedWeight one = *pressed_[0].codes;
  one.code = *outline_code({64, 64}, *parse_form("linear-8-tensor"), 0);
  pressed_[0].codes = std::make_shared<const EncodedWeight>(one);
  written_ = read_back(model_, pressed_);
  written_.weights[0].stored.code = *outline_code({64, 64}, *parse_form("linear-8"), 0);
  EXPECT_EQ(fault(), "");
  written_.weights[0].stored.code.scales[9] = 2.0F;
  EXPECT_NE(fault(), "");
}

TEST(VerifyBytesTest, OneOtherByteAndAnotherLengthAreFound) {
  const ByteBuffer first(3, std::byte{1});
  const ByteBuffer second((std::size_t{1} << 21) + 5, std::byte{2});
  FilePieces meant;
  meant.pieces = {first, second};
  ByteBuffer written = join(meant);
  ASSERT_EQ(written.size(), first.size() + second.size());
  EXPECT_TRUE(verify_bytes(written, meant, 2));
  written.back() = std::byte{3};
  EXPECT_EQ(verify_bytes(written, meant, 2).error().message,
            "the bytes read back differ from those written");
  written.pop_back();
  EXPECT_FALSE(verify_bytes(written, meant, 2));
}

}  // namespace
}  // namespace visionpress
