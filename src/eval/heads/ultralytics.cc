// The heads of Ultralytics' exports: YOLOv5, and YOLOv8 to 12 with their common layout.
// layout: YOLOv8: [1, 4 + classes, cells], or its transpose; each column cx, cy, w, h, then class
// scores. YOLOv5: [1, 3 * cells, 5 + classes]; each row cx, cy, w, h, objectness, then class
// scores. Cells are those of strides 8, 16 and 32. The scores are probabilities. Boxes are in
// pixels of the input; TensorFlow's exports give shares of it.
// source: ultralytics/nn/modules/head.py (Detect), nn/autobackend.py, data/augment.py (LetterBox);
// yolov5's models/yolo.py, models/tf.py and utils/general.py (non_max_suppression).

#include <algorithm>
#include <string>

#include "base/error.h"
#include "eval/heads/candidate_rows.h"
#include "eval/heads/head_table.h"

namespace visionpress {
namespace {

constexpr std::size_t kCenterValues = 4;

struct UltralyticsRows {
  CandidateRows rows = {};
  bool has_objectness = false;
  int width = 0;  ///< of the input, in pixels
  int height = 0;

  [[nodiscard]] std::size_t first_class() const { return kCenterValues + (has_objectness ? 1 : 0); }
};

/// Every cell proposes a box around itself, so in pixels some centre lies far right of 2, and as
/// shares of the input none does.
bool are_pixels(const UltralyticsRows& layout, std::span<const float> values) {
  constexpr double kMostShare = 2.0;
  for (std::size_t row = 0; row < layout.rows.count; ++row) {
    if (layout.rows.value(values, row, 0) > kMostShare) return true;
  }
  return false;
}

Detections decode_rows(const UltralyticsRows& layout, std::span<const OutputView> outputs,
                       double probability) {
  const CandidateRows& rows = layout.rows;
  if (outputs.size() != 1 || outputs[0].values.size() < rows.count * rows.width) return {};
  const std::span<const float> values = outputs[0].values;
  const bool in_pixels = are_pixels(layout, values);
  const double across = in_pixels ? layout.width : 1.0;
  const double down = in_pixels ? layout.height : 1.0;
  Detections found;
  for (std::size_t row = 0; row < rows.count; ++row) {
    const double objectness = layout.has_objectness ? rows.value(values, row, kCenterValues) : 1.0;
    if (!(objectness > probability)) continue;
    const CenterBox box = {.x = rows.value(values, row, 0) / across,
                           .y = rows.value(values, row, 1) / down,
                           .width = rows.value(values, row, 2) / across,
                           .height = rows.value(values, row, 3) / down};
    add_candidate(rows, values, row, box,
                  {layout.first_class(), objectness, BoxClasses::All, probability}, found);
  }
  return found;
}

/// The scores have no mark of their own in the file: labels of their number tell them from
/// keypoints, masks and other numbers that may follow a box.
Result<RecognisedHead> check_labels(const UltralyticsRows& layout, const NetworkOutline& network) {
  const std::size_t first = layout.first_class();
  const std::size_t classes = layout.rows.width > first ? layout.rows.width - first : 0;
  if (classes == 0 || classes != network.label_count) {
    return fail(ErrorKind::Unsupported, "{} would be boxes of {} classes, but there are {} labels",
                to_string(network.outputs[0].shape), classes, network.label_count);
  }
  return RecognisedHead{
      .class_count = classes,
      .decode = [layout](std::span<const OutputView> outputs, double probability) {
        return decode_rows(layout, outputs, probability);
      }};
}

Result<RecognisedHead> recognise_yolov8(const NetworkOutline& network) {
  const std::size_t cells = list_cells(network.input_width, network.input_height).size();
  for (const bool is_transposed : {true, false}) {
    if (network.outputs.size() != 1) break;
    const auto rows = find_rows(network.outputs[0].shape, cells, is_transposed);
    const bool fits = rows && rows->width > kCenterValues;
    // Rows of 5 + classes are YOLOX's.
    if (!fits || (!is_transposed && rows->width - kCenterValues != network.label_count)) continue;
    return check_labels({*rows, false, network.input_width, network.input_height}, network);
  }
  return fail(ErrorKind::Unsupported, "{}", "");
}

Result<RecognisedHead> recognise_yolov5(const NetworkOutline& network) {
  constexpr std::size_t kAnchors = 3;
  const std::size_t cells = list_cells(network.input_width, network.input_height).size();
  if (network.outputs.empty()) return fail(ErrorKind::Unsupported, "{}", "");
  // Its TensorFlow exports may carry the three raw grids behind the boxes.
  const auto rows = find_rows(network.outputs[0].shape, cells * kAnchors, false);
  if (!rows || rows->width <= kCenterValues + 1 || network.outputs.size() != 1)
    return fail(ErrorKind::Unsupported, "{}", "");
  return check_labels({*rows, true, network.input_width, network.input_height}, network);
}

}  // namespace

constinit const HeadKind yolov8_head = {
    .name = "YOLOv8's rows of boxes", .pixels = kLetterboxedShares, .recognise = recognise_yolov8};

constinit const HeadKind yolov5_head = {
    .name = "YOLOv5's rows of boxes", .pixels = kLetterboxedShares, .recognise = recognise_yolov5};

}  // namespace visionpress
