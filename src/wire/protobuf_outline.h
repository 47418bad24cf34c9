#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"

namespace visionpress {

/// Field numbers of the top level of a protobuf message, in the file's order, until it stops making
/// sense: what kind of message it may be. At most 64; a field that the end cuts off counts.
[[nodiscard]] std::vector<std::uint64_t> list_top_fields(Bytes bytes);

}  // namespace visionpress
