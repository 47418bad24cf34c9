#pragma once

// Rewrites a protobuf file as its own bytes plus edits. Untouched ranges are borrowed, not copied;
// only the lengths of messages that contain an edit are encoded anew. Without edits the file stays
// the same.

#include <vector>

#include "base/buffer.h"
#include "base/bytes.h"
#include "visionpress/result.h"
#include "wire/protobuf_cursor.h"

namespace visionpress {

/// Replaces the source's bytes [begin, end) by `replacement`; an empty range inserts.
struct ProtobufEdit {
  std::vector<ProtobufFrame> frames = {};  ///< the fields around the range, outermost first
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::vector<Bytes> replacement = {};  ///< borrowed until the result has been written
};

/// The new file, in order. `pieces` borrow from the source, from the edits and from `owned`.
struct PatchedBytes {
  std::vector<Bytes> pieces = {};
  std::vector<ByteBuffer> owned = {};
};

/// errors: Internal when edits overlap or do not lie inside their frames.   cost: O(edits log
/// edits).
[[nodiscard]] Result<PatchedBytes> patch_protobuf(Bytes source, std::vector<ProtobufEdit> edits);

/// Appends the varint encoding of `value`.
void append_varint(ByteBuffer& out, std::uint64_t value);
/// Appends a field's tag.
void append_tag(ByteBuffer& out, std::uint32_t number, ProtobufType type);
/// Appends the tag and length of a length-delimited field; its content follows.
void append_length_prefix(ByteBuffer& out, std::uint32_t number, std::uint64_t length);

}  // namespace visionpress
