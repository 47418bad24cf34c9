// YOLOX's head.
// layout: [1, cells, 5 + classes], cells of strides 8, 16 and 32; each row x, y, w, h, objectness,
// class scores, the latter two as probabilities. Exports give the box as the network makes it: its
// centre is (x + column, y + row) * stride, its size exp(w) * stride; or decoded, in pixels.
// source: yolox/models/yolo_head.py (decode_outputs), yolox/data/data_augment.py (preproc),
// yolox/utils/boxes.py (postprocess).

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "eval/heads/candidate_rows.h"
#include "eval/heads/head_table.h"

namespace visionpress {
namespace {

constexpr std::size_t kObjectness = 4;
constexpr std::size_t kFirstClass = 5;
/// A trained size is far below exp(10) cells; the bound keeps a broken output finite.
constexpr double kMaxLogCells = 10.0;

struct YoloxRows {
  CandidateRows rows = {};
  std::vector<Cell> cells = {};
  int width = 0;  ///< of the input, in pixels
  int height = 0;
};

/// A decoded centre lies in the cell's neighbourhood, in pixels; a raw one is a small distance from
/// it, in cells. The mean over all cells tells the two apart: half the input's width, or about half
/// a cell.
bool are_decoded(const YoloxRows& layout, std::span<const float> values) {
  double sum = 0.0;
  for (std::size_t row = 0; row < layout.rows.count; ++row)
    sum += layout.rows.value(values, row, 0);
  return sum / static_cast<double>(layout.rows.count) > layout.width / 8.0;
}

CenterBox decode_cell_box(const YoloxRows& layout, std::span<const float> values, std::size_t row,
                          bool is_decoded) {
  const auto at = [&](std::size_t column) { return layout.rows.value(values, row, column); };
  CenterBox box = {at(0), at(1), at(2), at(3)};
  if (!is_decoded) {
    const Cell& cell = layout.cells[row];
    box.x = (box.x + cell.x) * cell.stride;
    box.y = (box.y + cell.y) * cell.stride;
    box.width = std::exp(std::min(box.width, kMaxLogCells)) * cell.stride;
    box.height = std::exp(std::min(box.height, kMaxLogCells)) * cell.stride;
  }
  return {box.x / layout.width, box.y / layout.height, box.width / layout.width,
          box.height / layout.height};
}

Detections decode_yolox(const YoloxRows& layout, std::span<const OutputView> outputs,
                        double probability) {
  const CandidateRows& rows = layout.rows;
  if (outputs.size() != 1 || outputs[0].values.size() < rows.count * rows.width) return {};
  const std::span<const float> values = outputs[0].values;
  const bool is_decoded = are_decoded(layout, values);
  Detections found;
  for (std::size_t row = 0; row < rows.count; ++row) {
    const double objectness = rows.value(values, row, kObjectness);
    if (!(objectness > probability)) continue;
    add_candidate(rows, values, row, decode_cell_box(layout, values, row, is_decoded),
                  {kFirstClass, objectness, BoxClasses::Best, probability}, found);
  }
  return found;
}

Result<RecognisedHead> recognise_yolox(const NetworkOutline& network) {
  YoloxRows layout = {.cells = list_cells(network.input_width, network.input_height),
                      .width = network.input_width,
                      .height = network.input_height};
  const auto rows = network.outputs.size() == 1
                        ? find_rows(network.outputs[0].shape, layout.cells.size(), false)
                        : std::nullopt;
  if (!rows || rows->width <= kFirstClass) return fail(ErrorKind::Unsupported, "{}", "");
  const std::size_t classes = rows->width - kFirstClass;
  if (classes != network.label_count) {
    return fail(ErrorKind::Unsupported, "{} would be boxes of {} classes, but there are {} labels",
                to_string(network.outputs[0].shape), classes, network.label_count);
  }
  layout.rows = *rows;
  return RecognisedHead{.class_count = classes,
                        .decode = [layout = std::move(layout)](std::span<const OutputView> outputs,
                                                               double probability) {
                          return decode_yolox(layout, outputs, probability);
                        }};
}

}  // namespace

constinit const HeadKind yolox_head = {.name = "YOLOX's rows of boxes",
                                       .pixels = {.color = ColorOrder::Bgr,
                                                  .rule = ResizeRule::LetterboxTopLeft,
                                                  .source = "as YOLOX's own scripts"},
                                       .recognise = recognise_yolox};

}  // namespace visionpress
