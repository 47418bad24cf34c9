#pragma once

// JSON files that are too large to be held: the elements of the root's arrays, one at a time.

#include <functional>
#include <string>
#include <string_view>

#include "visionpress/result.h"

namespace visionpress {

/// text: one element of the array `key` of the root; readable for kJsonPadding bytes beyond it.
using OnJsonElement =
    std::function<Result<void>(const std::string& key, std::size_t index, std::string_view text)>;

constexpr std::size_t kJsonPadding = 64;  ///< simdjson's, at least

/// Walks a file whose root is an object, and gives each element of each array in it. Other values
/// of the root are skipped. Only brackets and strings are looked at: what is inside of an element
/// is for its reader to judge. errors: Io; Malformed with the offset for text that is cut off, ends
/// late, or has no such root; for an element of more than 64 MB. cost: one pass, and memory for the
/// largest element.
[[nodiscard]] Result<void> walk_json_elements(const std::string& path, const OnJsonElement& on);

}  // namespace visionpress
