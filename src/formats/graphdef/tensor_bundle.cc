#include "formats/graphdef/tensor_bundle.h"

#include <array>
#include <optional>
#include <utility>

#include "base/error.h"
#include "wire/protobuf_cursor.h"
#include "wire/varint.h"

namespace visionpress::graphdef {
namespace {

constexpr std::size_t kFooterBytes = 48;
constexpr std::uint64_t kTableMagic = 0xdb4775248b80fb57U;
/// The trailer of each block: its compression type and a checksum.
constexpr std::size_t kTrailerBytes = 5;
constexpr std::uint64_t kMostShards = 10000;
/// The limit for all keys together, because three bytes of a file can repeat a long key. Real keys
/// have about 100 bytes, and a model has thousands of them.
constexpr std::size_t kMostKeyBytes = std::size_t{1} << 26U;

namespace header_field {
constexpr std::uint32_t kShardCount = 1;
constexpr std::uint32_t kEndianness = 2;
}  // namespace header_field

namespace entry_field {
constexpr std::uint32_t kDType = 1;
constexpr std::uint32_t kShape = 2;
constexpr std::uint32_t kShard = 3;
constexpr std::uint32_t kOffset = 4;
constexpr std::uint32_t kSize = 5;
constexpr std::uint32_t kChecksum = 6;
constexpr std::uint32_t kSlices = 7;
}  // namespace entry_field

std::array<std::uint32_t, 256> make_crc_table() {
  std::array<std::uint32_t, 256> table = {};
  for (std::uint32_t i = 0; i < table.size(); ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) {
      value = (value >> 1U) ^ ((value & 1U) != 0 ? 0x82f63b78U : 0U);
    }
    table[i] = value;
  }
  return table;
}

/// CRC-32C, masked as both kinds of file store it: an unmasked checksum of bytes that contain
/// checksums would be weak.
std::uint32_t masked_checksum(Bytes bytes) {
  static const std::array<std::uint32_t, 256> table = make_crc_table();
  std::uint32_t crc = 0xffffffffU;
  for (const std::byte byte : bytes) {
    crc = table[(crc ^ std::to_integer<std::uint32_t>(byte)) & 0xffU] ^ (crc >> 8U);
  }
  crc = ~crc;
  return ((crc >> 15U) | (crc << 17U)) + 0xa282ead8U;
}

struct BlockPlace {
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};

std::optional<BlockPlace> read_place(Bytes bytes, std::size_t& at) {
  const auto offset = read_varint(bytes, at);
  const auto size = read_varint(bytes, at);
  if (!offset || !size) return std::nullopt;
  return BlockPlace{*offset, *size};
}

Result<Bytes> read_block(Bytes file, const BlockPlace& place) {
  if (file.size() < kTrailerBytes || place.offset > file.size() - kTrailerBytes ||
      place.size > file.size() - kTrailerBytes - place.offset) {
    return fail_at(ErrorKind::Malformed, place.offset, "a block of {} bytes leaves the file",
                   place.size);
  }
  const Bytes content = file.subspan(place.offset, place.size);
  const auto compression = std::to_integer<int>(file[place.offset + place.size]);
  if (compression != 0) {
    return fail_at(ErrorKind::Unsupported, place.offset,
                   "a block is compressed ({}), which is not read",
                   compression == 1 ? std::string("snappy") : fmt::format("kind {}", compression));
  }
  const auto stored = load_le<std::uint32_t>(file, place.offset + place.size + 1);
  if (stored != masked_checksum(file.subspan(place.offset, place.size + 1))) {
    return fail_at(ErrorKind::Malformed, place.offset, "a block differs from its checksum");
  }
  return content;
}

struct TableEntry {
  std::string key = {};
  Bytes value = {};
};

/// The rows of a table's blocks, in order.
struct Table {
  std::vector<TableEntry> entries = {};
  std::size_t key_bytes = 0;
};

/// Adds the entries of one block, which precede its list of restart points. Keys must ascend, so no
/// block is read twice.
Result<void> read_entries(Bytes file, const BlockPlace& place, Table& table) {
  VP_ASSIGN_OR_RETURN(const Bytes block, read_block(file, place));
  const auto broken = [&](std::size_t at) {
    return fail_at(ErrorKind::Malformed, place.offset + at, "a broken entry of a block");
  };
  if (block.size() < 4) return broken(0);
  const std::uint64_t restarts = load_le<std::uint32_t>(block, block.size() - 4);
  if (restarts > (block.size() - 4) / 4) return broken(block.size() - 4);
  const Bytes rows = block.first(block.size() - 4 - 4 * restarts);
  std::string key;
  for (std::size_t at = 0; at < rows.size();) {
    const std::size_t begin = at;
    const auto shared = read_varint(rows, at);
    const auto own = read_varint(rows, at);
    const auto length = read_varint(rows, at);
    if (!shared || !own || !length || *shared > key.size() || *own > rows.size() - at ||
        *length > rows.size() - at - *own) {
      return broken(begin);
    }
    key.resize(*shared);
    key.append(view_text(rows.subspan(at, *own)));
    if (!table.entries.empty() && key <= table.entries.back().key) {
      return fail_at(ErrorKind::Malformed, place.offset + begin,
                     "key \"{:.200}\" is not behind \"{:.200}\"", key, table.entries.back().key);
    }
    table.key_bytes += key.size();
    if (table.key_bytes > kMostKeyBytes) {
      return fail_at(ErrorKind::Malformed, place.offset + begin, "its keys have more than {} bytes",
                     kMostKeyBytes);
    }
    table.entries.push_back({key, rows.subspan(at + *own, *length)});
    at += *own + *length;
  }
  return {};
}

/// Reads all keys and values of a table file.
Result<std::vector<TableEntry>> read_table(Bytes file) {
  if (file.size() < kFooterBytes || load_le<std::uint64_t>(file, file.size() - 8) != kTableMagic) {
    return fail(ErrorKind::Malformed, "no table of variables: its last 8 bytes are not the mark");
  }
  const Bytes footer = file.last(kFooterBytes);
  std::size_t at = 0;
  const auto meta = read_place(footer, at);
  const auto index = read_place(footer, at);
  if (!meta || !index) {
    return fail_at(ErrorKind::Malformed, file.size() - kFooterBytes, "a broken footer");
  }
  Table blocks;
  VP_RETURN_IF_ERROR(read_entries(file, *index, blocks));
  Table all;
  for (const TableEntry& block : blocks.entries) {
    std::size_t place_at = 0;
    const auto place = read_place(block.value, place_at);
    if (!place) return fail(ErrorKind::Malformed, "a broken entry of the index block");
    VP_RETURN_IF_ERROR(read_entries(file, *place, all));
  }
  return std::move(all.entries);
}

Result<Shape> read_shape(const ProtobufMessage& entry) {
  Shape shape;
  VP_ASSIGN_OR_RETURN(const auto message, entry.read_message(entry_field::kShape));
  if (!message) return shape;
  VP_ASSIGN_OR_RETURN(const auto dims, message->read_messages(shape_field::kDim));
  for (const ProtobufMessage& dim : dims) {
    VP_ASSIGN_OR_RETURN(const std::int64_t size, dim.read_int(shape_field::kDimSize));
    if (size < 0) return fail(ErrorKind::Malformed, "a size of {}", size);
    shape.push_back(size);
  }
  return shape;
}

Result<BundleTensor> read_entry(Bytes value, const std::vector<Shard>& shards) {
  VP_ASSIGN_OR_RETURN(const ProtobufMessage entry, ProtobufMessage::read_file(value));
  BundleTensor tensor;
  VP_ASSIGN_OR_RETURN(const std::uint64_t dtype, entry.read_uint(entry_field::kDType));
  tensor.dtype = dtype < 128 ? static_cast<DataType>(dtype) : DataType::Invalid;
  VP_ASSIGN_OR_RETURN(tensor.shape, read_shape(entry));
  VP_ASSIGN_OR_RETURN(const std::uint64_t shard, entry.read_uint(entry_field::kShard));
  VP_ASSIGN_OR_RETURN(const std::uint64_t offset, entry.read_uint(entry_field::kOffset));
  VP_ASSIGN_OR_RETURN(const std::uint64_t size, entry.read_uint(entry_field::kSize));
  if (const ProtobufField* checksum = entry.find_last(entry_field::kChecksum)) {
    tensor.checksum = static_cast<std::uint32_t>(checksum->value);
  }
  tensor.is_in_slices = entry.has(entry_field::kSlices);
  if (tensor.is_in_slices) return tensor;
  if (shard >= shards.size()) {
    return fail(ErrorKind::Malformed, "shard {}, there are {}", shard, shards.size());
  }
  const Bytes file = shards[shard].content.bytes();
  if (offset > file.size() || size > file.size() - offset) {
    return fail(ErrorKind::Malformed, "{} bytes at {} of {}, which has {}: cut short", size, offset,
                shards[shard].path, file.size());
  }
  tensor.payload = file.subspan(offset, size);
  return tensor;
}

}  // namespace

