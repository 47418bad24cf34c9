#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace visionpress {

/// Labels, a line each: white space around them is taken away, and so are empty lines at the end
/// and a byte order mark.
[[nodiscard]] std::vector<std::string> split_labels(std::string_view text);

}  // namespace visionpress
