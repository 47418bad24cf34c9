#pragma once

// Sending images with their tags and regions.

#include <span>
#include <string>

#include "base/bytes.h"
#include "cloud/custom_vision_projects.h"
#include "cloud/upload_journal.h"
#include "cloud/upload_plan.h"

namespace visionpress {

/// Sends a data set; what the journal knows is left out. errors: Io, Usage, Output.
[[nodiscard]] Result<CloudUploadResult> upload_dataset(CustomVisionClient& client,
                                                       const CloudProject& project,
                                                       const Dataset& dataset,
                                                       const CloudUploadOptions& options,
                                                       const Progress& progress);

/// The body of CreateImagesFromFiles. tag_ids: one a tag of the data set.
/// contents: the files' bytes, one an image.
[[nodiscard]] std::string make_batch_body(std::span<const UploadImage* const> images,
                                          std::span<const std::string> tag_ids,
                                          std::span<const Bytes> contents);

}  // namespace visionpress
