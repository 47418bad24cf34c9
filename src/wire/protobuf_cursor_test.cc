#include "wire/protobuf_cursor.h"

#include <array>

#include <gtest/gtest.h>

namespace visionpress {
namespace {

template <std::size_t N>
Bytes bytes_of(const std::array<unsigned char, N>& values) {
  return std::as_bytes(std::span<const unsigned char>(values));
}

TEST(ProtobufCursor, GivesEveryFieldWithItsPlace) {
  // 1: varint 300; 2: bytes "ab"; 3: fixed32 1.0F; 4: fixed64 2
  const std::array<unsigned char, 21> file = {
      0x08, 0xac, 0x02, 0x12, 0x02, 'a', 'b', 0x1d, 0, 0, 0x80, 0x3f, 0x21, 2, 0, 0, 0, 0, 0, 0, 0};
  ProtobufCursor cursor(bytes_of(file), 100);
  ASSERT_TRUE(cursor.next().value());
  EXPECT_EQ(cursor.field().number, 1U);
  EXPECT_EQ(cursor.field().value, 300U);
  EXPECT_EQ(cursor.field().tag_offset, 100U);
  EXPECT_EQ(cursor.field().end_offset, 103U);
  ASSERT_TRUE(cursor.next().value());
  EXPECT_EQ(view_text(cursor.field().content), "ab");
  EXPECT_EQ(cursor.field().length_offset, 104U);
  EXPECT_EQ(cursor.field().content_offset, 105U);
  ASSERT_TRUE(cursor.next().value());
  EXPECT_EQ(cursor.field().value, 0x3f800000U);
  ASSERT_TRUE(cursor.next().value());
  EXPECT_EQ(cursor.field().value, 2U);
  EXPECT_EQ(cursor.field().end_offset, 121U);
  EXPECT_FALSE(cursor.next().value());
}

TEST(ProtobufCursor, RefusesALengthBeyondTheMessage) {
  const std::array<unsigned char, 3> file = {0x0a, 0x05, 'a'};
  ProtobufCursor cursor(bytes_of(file), 0);
  const auto next = cursor.next();
  ASSERT_FALSE(next);
  EXPECT_EQ(next.error().kind, ErrorKind::Malformed);
  EXPECT_EQ(next.error().offset, 1U);
  EXPECT_EQ(next.error().message, "field 1: length 5 exceeds the 1 bytes left");
}

TEST(ProtobufCursor, RefusesAVarintThatIsCutShort) {
  const std::array<unsigned char, 2> file = {0x08, 0x80};
  ProtobufCursor cursor(bytes_of(file), 0);
  EXPECT_EQ(cursor.next().error().kind, ErrorKind::Malformed);
}

TEST(ProtobufCursor, RefusesAVarintOfMoreThanTenBytes) {
  const std::array<unsigned char, 12> file = {0x08, 0xff, 0xff, 0xff, 0xff, 0xff,
                                              0xff, 0xff, 0xff, 0xff, 0xff, 0x01};
  ProtobufCursor cursor(bytes_of(file), 0);
  EXPECT_EQ(cursor.next().error().kind, ErrorKind::Malformed);
}

TEST(ProtobufCursor, RefusesGroupsAndFieldNumberZero) {
  const std::array<unsigned char, 1> group = {0x0b};
  EXPECT_FALSE(ProtobufCursor(bytes_of(group), 0).next());
  const std::array<unsigned char, 2> zero = {0x00, 0x01};
  EXPECT_FALSE(ProtobufCursor(bytes_of(zero), 0).next());
}

TEST(ProtobufMessage, ReadsPackedAndUnpackedIntegersAlike) {
  // 1: packed 1, 2; 1: 3
  const std::array<unsigned char, 6> file = {0x0a, 0x02, 0x01, 0x02, 0x08, 0x03};
  const auto message = ProtobufMessage::read_file(bytes_of(file));
  ASSERT_TRUE(message);
  EXPECT_EQ(message->read_ints(1).value(), (std::vector<std::int64_t>{1, 2, 3}));
}

TEST(ProtobufMessage, NamesTheFramesAroundANestedMessage) {
  // 1: { 2: { 3: 7 } }
  const std::array<unsigned char, 6> file = {0x0a, 0x04, 0x12, 0x02, 0x18, 0x07};
  const auto outer = ProtobufMessage::read_file(bytes_of(file));
  ASSERT_TRUE(outer);
  const auto middle = outer->read_message(1);
  ASSERT_TRUE(middle && *middle);
  const auto inner = (*middle)->read_message(2);
  ASSERT_TRUE(inner && *inner);
  EXPECT_EQ((*inner)->read_uint(3).value(), 7U);
  ASSERT_EQ((*inner)->frames().size(), 2U);
  EXPECT_EQ((*inner)->frames()[0].content_offset, 2U);
  EXPECT_EQ((*inner)->frames()[1].content_offset, 4U);
}

TEST(ProtobufMessage, RefusesASingularMessageThatAppearsTwice) {
  const std::array<unsigned char, 4> file = {0x0a, 0x00, 0x0a, 0x00};
  const auto message = ProtobufMessage::read_file(bytes_of(file));
  ASSERT_TRUE(message);
  EXPECT_EQ(message->read_message(1).error().kind, ErrorKind::Unsupported);
}

}  // namespace
}  // namespace visionpress
