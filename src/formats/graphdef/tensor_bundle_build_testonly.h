#pragma once

// Makes the two files of a bundle of variables, valid or broken, in a temporary folder of the test.

#include <bit>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/output_file.h"
#include "formats/graphdef/graphdef_build_testonly.h"

namespace visionpress {

/// CRC-32C bit by bit, masked as LevelDB stores it.
/// source: RFC 3720 B.4; google/leveldb util/crc32c.h, Mask.
inline std::uint32_t masked_crc(Bytes bytes) {
  std::uint32_t crc = 0xffffffffU;
  for (const std::byte byte : bytes) {
    crc ^= std::to_integer<std::uint32_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1U) ^ ((crc & 1U) * 0x82f63b78U);
  }
  crc = ~crc;
  return std::rotr(crc, 15) + 0xa282ead8U;
}

template <typename T>
void append_le(ByteBuffer& out, T value) {
  out.resize(out.size() + sizeof(T));
  store_le(MutableBytes(out), out.size() - sizeof(T), value);
}

/// Appends one row of a block: its key is the first `shared` bytes of the previous key, then `own`.
inline void append_row(ByteBuffer& block, std::size_t shared, const std::string& own,
                       const ByteBuffer& value) {
  for (const std::size_t number : {shared, own.size(), value.size()}) append_varint(block, number);
  const Bytes text = view_bytes(std::span<const char>(own));
  block.insert(block.end(), text.begin(), text.end());
  block.insert(block.end(), value.begin(), value.end());
}

/// Appends a block with its one restart point and its trailer. returns: its place, as varints.
inline ByteBuffer append_block(ByteBuffer& file, ByteBuffer rows, std::uint8_t compression = 0) {
  append_le<std::uint32_t>(rows, 0);
  append_le<std::uint32_t>(rows, 1);
  ByteBuffer place;
  append_varint(place, file.size());
  append_varint(place, rows.size());
  rows.push_back(std::byte{compression});
  append_le(rows, masked_crc(rows));
  file.insert(file.end(), rows.begin(), rows.end());
  return place;
}

/// PREFIX.index with one block of rows.
inline ByteBuffer make_table(const ByteBuffer& rows, std::uint8_t compression = 0) {
  ByteBuffer file;
  const ByteBuffer data = append_block(file, rows, compression);
  ByteBuffer footer = append_block(file, {});
  ByteBuffer index_rows;
  append_row(index_rows, 0, "~", data);
  const ByteBuffer index = append_block(file, index_rows);
  footer.insert(footer.end(), index.begin(), index.end());
  footer.resize(40);
  append_le<std::uint64_t>(footer, 0xdb4775248b80fb57U);
  file.insert(file.end(), footer.begin(), footer.end());
  return file;
}

/// BundleHeaderProto of one shard.
inline ByteBuffer bundle_header() { return Message().varint(1, 1).done(); }

/// BundleEntryProto of floats at `offset` of the shard.
inline Message bundle_entry(const std::vector<std::int64_t>& sizes, std::uint64_t offset,
                            const std::vector<float>& values) {
  const Bytes payload = view_bytes(std::span<const float>(values));
  return Message()
      .varint(1, static_cast<std::uint64_t>(graphdef::DataType::Float))
      .message(2, shape_proto(sizes))
      .varint(4, offset)
      .varint(5, payload.size())
      .real(6, std::bit_cast<float>(masked_crc(payload)));
}

/// A temporary folder, which is removed after the test.
class FolderTest : public testing::Test {
 protected:
  FolderTest() {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::filesystem::path(testing::TempDir()) /
              (std::string("vp_") + info->test_suite_name() + "_" + info->name());
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_ / "variables");
  }
  ~FolderTest() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::string path(const std::string& name) const { return folder_ / name; }
  void write(const std::string& name, Bytes bytes) const {
    const auto written = write_file(path(name), Overwrite::Allow, bytes);
    ASSERT_TRUE(written) << written.error().to_string();
  }
  /// The bundle `variables/variables`.
  void write_bundle(const ByteBuffer& index, const std::vector<float>& values) const {
    write("variables/variables.index", index);
    write("variables/variables.data-00000-of-00001", view_bytes(std::span<const float>(values)));
  }

  std::filesystem::path folder_ = {};
};

}  // namespace visionpress
