#pragma once

// The copies of images with boxes drawn in: FOLDER/NAME.png for each NAME.*.

#include <string>
#include <vector>

#include "visionpress/result.h"

namespace visionpress {

[[nodiscard]] std::string name_copy(const std::string& image, const std::string& folder);

/// errors: Usage where the copies of two images would be one file.
[[nodiscard]] Result<void> check_copies_differ(const std::vector<std::string>& images);

/// Checks all names before the first copy is drawn, so that an existing file does not leave half of
/// the copies behind. errors: Output, naming the first copy that exists.
[[nodiscard]] Result<void> check_copies_are_new(const std::vector<std::string>& images,
                                                const std::string& folder);

}  // namespace visionpress
