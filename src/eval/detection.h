#pragma once

// From a detector's raw output to boxes: Custom Vision's General (compact), which is Tiny YOLOv2.

#include <array>
#include <optional>
#include <span>
#include <vector>

#include "model/graph.h"
#include "model/tensor.h"

namespace visionpress {

/// A box that a model claims. Top-left corner and size; whether in shares of the image (0..1) or in
/// its pixels, each function says. Boxes are not cut to the image.
struct Detection {
  int tag = 0;
  double score = 0.0;
  double x = 0.0;
  double y = 0.0;
  double width = 0.0;
  double height = 0.0;
};

using Detections = std::vector<Detection>;

/// How a raw output lies in memory: five anchors a cell, each tx, ty, tw, th, objectness, class
/// logits.
struct YoloGrid {
  int rows = 0;
  int columns = 0;
  int classes = 0;
  std::size_t row_step = 0;  ///< values from one row to the next
  std::size_t column_step = 0;
  std::size_t channel_step = 0;
};

constexpr std::size_t kYoloAnchors = 5;

/// Widths and heights in cells, as the export's own script rounds them.
constexpr std::array<std::array<double, 2>, kYoloAnchors> kYoloAnchorSizes = {
    {{0.573, 0.677}, {1.87, 2.06}, {3.34, 5.47}, {7.88, 3.53}, {9.77, 9.17}}};

/// The grid of an output [.., C, H, W] or [.., H, W, C] with leading ones and C = 5 * (5 +
/// classes), or nothing when the shape is none. label_count: 0 when unknown; then C alone must fit.
/// layout: decides where both readings fit.
[[nodiscard]] std::optional<YoloGrid> find_yolo_grid(const Shape& shape, std::size_t label_count,
                                                     Layout layout);

/// True when the grid has a cell for each 32x32 pixels of the network's input (a rest counts as one
/// more, or as none): the backbone halves its input five times. Other networks' outputs that have
/// the channels, such as a picture's, do not.
[[nodiscard]] bool is_grid_of(const YoloGrid& grid, int input_width, int input_height);

struct DecodeOptions {
  double probability = 0.005;        ///< only scores above it
  double nms_iou = 0.45;             ///< overlap above which the weaker box of a tag is dropped
  std::size_t max_detections = 100;  ///< the best so many of all tags; 0: all
};

/// Decodes, drops overlapping boxes of a tag, sorts by descending score. Boxes in shares of the
/// image. values: as the grid says; shorter ones give nothing. Every class of a box that scores
/// above `probability` is a candidate. That is what the export's script comes to, which takes the
/// best class of all boxes, zeroes that class in the boxes that overlap and in the box itself, and
/// ranks anew. source: x = (logistic(tx) + column) / columns, width = exp(tw) * anchor / columns (y
/// and height likewise), score = logistic(objectness) * softmax(classes): object_detection.py of
/// the exports.
[[nodiscard]] Detections decode_yolo(const YoloGrid& grid, std::span<const float> values,
                                     const DecodeOptions& options);

/// Drops, among candidates of one tag, those that overlap a better one by more than `iou`.
/// returns: sorted by descending score; equal scores stay in the order given.
[[nodiscard]] Detections suppress_overlaps(Detections candidates, double iou);

/// Shares of the image to its pixels.
void scale_to_pixels(Detections& detections, int width, int height);

}  // namespace visionpress
