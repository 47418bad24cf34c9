#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace visionpress {

/// Labels, a line each: white space around them is taken away, and so are empty lines at the end
/// and a byte order mark.
/// Where every line is a number and a name, the number is the place and not part of the name: when
/// the numbers go from 0 or 1 in steps of 1 (Teachable Machine: "0 boat", "1 house"), or ascend
/// from 0 with gaps (Coral's coco_labels.txt), which are empty labels then. Names that are not told
/// apart without their numbers ("1 euro", "2 euro") keep them.
[[nodiscard]] std::vector<std::string> split_labels(std::string_view text);

}  // namespace visionpress