Result<void> TensorBundle::add_shards(const FileSet& files, const std::string& prefix,
                                      std::uint64_t count) {
  if (count > kMostShards) return fail(ErrorKind::Malformed, "{} shards of data", count);
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::string name = fmt::format("{}.data-{:05}-of-{:05}", prefix, i, count);
    VP_ASSIGN_OR_RETURN(FileContent content, files.read(name));
    shards_.push_back({files.path_of(name), std::move(content)});
  }
  return {};
}

Result<void> TensorBundle::read(const FileSet& files, const std::string& prefix, Bytes index) {
  VP_ASSIGN_OR_RETURN(const std::vector<TableEntry> entries, read_table(index));
  if (entries.empty() || !entries.front().key.empty()) {
    return fail(ErrorKind::Malformed, "the table of variables has no header");
  }
  VP_ASSIGN_OR_RETURN(const ProtobufMessage header,
                      ProtobufMessage::read_file(entries.front().value));
  VP_ASSIGN_OR_RETURN(const std::uint64_t shards, header.read_uint(header_field::kShardCount));
  VP_ASSIGN_OR_RETURN(const std::uint64_t endianness, header.read_uint(header_field::kEndianness));
  if (endianness != 0) {
    return fail(ErrorKind::Unsupported, "written by a big-endian machine, which is not read");
  }
  VP_RETURN_IF_ERROR(add_shards(files, prefix, shards));
  for (std::size_t i = 1; i < entries.size(); ++i) {
    auto tensor = read_entry(entries[i].value, shards_);
    if (!tensor) {
      return fail(tensor.error().kind, "\"{}\": {}", entries[i].key, tensor.error().message);
    }
    tensors_.insert_or_assign(entries[i].key, std::move(*tensor));
  }
  return {};
}

