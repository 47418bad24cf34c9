// Opens any bytes as a SavedModel: saved_model.pb, the variables' index and their values, with
// kPartMark between them. An index that begins with kRows is the rows of its one block alone, which
// are packed here with the checksums that a fuzzer does not find.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "formats/graphdef/saved_model.h"
#include "formats/graphdef/tensor_bundle.h"
#include "fuzz_input.h"
#include "visionpress/convert.h"

namespace visionpress {
namespace {

constexpr std::string_view kRows = "rows";

using Block = std::vector<std::byte>;

/// CRC-32C bit by bit, masked as LevelDB stores it.
/// source: RFC 3720 B.4; google/leveldb util/crc32c.h, Mask.
std::uint32_t mask_checksum(Bytes bytes) {
  std::uint32_t crc = 0xffffffffU;
  for (const std::byte byte : bytes) {
    crc ^= std::to_integer<std::uint32_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1U) ^ ((crc & 1U) * 0x82f63b78U);
  }
  return std::rotr(~crc, 15) + 0xa282ead8U;
}

void append_number(Block& out, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i, value >>= 8U) out.push_back(static_cast<std::byte>(value & 255U));
}

void append_varint(Block& out, std::uint64_t value) {
  for (; value > 127; value >>= 7U) out.push_back(static_cast<std::byte>((value & 127U) | 128U));
  out.push_back(static_cast<std::byte>(value));
}

/// Appends rows with one restart point, the compression (none) and the checksum. returns: its
/// place.
Block append_block(Block& file, Block rows) {
  append_number(rows, 0, 4);
  append_number(rows, 1, 4);
  Block place;
  append_varint(place, file.size());
  append_varint(place, rows.size());
  rows.push_back(std::byte{0});
  append_number(rows, mask_checksum(rows), 4);
  file.insert(file.end(), rows.begin(), rows.end());
  return place;
}

/// The file that formats/graphdef/tensor_bundle.h describes.
Block pack_rows(Bytes rows) {
  Block file;
  const Block data = append_block(file, {rows.begin(), rows.end()});
  Block footer = append_block(file, {});
  Block index_row;  // a key behind all others, without a shared beginning
  for (const std::size_t number : {std::size_t{0}, std::size_t{1}, data.size()}) {
    append_varint(index_row, number);
  }
  index_row.push_back(std::byte{'~'});
  index_row.insert(index_row.end(), data.begin(), data.end());
  const Block index = append_block(file, index_row);
  footer.insert(footer.end(), index.begin(), index.end());
  footer.resize(40);
  append_number(footer, 0xdb4775248b80fb57U, 8);  // the table's magic number
  file.insert(file.end(), footer.begin(), footer.end());
  return file;
}

void open_folder(Bytes input) {
  clear_scratch_folder();
  const auto parts = split_parts(input, 3);
  put_file("saved/saved_model.pb", parts[0]);
  if (parts.size() > 1) {
    Bytes index = parts[1];
    Block packed;
    if (view_text(index).starts_with(kRows)) {
      packed = pack_rows(index.subspan(kRows.size()));
      index = packed;
    }
    put_file("saved/variables/variables.index", index);
    put_file("saved/variables/variables.data-00000-of-00001",
             parts.size() > 2 ? parts[2] : Bytes());
  }
  const auto files = FileSet::open(scratch_folder() + "/saved");
  require(files.has_value(), "a folder can be listed");
  static_cast<void>(graphdef::TensorBundle::open(*files, "variables/variables"));
  Diagnostics diagnostics;
  if (!read_saved_model({*files, "saved_model.pb", parts[0]}, {}, diagnostics)) return;
  ConvertOptions options;
  options.input = scratch_folder() + "/saved";
  options.output = scratch_folder() + "/written.tflite";
  options.threads = 1;
  const auto converted = convert(options);
  require(converted || converted.error().kind != ErrorKind::Internal,
          "what is converted can be read back");
}

}  // namespace
}  // namespace visionpress

extern "C" int LLVMFuzzerTestOneInput(  // NOLINT(readability-identifier-naming): libFuzzer's name
    const std::uint8_t* data, std::size_t size) {
  visionpress::open_folder(std::as_bytes(std::span<const std::uint8_t>(data, size)));
  return 0;
}
