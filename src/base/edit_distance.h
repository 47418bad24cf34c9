#pragma once

#include <cstddef>
#include <string_view>

namespace visionpress {

/// How many characters to insert, remove or replace until `a` is `b` (Levenshtein's distance).
/// cost: O(a * b) time.
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

}  // namespace visionpress
