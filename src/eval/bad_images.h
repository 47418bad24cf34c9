#pragma once

// Images that cannot be decoded: found, and left out of a data set and of every column alike.

#include <cstddef>
#include <map>
#include <vector>

#include "eval/column.h"
#include "eval/dataset.h"
#include "visionpress/result.h"
#include "visionpress/vocabulary.h"

namespace visionpress {

/// The images that could not be decoded and why, by index into Dataset::images.
using BadImages = std::map<std::size_t, Error>;

/// Ends the message of an error about one of several images.
inline constexpr const char* kBadHint = " (--skip-bad scores the others)";

/// Decodes every image once.
[[nodiscard]] BadImages find_bad_images(const Dataset& dataset, int threads,
                                        const Progress& progress);

/// Removes images from the data set and from every column, and warns of them. columns: over this
/// data set; may be empty. errors: that of the first image where no image is left.
[[nodiscard]] Result<void> leave_out(const BadImages& bad, Dataset& dataset,
                                     std::vector<Column>& columns, Diagnostics& diagnostics);

}  // namespace visionpress
