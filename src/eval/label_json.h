#pragma once

// JSON that several forms of data sets share; nobody but their readers includes this.

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "eval/dataset_parts.h"
#include "eval/rectangle.h"

namespace visionpress {

/// The keys of the first object in a text: the root, or the first element of an array. Only as far
/// as the text goes, which may be cut anywhere; it need not be JSON.
[[nodiscard]] std::vector<std::string> list_first_keys(std::string_view text);

/// Takes a text that is in memory, as open_json a file. errors: Malformed when it is not JSON.
[[nodiscard]] Result<void> open_json_text(std::string_view text, JsonFile& json);

/// {"x", "y", "width", "height"}. errors: Malformed with the path, also where one is missing.
[[nodiscard]] Result<Rectangle> read_rectangle(simdjson::ondemand::value source,
                                               const std::string& path);

/// [x, y]. errors: Malformed with the path.
[[nodiscard]] Result<std::array<double, 2>> read_pair(simdjson::ondemand::value source,
                                                      const std::string& path);

/// Pixels of a picture's side; a fraction is cut off. errors: Malformed with the path for less than
/// 0 and more than 2^20.
[[nodiscard]] Result<int> read_side(simdjson::ondemand::value source, const std::string& path);

}  // namespace visionpress
