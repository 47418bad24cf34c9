#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace visionpress {

/// Splits a text into labels, one per line, without the white space around them, empty lines at the
/// end, and a byte order mark.
/// Where every line is a number and a name, the number is the class index and not part of the name
/// if the numbers go from 0 or 1 in steps of 1 (Teachable Machine: "0 boat", "1 house"), or ascend
/// from 0 with gaps (Coral's coco_labels.txt); gaps become empty labels. Names that would be equal
/// without their numbers ("1 euro", "2 euro") keep them. Between number and name: white space, with
/// one of : , = ; . ) before it or in its place (":", ",", "=" and ";").
[[nodiscard]] std::vector<std::string> split_labels(std::string_view text);

/// Whether split_labels takes numbers from 0 on, without gaps, off the lines: "0 boat", "1 house".
[[nodiscard]] bool has_numbered_labels(std::string_view text);

/// Why a label file's content is not text: it holds control characters. Empty where it is. Letters
/// of any encoding pass.
[[nodiscard]] std::string describe_not_text(std::string_view content);

}  // namespace visionpress
