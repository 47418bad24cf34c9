#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"

namespace visionpress {

/// The bytes that a TFLite file must have by the offsets and lengths in it, where they are more
/// than it has: the file is cut short. Nothing where they fit, or where an offset points before the
/// start, as in a damaged file. Reads nothing outside `file`, which need not be verified. cost:
/// reads the offsets of tensors, operators and buffers.
[[nodiscard]] std::optional<std::uint64_t> find_tflite_bytes(Bytes file);

}  // namespace visionpress
