// Reads any bytes as annotations (COCO, VoTT) and, behind kPartMark, as predictions on them; takes
// a subset, and scores the predictions.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "eval/coco_subset.h"
#include "eval/dataset.h"
#include "eval/predictions.h"
#include "fuzz_input.h"
#include "visionpress/evaluate.h"

namespace visionpress {
namespace {

void check_subset(const std::string& annotations) {
  const auto subset = read_coco_subset(annotations, {.tags = {}, .min_box = 0.05});
  if (!subset) return;
  for (const CocoAnnotation& annotation : subset->annotations) {
    require(annotation.box[2] >= 0.0 && annotation.box[3] >= 0.0, "a box has a size");
  }
}

void read_all(Bytes input) {
  const auto parts = split_parts(input, 2);
  const std::string annotations = put_file("annotations.json", parts[0]);
  check_subset(annotations);
  DatasetOptions options;
  options.data = annotations;
  options.image_need = ImageNeed::Optional;
  Diagnostics diagnostics;
  const auto dataset = load_dataset(options, diagnostics);
  if (!dataset || parts.size() < 2) return;
  const std::string file = put_file("predictions.json", parts[1]);
  const auto predictions = load_predictions(file, *dataset, diagnostics);
  if (!predictions) return;
  const std::string copy = scratch_folder() + "/copy.json";
  require(save_predictions(*predictions, *dataset, copy, Overwrite::Allow).has_value(),
          "predictions are saved");
  // A file that saves no row does not say whether it is a detector's.
  require(load_predictions(copy, *dataset, diagnostics).has_value(),
          "saved predictions are read again");
  EvaluateOptions evaluation;
  evaluation.data = annotations;
  evaluation.threads = 1;
  evaluation.bootstrap_rounds = 2;
  const auto scored = evaluate({file, copy}, evaluation, {});
  if (scored) require(scored->models.size() == 2, "each file has a column");
}

}  // namespace
}  // namespace visionpress

extern "C" int LLVMFuzzerTestOneInput(  // NOLINT(readability-identifier-naming): libFuzzer's name
    const std::uint8_t* data, std::size_t size) {
  visionpress::read_all(std::as_bytes(std::span<const std::uint8_t>(data, size)));
  return 0;
}
