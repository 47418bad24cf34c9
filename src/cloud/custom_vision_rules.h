#pragma once

// What the service demands of whoever asks it, and what our endpoint therefore demands too.

#include <cstddef>
#include <string_view>

#include "visionpress/result.h"

namespace visionpress {

/// Of an image that is sent to be predicted. source: the service's documented limits.
constexpr std::size_t kMaxPredictionBytes = std::size_t{4} << 20;

/// 8-4-4-4-12 hexadecimal digits: the form of every id that the service gives.
[[nodiscard]] bool is_uuid(std::string_view text);

/// An id of the service before it becomes part of a file's name or of an address: one with dots and
/// slashes would name another file, or another call. what: whose id it is, for the message.
/// errors: Malformed.
[[nodiscard]] Result<void> check_id(std::string_view what, std::string_view id);

}  // namespace visionpress
