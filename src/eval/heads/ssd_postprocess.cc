// Networks that end in LiteRT's TFLite_Detection_PostProcess, such as TensorFlow's SSD.
// layout: boxes [1, n, 4] (top, left, bottom, right in shares of the input), classes [1, n] without
// background, scores [1, n], count [1]. The network has dropped overlapping boxes.
// source: tflite/kernels/detection_postprocess.cc, LiteRT 2.3.

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "eval/heads/head_table.h"

namespace visionpress {
namespace {

Detections decode_boxes(std::size_t classes, std::span<const OutputView> outputs,
                        double probability) {
  if (outputs.size() != 4) return {};
  const std::size_t places =
      std::min({outputs[0].values.size() / 4, outputs[1].values.size(), outputs[2].values.size()});
  Detections found;
  for (std::size_t i = 0; i < places; ++i) {
    const float* corners = outputs[0].values.data() + i * 4;
    const float label = outputs[1].values[i];
    Detection box;
    box.score = outputs[2].values[i];
    box.y = corners[0];
    box.x = corners[1];
    box.height = static_cast<double>(corners[2]) - box.y;
    box.width = static_cast<double>(corners[3]) - box.x;
    const bool is_class = label >= 0.0F && label < static_cast<float>(classes);
    if (!is_class || !(box.score > probability)) continue;
    if (!std::isfinite(box.x + box.y + box.width + box.height)) continue;
    box.tag = static_cast<int>(label);
    found.push_back(box);
  }
  return found;
}

Result<RecognisedHead> recognise_postprocess(const NetworkOutline& network) {
  const std::size_t classes = network.postprocess_classes;
  if (classes == 0) return fail(ErrorKind::Unsupported, "{}", "");
  return RecognisedHead{.class_count = classes,
                        .decode =
                            [classes](std::span<const OutputView> outputs, double probability) {
                              return decode_boxes(classes, outputs, probability);
                            },
                        .drops_overlaps = true};
}

}  // namespace

constinit const HeadKind ssd_postprocess_head = {
    .name = "TFLite_Detection_PostProcess",
    .pixels = {.color = ColorOrder::Rgb, .source = "as TensorFlow's detectors"},
    .recognise = recognise_postprocess};

}  // namespace visionpress