Result<TensorBundle> TensorBundle::open(const FileSet& files, const std::string& prefix) {
  const std::string name = prefix + ".index";
  VP_ASSIGN_OR_RETURN(const FileContent index, files.read(name));
  TensorBundle bundle;
  if (auto read = bundle.read(files, prefix, index.bytes()); !read) {
    return in_file(read.error(), files.path_of(name));
  }
  return bundle;
}

const BundleTensor* TensorBundle::find(std::string_view key) const {
  const auto found = tensors_.find(key);
  return found == tensors_.end() ? nullptr : &found->second;
}

Result<Bytes> view_text_scalar(const BundleTensor& tensor) {
  constexpr std::size_t kChecksumBytes = 4;
  std::size_t at = 0;
  const auto length = read_varint(tensor.payload, at);
  if (tensor.dtype != DataType::String || !tensor.shape.empty() || !length ||
      tensor.payload.size() - at < kChecksumBytes ||
      *length != tensor.payload.size() - at - kChecksumBytes) {
    return fail(ErrorKind::Malformed, "{} bytes of shape {} are no text", tensor.payload.size(),
                to_string(tensor.shape));
  }
  return tensor.payload.subspan(at + kChecksumBytes);
}

Result<void> check_payload(const BundleTensor& tensor) {
  if (masked_checksum(tensor.payload) == tensor.checksum) return {};
  return fail(ErrorKind::Malformed, "its bytes differ from their checksum");
}

}  // namespace visionpress::graphdef
