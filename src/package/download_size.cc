#include "package/download_size.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <optional>
#include <vector>

#include <zlib.h>

#include "base/error.h"
#include "base/parallel.h"

namespace visionpress {
namespace {

constexpr std::size_t kPart = std::size_t{1} << 20U;
constexpr std::size_t kWindow = std::size_t{1} << 15U;  // DEFLATE's longest distance
/// RFC 1952: ten bytes of header without a name, the checksum and the length.
constexpr std::uint64_t kGzipFrame = 18;

/// Bytes [begin, end) of the pieces, in one run.
std::vector<Bytef> gather(std::span<const Bytes> pieces, std::size_t begin, std::size_t end) {
  std::vector<Bytef> bytes;
  bytes.reserve(end - begin);
  std::size_t at = 0;
  for (const Bytes piece : pieces) {
    const std::size_t from = std::clamp(begin, at, at + piece.size()) - at;
    const std::size_t to = std::clamp(end, at, at + piece.size()) - at;
    for (const std::byte byte : piece.subspan(from, to - from)) {
      bytes.push_back(std::to_integer<Bytef>(byte));
    }
    at += piece.size();
  }
  return bytes;
}

/// Bytes of one part of a raw DEFLATE stream; nothing where zlib has no memory.
std::optional<std::uint64_t> deflate_part(std::vector<Bytef>& bytes, std::size_t window,
                                          bool is_last) {
  constexpr int kRawWindowBits = -15;  // no frame
  constexpr int kMemoryLevel = 8;      // as gzip
  z_stream stream = {};
  if (deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, kRawWindowBits, kMemoryLevel,
                   Z_DEFAULT_STRATEGY) != Z_OK) {
    return std::nullopt;
  }
  if (window > 0) deflateSetDictionary(&stream, bytes.data(), static_cast<uInt>(window));
  stream.next_in = bytes.data() + window;
  stream.avail_in = static_cast<uInt>(bytes.size() - window);
  std::array<Bytef, 16384> out;  // uninitialised: only its length counts
  do {
    stream.next_out = out.data();
    stream.avail_out = static_cast<uInt>(out.size());
    // A part ends at a whole byte, so that parts can be joined.
    deflate(&stream, is_last ? Z_FINISH : Z_SYNC_FLUSH);
  } while (stream.avail_out == 0);
  const std::uint64_t total = stream.total_out;
  deflateEnd(&stream);
  return total;
}

}  // namespace

Result<std::uint64_t> count_download_bytes(std::span<const Bytes> pieces, int threads) {
  std::size_t size = 0;
  for (const Bytes piece : pieces) size += piece.size();
  const std::size_t parts = std::max<std::size_t>((size + kPart - 1) / kPart, 1);
  std::vector<std::uint64_t> counts(parts);
  std::atomic<bool> has_memory = true;
  parallel_for(parts, threads, [&](std::size_t i) {
    const std::size_t begin = i * kPart;
    const std::size_t window = std::min(begin, kWindow);
    std::vector<Bytef> bytes = gather(pieces, begin - window, std::min(size, begin + kPart));
    const auto count = deflate_part(bytes, window, i + 1 == parts);
    if (count) {
      counts[i] = *count;
    } else {
      has_memory = false;
    }
  });
  if (!has_memory) return fail(ErrorKind::Internal, "zlib has no memory");
  std::uint64_t total = kGzipFrame;
  for (const std::uint64_t count : counts) total += count;
  return total;
}

}  // namespace visionpress
