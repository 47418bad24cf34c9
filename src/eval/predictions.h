#pragma once

// Predictions as a file (COCO results JSON): what a phone or a cloud service answered, or what we
// did.

#include <string>
#include <vector>

#include "base/output_file.h"
#include "eval/classification.h"
#include "eval/dataset.h"
#include "eval/detection.h"
#include "visionpress/evaluate.h"
#include "visionpress/result.h"

namespace visionpress {

/// Of one model over one data set. Only the part that `task` names is filled.
struct Predictions {
  Task task = Task::Detection;
  std::vector<Detections> detections =
      {};  ///< one list an image, in its pixels, in the file's order
  std::vector<ClassSample> classes =
      {};  ///< one an image that was answered; truth is set for folders
};

/// Reads [{"image_id", "category_id", "bbox": [x, y, w, h], "score"}]; without any bbox, the file
/// is of a classifier, and the best score of an image is its answer. image_id and category_id are
/// Dataset's: COCO's own, in VoTT files and folders 1, 2, ... (an image by its sorted file name, a
/// tag by its order). Rows of unknown categories are left out with a warning,
/// rows of images beyond `max_images` without. errors: Io, Malformed
/// with the element path, unknown image ids among them.
[[nodiscard]] Result<Predictions> load_predictions(const std::string& path, const Dataset& dataset,
                                                   Diagnostics& diagnostics);

/// Writes the same; every number reads back to the same bits. errors: Output.
[[nodiscard]] Result<void> save_predictions(const Predictions& predictions, const Dataset& dataset,
                                            const std::string& path, Overwrite overwrite);

}  // namespace visionpress
