#include "wire/protobuf_patch.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>

#include <protozero/varint.hpp>

#include "base/error.h"

namespace visionpress {
namespace {

/// A frame that contains an edit.
struct GrowingFrame {
  ProtobufFrame frame;
  std::optional<std::uint64_t> parent;  ///< its tag offset
  std::int64_t delta = 0;               ///< bytes its content grows by
};

/// Keyed by tag offset. A frame starts after the frames around it, so the reverse order is
/// innermost first.
using GrowingFrames = std::map<std::uint64_t, GrowingFrame>;

std::uint64_t varint_bytes(std::uint64_t value) {
  return static_cast<std::uint64_t>(protozero::length_of_varint(value));
}

Result<GrowingFrames> collect_frames(const std::vector<ProtobufEdit>& edits) {
  GrowingFrames frames;
  for (const ProtobufEdit& edit : edits) {
    std::optional<std::uint64_t> parent;
    for (const ProtobufFrame& frame : edit.frames) {
      if (edit.begin < frame.content_offset || edit.end > frame.end_offset) {
        return fail_at(ErrorKind::Internal, edit.begin, "an edit lies outside its frame at {:#x}",
                       frame.tag_offset);
      }
      // Several edits may share a frame: it is entered once, and their growth adds up.
      frames.try_emplace(frame.tag_offset, GrowingFrame{frame, parent, 0});
      parent = frame.tag_offset;
    }
    if (!parent) continue;
    std::int64_t delta = -static_cast<std::int64_t>(edit.end - edit.begin);
    for (const Bytes piece : edit.replacement) delta += static_cast<std::int64_t>(piece.size());
    frames.at(*parent).delta += delta;
  }
  return frames;
}

/// Turns the growth of every frame into an edit of its length, innermost first.
void add_length_edits(GrowingFrames& frames, std::vector<ProtobufEdit>& edits,
                      PatchedBytes& result) {
  result.owned.reserve(frames.size());
  for (auto at = frames.rbegin(); at != frames.rend(); ++at) {
    const GrowingFrame& growing = at->second;
    const ProtobufFrame& frame = growing.frame;
    std::int64_t delta = growing.delta;
    // A frame that keeps its size keeps its length bytes, even a varint that is longer than needed.
    if (delta != 0) {
      const std::uint64_t length =
          frame.end_offset - frame.content_offset + static_cast<std::uint64_t>(growing.delta);
      append_varint(result.owned.emplace_back(), length);
      edits.push_back({{}, frame.length_offset, frame.content_offset, {result.owned.back()}});
      // The new length may take more or fewer bytes than the old one, which the outer frame must
      // count.
      delta += static_cast<std::int64_t>(varint_bytes(length)) -
               static_cast<std::int64_t>(frame.content_offset - frame.length_offset);
    }
    if (growing.parent) frames.at(*growing.parent).delta += delta;
  }
}

}  // namespace

Result<PatchedBytes> patch_protobuf(Bytes source, std::vector<ProtobufEdit> edits) {
  PatchedBytes result;
  VP_ASSIGN_OR_RETURN(GrowingFrames frames, collect_frames(edits));
  add_length_edits(frames, edits, result);
  std::stable_sort(edits.begin(), edits.end(), [](const ProtobufEdit& a, const ProtobufEdit& b) {
    // An insertion comes before a replacement that begins at the same byte.
    return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
  });
  std::uint64_t at = 0;
  const auto copy_until = [&](std::uint64_t end) {
    if (end > at) result.pieces.push_back(source.subspan(at, end - at));
  };
  for (const ProtobufEdit& edit : edits) {
    if (edit.begin < at || edit.end < edit.begin || edit.end > source.size()) {
      return fail_at(ErrorKind::Internal, edit.begin, "edits overlap or leave the file");
    }
    copy_until(edit.begin);
    for (const Bytes piece : edit.replacement) {
      if (!piece.empty()) result.pieces.push_back(piece);
    }
    at = edit.end;
  }
  copy_until(source.size());
  return result;
}

void append_varint(ByteBuffer& out, std::uint64_t value) {
  while (value >= 0x80U) {
    out.push_back(static_cast<std::byte>((value & 0x7fU) | 0x80U));
    value >>= 7;
  }
  out.push_back(static_cast<std::byte>(value));
}

void append_tag(ByteBuffer& out, std::uint32_t number, ProtobufType type) {
  append_varint(out, (std::uint64_t{number} << 3) | static_cast<std::uint64_t>(type));
}

void append_length_prefix(ByteBuffer& out, std::uint32_t number, std::uint64_t length) {
  append_tag(out, number, ProtobufType::Delimited);
  append_varint(out, length);
}

}  // namespace visionpress
