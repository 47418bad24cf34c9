#include "codecs/decode.h"

#include <bitset>
#include <limits>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "base/half.h"
#include "model/bit_packing.h"

namespace visionpress {
namespace {

std::vector<std::byte> bytes_of(std::initializer_list<int> values) {
  std::vector<std::byte> bytes;
  for (const int value : values) bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

/// Packs one bit at a time, straight from the definition of each order.
std::vector<std::byte> pack_slowly(const std::vector<unsigned>& codes, int bits, Packing packing) {
  const auto width = static_cast<std::size_t>(bits);
  std::vector<std::byte> packed((codes.size() * width + 7) / 8);
  for (std::size_t i = 0; i < codes.size(); ++i) {
    for (std::size_t b = 0; b < width; ++b) {
      const std::size_t at = i * width + b;
      const bool msb = packing == Packing::MsbFirst;
      const std::size_t code_bit = msb ? width - 1 - b : b;
      const std::size_t byte_bit = msb ? 7 - at % 8 : at % 8;
      if (((codes[i] >> code_bit) & 1U) != 0) packed[at / 8] |= std::byte{1} << byte_bit;
    }
  }
  return packed;
}

WeightRef make_linear(Shape shape, int bits, Packing packing, Bytes payload) {
  WeightRef weight;
  weight.shape = std::move(shape);
  weight.code.encoding = Encoding::Linear;
  weight.code.bits = bits;
  weight.code.scales = {1.0F};
  weight.packing = packing;
  weight.payload = payload;
  return weight;
}

void expect_malformed(const WeightRef& weight, const std::string& message) {
  const auto checked = check_weight(weight);
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().kind, ErrorKind::Malformed);
  EXPECT_EQ(checked.error().message, message);
  EXPECT_FALSE(load_weight(weight));
  EXPECT_FALSE(load_codes(weight));
}

TEST(DecodeTest, ThreeBitCodesMsbFirstAreReadFromTheHighBitDown) {
  // 101 010 11|1 0000000: codes 5, 2, 7 and seven bits of padding.
  const auto payload = bytes_of({0b10101011, 0b10000000});
  const auto values = load_weight(make_linear({3}, 3, Packing::MsbFirst, payload));
  ASSERT_TRUE(values) << values.error().message;
  EXPECT_EQ(*values, (std::vector<float>{5.0F, 2.0F, 7.0F}));
}

TEST(DecodeTest, ThreeBitCodesLsbFirstAreReadFromTheLowBitUp) {
  // From the low bit: 101, 010, then the low two bits of 111; its high bit opens the next byte.
  const auto payload = bytes_of({0b11010101, 0b00000001});
  const auto values = load_weight(make_linear({3}, 3, Packing::LsbFirst, payload));
  ASSERT_TRUE(values) << values.error().message;
  EXPECT_EQ(*values, (std::vector<float>{5.0F, 2.0F, 7.0F}));
}

TEST(DecodeTest, EveryWidthAndOrderGivesBackWhatWasPacked) {
  std::mt19937 random(3);
  for (const Packing packing : {Packing::MsbFirst, Packing::LsbFirst}) {
    for (int bits = 1; bits <= 8; ++bits) {
      for (const std::size_t count : {0U, 1U, 2U, 7U, 8U, 9U, 16384U, 16385U, 40001U}) {
        std::vector<unsigned> codes(count);
        for (unsigned& code : codes) code = static_cast<unsigned>(random()) & ((1U << bits) - 1U);
        const auto payload = pack_slowly(codes, bits, packing);
        WeightRef weight = make_linear({static_cast<std::int64_t>(count)}, bits, packing, payload);
        const auto loaded = load_codes(weight);
        ASSERT_TRUE(loaded) << loaded.error().message;
        const auto values = load_weight(weight, 2);
        ASSERT_TRUE(values) << values.error().message;
        weight.code.is_signed = true;
        const auto signed_values = load_weight(weight, 1);
        ASSERT_TRUE(signed_values) << signed_values.error().message;
        for (std::size_t i = 0; i < count; ++i) {
          ASSERT_EQ((*loaded)[i], codes[i]) << bits << " bits, element " << i;
          ASSERT_EQ((*values)[i], static_cast<float>(codes[i]));
          const int code = static_cast<int>(codes[i]);
          const int extended = (code >> (bits - 1)) != 0 ? code - (1 << bits) : code;
          ASSERT_EQ((*signed_values)[i], static_cast<float>(extended));
        }
      }
    }
  }
}

TEST(DecodeTest, CodesAreComparedWithoutUnpackingThemAll) {
  // More than one part, and a last part that no group of eight fills.
  std::vector<std::byte> codes(2 * kMaxDecodePart + 13);
  for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<std::byte>(i * 7 % 8);
  WeightRef weight;
  weight.shape = {static_cast<std::int64_t>(codes.size())};
  weight.code = {.encoding = Encoding::Linear, .bits = 3, .scales = {1.0F}};
  weight.packing = Packing::MsbFirst;
  const ByteBuffer packed = pack_codes(codes, 3, Packing::MsbFirst);
  weight.payload = packed;
  EXPECT_TRUE(has_codes(weight, codes).value());
  for (const std::size_t at : {std::size_t{0}, kMaxDecodePart, codes.size() - 1}) {
    codes[at] ^= std::byte{1};
    EXPECT_FALSE(has_codes(weight, codes).value()) << at;
    codes[at] ^= std::byte{1};
  }
  EXPECT_FALSE(has_codes(weight, Bytes(codes).first(8)).value());
  weight.code.scales = {};
  EXPECT_FALSE(has_codes(weight, codes).has_value());
}

TEST(DecodeTest, SignedCodesLoadAsTheirTwosComplementByte) {
  const auto payload = bytes_of({0x8f});  // int4, low nibble first: -1, -8
  WeightRef weight = make_linear({2}, 4, Packing::LsbFirst, payload);
  weight.code.is_signed = true;
  EXPECT_EQ(*load_codes(weight), (std::vector<std::uint8_t>{0xff, 0xf8}));
}

TEST(DecodeTest, ScalesZeroPointsAndOffsetsFollowTheirAxis) {
  std::vector<std::byte> payload;
  for (int i = 0; i < 2 * 3 * 2; ++i) payload.push_back(static_cast<std::byte>(i));
  WeightRef weight = make_linear({2, 3, 2}, 8, Packing::Whole, payload);
  weight.code.axis = 1;
  weight.code.scales = {1.0F, 10.0F, 100.0F};
  weight.code.zero_points = {0, 1, 2};
  weight.code.offsets = {0.5F, 0.25F, 0.0F};
  const auto values = load_weight(weight);
  ASSERT_TRUE(values) << values.error().message;
  EXPECT_EQ(*values, (std::vector<float>{0.5F, 1.5F, 10.25F, 20.25F, 200.0F, 300.0F,  //
                                         6.5F, 7.5F, 70.25F, 80.25F, 800.0F, 900.0F}));
}

TEST(DecodeTest, EveryAxisAgreesWithTheFormulaElementByElement) {
  const Shape shape = {5, 17, 3, 150};  // runs of 38250/5.., 450, 150 and 1; more than two parts
  std::vector<std::byte> payload(5 * 17 * 3 * 150);
  std::mt19937 random(5);
  for (std::byte& code : payload) code = static_cast<std::byte>(random() & 0xffU);
  for (int axis = 0; axis < 4; ++axis) {
    WeightRef weight = make_linear(shape, 8, Packing::Whole, payload);
    const auto channels = static_cast<std::size_t>(shape[static_cast<std::size_t>(axis)]);
    weight.code.axis = axis;
    weight.code.scales.clear();
    for (std::size_t c = 0; c < channels; ++c) {
      weight.code.scales.push_back(0.1F + static_cast<float>(c));
      weight.code.offsets.push_back(static_cast<float>(c) - 0.7F);
    }
    std::size_t inner = 1;
    for (std::size_t i = static_cast<std::size_t>(axis) + 1; i < 4; ++i) {
      inner *= static_cast<std::size_t>(shape[i]);
    }
    const auto values = load_weight(weight, 2);
    ASSERT_TRUE(values) << values.error().message;
    for (std::size_t i = 0; i < values->size(); ++i) {
      const std::size_t c = i / inner % channels;
      const float expected =
          static_cast<float>(std::to_integer<int>(payload[i])) * weight.code.scales[c] +
          weight.code.offsets[c];
      ASSERT_EQ((*values)[i], expected) << "axis " << axis << " element " << i;
    }
  }
}

TEST(DecodeTest, TablesAreLookedUp) {
  const auto payload = bytes_of({0b00011011});
  WeightRef weight = make_linear({4}, 2, Packing::MsbFirst, payload);
  weight.code.encoding = Encoding::Table;
  weight.code.table = {-1.0F, 0.5F, 2.0F, 8.0F};
  EXPECT_EQ(*load_weight(weight), (std::vector<float>{-1.0F, 0.5F, 2.0F, 8.0F}));
}

TEST(DecodeTest, FloatsAndHalvesAreReadAtAnyAlignment) {
  std::vector<std::byte> bytes(1 + 4 * 3);
  for (std::size_t i = 0; i < 3; ++i) {
    store_le(MutableBytes(bytes), 1 + i * 4, static_cast<float>(i) + 0.5F);
  }
  WeightRef weight;
  weight.shape = {3};
  weight.payload = Bytes(bytes).subspan(1);
  EXPECT_EQ(*load_weight(weight), (std::vector<float>{0.5F, 1.5F, 2.5F}));
  ASSERT_TRUE(view_weight(weight));
  EXPECT_EQ((*view_weight(weight))[2], 2.5F);
  weight.code.encoding = Encoding::Float16;
  weight.code.bits = 16;
  weight.payload = Bytes(bytes).subspan(1, 6);
  store_le(MutableBytes(bytes), 5, float_to_half(-3.0F));
  EXPECT_EQ((*load_weight(weight))[2], -3.0F);
  EXPECT_FALSE(view_weight(weight));
}

TEST(DecodeTest, AnEmptyWeightHasNoValues) {
  WeightRef weight = make_linear({0, 3}, 8, Packing::Whole, {});
  EXPECT_TRUE(load_weight(weight)->empty());
  EXPECT_TRUE(load_codes(weight)->empty());
}

TEST(DecodeTest, AScalarHasOneValue) {
  const auto payload = bytes_of({7});
  EXPECT_EQ(*load_weight(make_linear({}, 8, Packing::Whole, payload)), std::vector<float>{7.0F});
}

TEST(DecodeTest, APayloadOfTheWrongLengthIsMalformed) {
  const auto payload = bytes_of({1, 2, 3});
  expect_malformed(make_linear({5, 3}, 3, Packing::MsbFirst, payload),
                   "payload is 3 bytes, shape [5,3] of 3 bits each needs 6");
  expect_malformed(make_linear({2}, 3, Packing::Whole, payload),
                   "payload is 3 bytes, shape [2] of 8 bits each needs 2");
  WeightRef floats;
  floats.shape = {1};
  floats.payload = payload;
  expect_malformed(floats, "payload is 3 bytes, shape [1] of 32 bits each needs 4");
}

TEST(DecodeTest, AShapeThatOverflowsIsMalformed) {
  const std::int64_t huge = std::int64_t{1} << 40;
  expect_malformed(make_linear({huge, huge}, 8, Packing::Whole, {}),
                   "shape [1099511627776,1099511627776] has no element count");
  expect_malformed(make_linear({std::numeric_limits<std::int64_t>::max()}, 8, Packing::Whole, {}),
                   "payload is 0 bytes, shape [9223372036854775807] of 8 bits each needs -1");
  expect_malformed(make_linear({-1}, 8, Packing::Whole, {}), "shape [-1] has no element count");
}

TEST(DecodeTest, BitsOutsideTheEncodingAreMalformed) {
  const auto payload = bytes_of({1, 2, 3, 4});
  expect_malformed(make_linear({4}, 9, Packing::MsbFirst, payload),
                   "linear weight has 9 bits, expected 1..8");
  expect_malformed(make_linear({4}, 0, Packing::Whole, payload),
                   "linear weight has 0 bits, expected 1..8");
  WeightRef floats;
  floats.shape = {1};
  floats.payload = payload;
  floats.packing = Packing::MsbFirst;
  expect_malformed(floats, "float32 weight is bit-packed, expected whole elements");
  floats.code.bits = 16;
  expect_malformed(floats, "float32 weight has 16 bits, expected 32");
}

TEST(DecodeTest, ScaleOffsetAndZeroPointCountsMustFit) {
  const auto payload = bytes_of({1, 2, 3, 4});
  WeightRef weight = make_linear({2, 2}, 8, Packing::Whole, payload);
  weight.code.scales = {1.0F, 1.0F, 1.0F};
  expect_malformed(weight, "3 scales, axis 0 of shape [2,2] needs 1 or 2");
  weight.code.scales = {1.0F, 1.0F};
  weight.code.axis = 2;
  expect_malformed(weight, "2 scales along axis 2 of shape [2,2]");
  weight.code.axis = 1;
  weight.code.offsets = {1.0F};
  expect_malformed(weight, "1 offsets for 2 scales");
  weight.code.offsets.clear();
  weight.code.zero_points = {1, 2, 3};
  expect_malformed(weight, "3 zero points for 2 scales");
  weight.code.zero_points = {0, std::numeric_limits<std::int32_t>::min()};
  expect_malformed(weight, "zero point -2147483648 is outside -16776960..16776960");
  weight.code.scales.clear();
  weight.code.zero_points.clear();
  expect_malformed(weight, "0 scales, axis 1 of shape [2,2] needs 1 or 2");
}

TEST(DecodeTest, ATableOfTheWrongLengthAndCodesBeyondItAreMalformed) {
  const auto payload = bytes_of({0, 1, 2, 4});
  WeightRef weight = make_linear({4}, 2, Packing::Whole, payload);
  weight.code.encoding = Encoding::Table;
  weight.code.table = {1.0F, 2.0F, 3.0F};
  expect_malformed(weight, "table has 3 entries, 2 bits need 4");
  weight.code.table.push_back(4.0F);
  expect_malformed(weight, "code 4 of element 3 is outside 0..3");
}

TEST(DecodeTest, WholeSignedCodesBeyondTheirBitsAreMalformed) {
  const auto payload = bytes_of({0xf8, 0xf7});  // -8, -9
  WeightRef weight = make_linear({2}, 4, Packing::Whole, payload);
  weight.code.is_signed = true;
  expect_malformed(weight, "code -9 of element 1 is outside -8..7");
}

TEST(DecodeTest, AnOutputOfAnotherLengthIsRefused) {
  const auto payload = bytes_of({1, 2});
  std::vector<float> out(3);
  const auto done = decode_weight(make_linear({2}, 8, Packing::Whole, payload), out);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().message, "3 values asked of a weight of shape [2]");
}

}  // namespace
}  // namespace visionpress
