#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "visionpress/result.h"

namespace visionpress {

/// A body without its Content-Encoding (gzip, deflate or br; empty and identity: as it is).
/// errors: Unsupported for other codings, Malformed for bytes that are not of that coding,
/// InvalidArgument when more than `most` bytes come out. cost: at most `most` bytes more.
[[nodiscard]] Result<std::string> decode_content(std::string body, std::string_view coding,
                                                 std::size_t most);

}  // namespace visionpress
