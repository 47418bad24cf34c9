#pragma once

// One column of an evaluation's table: the answers of a model or of a file of predictions, and
// their score.

#include <cstdint>
#include <optional>
#include <string>

#include "eval/agreement.h"
#include "eval/coco_ap.h"
#include "eval/draws.h"
#include "eval/predictions.h"
#include "model/input_info.h"
#include "visionpress/evaluate.h"

namespace visionpress {

/// A column in progress: its score, and the data from which differences to it are computed.
struct Column {
  ModelScore score = {};
  Predictions predictions = {};
  ApMatches matches = {};
  AgreementMatches agreement = {};                 ///< with the first column; empty for that one
  bool ends_at_frame = false;                      ///< the column's source cuts boxes to the image
  std::optional<ColorOrder> color = std::nullopt;  ///< of the pixels that the network was given
  bool color_is_guess = false;    ///< neither the file nor an option says the colour order
  std::size_t broken_images = 0;  ///< for which the network gives NaN or infinity
  std::string labels_sha1 = {};   ///< of the names of a model's classes
};

/// The figure from which drops are computed: COCO's mAP, or top-1.
[[nodiscard]] std::optional<double> main_score(const ModelScore& model);

/// The same for draws of images. column: scored.
[[nodiscard]] DrawScores draw_main_score(const Column& column, const Draws& draws);

}  // namespace visionpress
