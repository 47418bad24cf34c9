#include "wire/protobuf_outline.h"

#include <span>
#include <string>

#include <gtest/gtest.h>

namespace visionpress {
namespace {

using std::string_literals::operator""s;
using Fields = std::vector<std::uint64_t>;

Fields fields_of(const std::string& text) {
  return list_top_fields(std::as_bytes(std::span(text)));
}

TEST(ProtobufOutline, IsTheFieldsInTheFilesOrder) {
  // 1: varint, 500: two bytes, 2: 32 bits, 3: 64 bits
  EXPECT_EQ(fields_of("\x08\x96\x01\xa2\x1f\x02xx\x15"s + "1234" + "\x19" + "12345678"),
            (Fields{1, 500, 2, 3}));
  EXPECT_EQ(fields_of(""), Fields{});
}

TEST(ProtobufOutline, AFieldThatTheEndCutsOffCounts) {
  EXPECT_EQ(fields_of("\x08\x01\x12\x7fshort"s), (Fields{1, 2}));
  EXPECT_EQ(fields_of("\x08\x01\x12"s), (Fields{1, 2}));
  EXPECT_EQ(fields_of("\x08\x01\xa2"s), (Fields{1}));
}

TEST(ProtobufOutline, AFieldBeyondTheEndSaysHowManyBytesAreNeeded) {
  const auto needed = [](const std::string& text) {
    return find_needed_bytes(std::as_bytes(std::span(text)));
  };
  EXPECT_EQ(needed("\x08\x01\x12\x03xyz"s), std::nullopt);
  EXPECT_EQ(needed("\x08\x01\x12\x03x"s), 7U);
  EXPECT_EQ(needed("\x08\x01\x15xy"s), 7U) << "four bytes";
  EXPECT_EQ(needed("\x08\x01"s), std::nullopt);
  EXPECT_EQ(needed("\x12\xff\xff\xff\xff\xff\xff\x7f"s), std::nullopt) << "no such file";
  std::string many;
  for (int i = 0; i < 1000; ++i) many += "\x08\x01";
  EXPECT_EQ(needed(many + "\x12\x05"), 2007U) << "behind many fields";
}

TEST(ProtobufOutline, EndsWhereItMakesNoSense) {
  EXPECT_EQ(fields_of("\x08\x01\x00\x00\x08\x01"s), Fields{1}) << "field 0";
  EXPECT_EQ(fields_of("\x08\x01\x13\x08\x01"s), (Fields{1, 2})) << "a group";
  EXPECT_EQ(fields_of(std::string(20, '\xff')), Fields{}) << "a varint without an end";
}

TEST(ProtobufOutline, LooksAtAFewFieldsOfMany) {
  std::string many;
  for (int i = 0; i < 1000; ++i) many += "\x08\x01";
  EXPECT_EQ(fields_of(many).size(), 64U);
}

}  // namespace
}  // namespace visionpress
