#pragma once

// Predictions as a file (COCO results JSON): what a phone or a cloud service answered, or what we
// did.

#include <cstdint>
#include <string>
#include <vector>

#include "base/output_file.h"
#include "eval/classification.h"
#include "eval/dataset.h"
#include "eval/detection.h"
#include "visionpress/result.h"
#include "visionpress/vocabulary.h"

namespace visionpress {

/// Of one model over one data set. Only the part that `task` names is filled.
struct Predictions {
  Task task = Task::Detection;
  std::vector<Detections> detections =
      {};  ///< one list an image, in its pixels, in the file's order
  std::vector<ClassSample> classes =
      {};  ///< one an image that was answered; truth is set for folders
};

/// Who made a file of predictions.
enum class PredictionSource : std::uint8_t {
  Elsewhere,  ///< a phone, a service, another tool: it is looked at whether it fits the data set
  Ours,       ///< an earlier step of this program
};

/// Reads [{"image_id", "category_id", "bbox": [x, y, w, h], "score"}]; without any bbox, the file
/// is of a classifier, and the best score of an image is its answer. image_id and category_id are
/// Dataset's: COCO's own, in VoTT files and folders 1, 2, ... (an image by its sorted file name, a
/// tag by its order); an image's file name or its stem, and a tag's name, do as well. Rows of
/// images and categories that the data set lacks are left out with a warning, rows of images beyond
/// `max_images` without. Files from elsewhere are judged as judge_rows says.
/// errors: Io; Malformed with the element path, or with the likely cause where nothing fits.
[[nodiscard]] Result<Predictions> load_predictions(
    const std::string& path, const Dataset& dataset, Diagnostics& diagnostics,
    PredictionSource source = PredictionSource::Elsewhere);

/// Writes the same; every number reads back to the same bits. errors: Output.
[[nodiscard]] Result<void> save_predictions(const Predictions& predictions, const Dataset& dataset,
                                            const std::string& path, Overwrite overwrite);

/// Whether a service repeats its answers for the first image, apart from the noise of its
/// arithmetic.
[[nodiscard]] bool is_same_answer(const Predictions& before, const Predictions& now);

}  // namespace visionpress
