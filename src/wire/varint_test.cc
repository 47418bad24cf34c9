#include "wire/varint.h"

#include <limits>
#include <vector>

#include <gtest/gtest.h>

namespace visionpress {
namespace {

struct Read {
  std::optional<std::uint64_t> value = {};
  std::size_t at = 0;
};

Read read(const std::vector<unsigned char>& bytes) {
  Read result;
  result.value = read_varint(std::as_bytes(std::span(bytes)), result.at);
  return result;
}

TEST(Varint, TakesSevenBitsOfEachByteLowestFirst) {
  EXPECT_EQ(read({0x00}).value, 0U);
  EXPECT_EQ(read({0x7f}).value, 127U);
  EXPECT_EQ(read({0xac, 0x02}).value, 300U);
  EXPECT_EQ(read({0xac, 0x02, 0x05}).at, 2U);
  EXPECT_EQ(read({0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}).value,
            std::numeric_limits<std::uint64_t>::max());
}

TEST(Varint, ThatIsCutShortOrTooLongIsNone) {
  EXPECT_FALSE(read({}).value);
  EXPECT_FALSE(read({0x80}).value);
  EXPECT_FALSE(read({0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01}).value);
}

}  // namespace
}  // namespace visionpress
