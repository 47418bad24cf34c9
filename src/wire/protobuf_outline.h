#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"

namespace visionpress {

/// Field numbers of the top level of a protobuf message, in the file's order, up to the first byte
/// that cannot be a field. They show what kind of message it may be. At most 64; a field that the
/// end of the bytes cuts off counts.
[[nodiscard]] std::vector<std::uint64_t> list_top_fields(Bytes bytes);

/// The bytes that the message needs where its last top-level field reaches beyond the end, as in a
/// file that is cut short; nothing where it fits or the bytes are not fields. A file that is cut
/// between two fields cannot be told from a whole one.
[[nodiscard]] std::optional<std::uint64_t> find_needed_bytes(Bytes message);

}  // namespace visionpress
