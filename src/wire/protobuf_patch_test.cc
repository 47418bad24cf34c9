#include "wire/protobuf_patch.h"

#include <gtest/gtest.h>

namespace visionpress {
namespace {

using Buffer = ByteBuffer;

Buffer join(const PatchedBytes& patched) {
  Buffer all;
  for (const Bytes piece : patched.pieces) all.insert(all.end(), piece.begin(), piece.end());
  return all;
}

Buffer field(std::uint32_t number, const Buffer& content) {
  Buffer out;
  append_length_prefix(out, number, content.size());
  out.insert(out.end(), content.begin(), content.end());
  return out;
}

Buffer text(std::size_t size) { return Buffer(size, std::byte{'x'}); }

/// 7: "xx", 1: { 2: { 3: <size> } }, 8: "xxx"
Buffer nested(std::size_t size) {
  Buffer file = field(7, text(2));
  const Buffer middle = field(1, field(2, field(3, text(size))));
  file.insert(file.end(), middle.begin(), middle.end());
  const Buffer tail = field(8, text(3));
  file.insert(file.end(), tail.begin(), tail.end());
  return file;
}

ProtobufEdit replace_innermost(const Buffer& file, Bytes replacement) {
  const ProtobufMessage outer = ProtobufMessage::read_file(file).value();
  const ProtobufMessage middle = outer.read_message(1).value().value();
  const ProtobufMessage inner = middle.read_message(2).value().value();
  const ProtobufField target = *inner.find_last(3);
  return {inner.frames(), target.tag_offset, target.end_offset, {replacement}};
}

TEST(ProtobufPatch, ChangesNothingWithoutEdits) {
  const Buffer file = nested(5);
  const auto patched = patch_protobuf(file, {});
  ASSERT_TRUE(patched);
  ASSERT_EQ(patched->pieces.size(), 1U);
  EXPECT_EQ(patched->pieces[0].data(), file.data());
  EXPECT_EQ(join(*patched), file);
}

TEST(ProtobufPatch, ReencodesTheLengthsAroundAnEditWhenTheyGrowByABytes) {
  for (const std::size_t size : {0U, 1U, 4U, 5U, 6U, 119U, 120U, 121U, 122U, 123U, 124U, 125U, 126U,
                                 127U, 128U, 129U, 20000U}) {
    const Buffer file = nested(5);
    const Buffer replacement = field(3, text(size));
    const auto patched = patch_protobuf(file, {replace_innermost(file, replacement)});
    ASSERT_TRUE(patched);
    EXPECT_EQ(join(*patched), nested(size)) << size;
  }
}

TEST(ProtobufPatch, ShrinksLengthsToFewerBytes) {
  const Buffer file = nested(20000);
  const Buffer replacement = field(3, text(3));
  const auto patched = patch_protobuf(file, {replace_innermost(file, replacement)});
  ASSERT_TRUE(patched);
  EXPECT_EQ(join(*patched), nested(3));
}

TEST(ProtobufPatch, KeepsAnOddLengthWhenTheSizeStays) {
  // 1: length 2 in two bytes (non-minimal) { 2: 1 }
  const Buffer file = {std::byte{0x0a}, std::byte{0x82}, std::byte{0x00}, std::byte{0x10},
                       std::byte{0x01}};
  const ProtobufMessage outer = ProtobufMessage::read_file(file).value();
  const ProtobufMessage inner = outer.read_message(1).value().value();
  const Buffer replacement = {std::byte{0x10}, std::byte{0x05}};
  const auto patched = patch_protobuf(file, {{inner.frames(), 3, 5, {replacement}}});
  ASSERT_TRUE(patched);
  const Buffer expected = {std::byte{0x0a}, std::byte{0x82}, std::byte{0x00}, std::byte{0x10},
                           std::byte{0x05}};
  EXPECT_EQ(join(*patched), expected);
}

TEST(ProtobufPatch, InsertsAtAnEmptyRange) {
  const Buffer file = field(7, text(2));
  const Buffer inserted = {std::byte{0x08}, std::byte{0x03}};
  const auto patched = patch_protobuf(file, {{{}, 0, 0, {inserted}}});
  ASSERT_TRUE(patched);
  Buffer expected = inserted;
  expected.insert(expected.end(), file.begin(), file.end());
  EXPECT_EQ(join(*patched), expected);
}

TEST(ProtobufPatch, RefusesEditsThatOverlap) {
  const Buffer file = field(7, text(10));
  const auto patched = patch_protobuf(file, {{{}, 2, 5, {}}, {{}, 4, 6, {}}});
  ASSERT_FALSE(patched);
  EXPECT_EQ(patched.error().kind, ErrorKind::Internal);
}

}  // namespace
}  // namespace visionpress
