#pragma once

// What the service demands of whoever asks it, and what our endpoint therefore demands too.

#include <cstddef>
#include <string_view>

namespace visionpress {

/// Of an image that is sent to be predicted. source: the service's documented limits.
constexpr std::size_t kMaxPredictionBytes = std::size_t{4} << 20;

/// 8-4-4-4-12 hexadecimal digits: the form of every id that the service gives.
[[nodiscard]] bool is_uuid(std::string_view text);

}  // namespace visionpress
