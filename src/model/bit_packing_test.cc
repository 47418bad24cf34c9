#include "model/bit_packing.h"

#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace visionpress {
namespace {

std::vector<std::byte> random_codes(std::size_t count, int bits, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<std::byte> codes(count);
  for (std::byte& code : codes) {
    code = static_cast<std::byte>(random() & ((1U << static_cast<unsigned>(bits)) - 1));
  }
  return codes;
}

TEST(BitPackingTest, CodesComeBackInBothOrdersAtEveryWidthAndLength) {
  for (const Packing packing : {Packing::MsbFirst, Packing::LsbFirst}) {
    for (int bits = 1; bits <= 8; ++bits) {
      for (const std::size_t count : {0U, 1U, 2U, 7U, 8U, 9U, 63U, 1000U}) {
        const auto codes = random_codes(count, bits, 5);
        const ByteBuffer packed = pack_codes(codes, bits, packing);
        ASSERT_EQ(static_cast<std::int64_t>(packed.size()),
                  packed_bytes(static_cast<std::int64_t>(count), bits));
        std::vector<std::byte> unpacked(count);
        unpack_codes(packed, bits, packing, 0, unpacked);
        EXPECT_EQ(unpacked, codes) << bits << " bits, " << count << " codes";
      }
    }
  }
}

TEST(BitPackingTest, TheOrdersAreThoseOfTheFormats) {
  const std::vector<std::byte> codes = {std::byte{5}, std::byte{2}, std::byte{7}};
  const ByteBuffer msb = pack_codes(codes, 3, Packing::MsbFirst);
  const ByteBuffer lsb = pack_codes(codes, 3, Packing::LsbFirst);
  // Core ML: 101 010 11|1 0000000.  TFLite: 11 010 101|0000000 1.
  EXPECT_EQ(msb, (ByteBuffer{std::byte{0b10101011}, std::byte{0b10000000}}));
  EXPECT_EQ(lsb, (ByteBuffer{std::byte{0b11010101}, std::byte{0b00000001}}));
}

TEST(BitPackingTest, SignedCodesKeepTheirSign) {
  const std::vector<std::byte> codes = {std::byte{0xf9}, std::byte{7}, std::byte{0}};  // -7, 7, 0
  std::vector<std::byte> unpacked(3);
  unpack_codes(pack_codes(codes, 4, Packing::LsbFirst), 4, Packing::LsbFirst, 0, unpacked);
  extend_signs(unpacked, 4);
  EXPECT_EQ(unpacked, codes);
}

TEST(BitPackingTest, TheFirstCodeThatIsTooWideIsFound) {
  const std::vector<std::byte> codes = {std::byte{7}, std::byte{8}, std::byte{9}};
  EXPECT_EQ(find_wide_code(codes, 3), 1U);
  EXPECT_FALSE(find_wide_code(codes, 4));
  EXPECT_FALSE(find_wide_code(codes, 8));
}

}  // namespace
}  // namespace visionpress
