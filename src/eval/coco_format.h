#pragma once

// A subset of a COCO file, prepared for writing as a data set of its own.

#include <span>
#include <string>
#include <vector>

#include "eval/coco_subset.h"
#include "visionpress/result.h"

namespace visionpress {

/// Fails for a file name that leaves its folder: the names become paths.
/// errors: Malformed, with the image's id.
[[nodiscard]] Result<void> check_file_names(const CocoSubset& subset);

/// Removes the images with a fault and their annotations.
/// faults: per image, empty for a sound one. returns: "NAME: FAULT" for each removed image.
[[nodiscard]] std::vector<std::string> drop_faulty(std::span<const std::string> faults,
                                                   CocoSubset& subset);

/// The subset as COCO JSON, on one line with a line break.
[[nodiscard]] std::string format_coco(const CocoSubset& subset);

}  // namespace visionpress
