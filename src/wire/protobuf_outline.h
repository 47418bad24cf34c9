#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"

namespace visionpress {

/// Field numbers of the top level of a protobuf message, in the file's order, up to the first byte
/// that cannot be a field. They show what kind of message it may be. At most 64; a field that the
/// end of the bytes cuts off counts.
[[nodiscard]] std::vector<std::uint64_t> list_top_fields(Bytes bytes);

}  // namespace visionpress
