// The head of Custom Vision's General (compact): Tiny YOLOv2.
// layout: one output [.., C, H, W] or [.., H, W, C] with leading ones; one cell for each 32x32
// pixels of the input; C = 5 * (5 + classes): five anchors, each tx, ty, tw, th, objectness, class
// logits.
// source: object_detection.py inside the export packages, 2018 to 2024.

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "eval/heads/head_table.h"

namespace visionpress {
namespace {

constexpr std::size_t kAnchors = 5;
constexpr std::size_t kBoxValues = 5;  // tx, ty, tw, th, objectness
constexpr int kStride = 32;            // the backbone halves its input five times

/// Widths and heights in cells, as the export's own script rounds them.
constexpr std::array<std::array<double, 2>, kAnchors> kAnchorSizes = {
    {{0.573, 0.677}, {1.87, 2.06}, {3.34, 5.47}, {7.88, 3.53}, {9.77, 9.17}}};

/// A trained width is far below exp(8) cells; the bound keeps a broken output finite.
constexpr float kMaxLogSize = 8.0F;

/// How the output lies in memory.
struct Grid {
  std::size_t rows = 0;
  std::size_t columns = 0;
  std::size_t classes = 0;
  std::size_t row_step = 0;  ///< values from one row to the next
  std::size_t column_step = 0;
  std::size_t channel_step = 0;

  [[nodiscard]] std::size_t value_count() const {
    return rows * columns * kAnchors * (kBoxValues + classes);
  }
};

/// A rest of pixels counts as one more cell ("same" padding), or as none ("valid").
bool is_cell_count(std::int64_t cells, int pixels) {
  return cells == pixels / kStride || cells == (pixels + kStride - 1) / kStride;
}

/// The three sizes read in one layout; nothing where they are not a grid of this network.
std::optional<Grid> read_grid(std::span<const std::int64_t, 3> sizes, Layout layout,
                              const NetworkOutline& network) {
  const bool planar = layout == Layout::ChannelsFirst;
  const std::int64_t channels = planar ? sizes[0] : sizes[2];
  const std::int64_t rows = planar ? sizes[1] : sizes[0];
  const std::int64_t columns = planar ? sizes[2] : sizes[1];
  constexpr auto kPerAnchor = static_cast<std::int64_t>(kBoxValues);
  const std::int64_t classes = channels / static_cast<std::int64_t>(kAnchors) - kPerAnchor;
  if (channels % static_cast<std::int64_t>(kAnchors) != 0 || classes < 1) return std::nullopt;
  // A classifier's [1, 1, 1000] has the channels too, and an input of one cell.
  if (rows < 1 || columns < 1 || rows * columns == 1) return std::nullopt;
  if (!is_cell_count(rows, network.input_height) || !is_cell_count(columns, network.input_width)) {
    return std::nullopt;
  }
  Grid grid;
  grid.rows = static_cast<std::size_t>(rows);
  grid.columns = static_cast<std::size_t>(columns);
  grid.classes = static_cast<std::size_t>(classes);
  grid.channel_step = planar ? grid.rows * grid.columns : 1;
  grid.column_step = planar ? 1 : static_cast<std::size_t>(channels);
  grid.row_step = grid.column_step * grid.columns;
  return grid;
}

/// In the graph's layout, else in the other one: some files end in a transpose.
std::optional<Grid> find_grid(const Shape& shape, const NetworkOutline& network) {
  if (shape.size() < 3) return std::nullopt;
  const std::span<const std::int64_t> all(shape);
  if (std::ranges::any_of(all.first(shape.size() - 3), [](std::int64_t n) { return n != 1; })) {
    return std::nullopt;
  }
  const Layout other =
      network.layout == Layout::ChannelsFirst ? Layout::ChannelsLast : Layout::ChannelsFirst;
  const std::optional<Grid> grid = read_grid(all.last<3>(), network.layout, network);
  return grid ? grid : read_grid(all.last<3>(), other, network);
}

double logistic(double x) { return 1.0 / (1.0 + std::exp(-x)); }

/// Class scores of one anchor of one cell: objectness times softmax.
void score_classes(const float* logits, std::size_t step, double objectness,
                   std::vector<double>& scores) {
  double most = logits[0];
  for (std::size_t k = 1; k < scores.size(); ++k) {
    most = std::max(most, static_cast<double>(logits[k * step]));
  }
  double sum = 0.0;
  for (std::size_t k = 0; k < scores.size(); ++k) {
    scores[k] = std::exp(logits[k * step] - most);
    sum += scores[k];
  }
  for (double& score : scores) score *= objectness / sum;
}

/// The box of one anchor. v: its values, `step` apart.
Detection decode_box(const Grid& grid, const float* v, std::size_t row, std::size_t column,
                     const std::array<double, 2>& anchor) {
  const std::size_t step = grid.channel_step;
  const auto rows = static_cast<double>(grid.rows);
  const auto columns = static_cast<double>(grid.columns);
  Detection box;
  box.width =
      std::exp(static_cast<double>(std::min(v[2 * step], kMaxLogSize))) * anchor[0] / columns;
  box.height = std::exp(static_cast<double>(std::min(v[3 * step], kMaxLogSize))) * anchor[1] / rows;
  box.x = (logistic(v[0]) + static_cast<double>(column)) / columns - box.width / 2;
  box.y = (logistic(v[step]) + static_cast<double>(row)) / rows - box.height / 2;
  return box;
}

/// Appends the candidates of one cell.
void decode_cell(const Grid& grid, const float* cell, std::size_t row, std::size_t column,
                 double probability, Detections& found) {
  std::vector<double> scores(grid.classes);
  const std::size_t step = grid.channel_step;
  for (std::size_t a = 0; a < kAnchors; ++a) {
    const float* v = cell + a * (kBoxValues + grid.classes) * step;
    const double objectness = logistic(v[4 * step]);
    if (!(objectness > probability)) continue;  // no class can score more
    score_classes(v + kBoxValues * step, step, objectness, scores);
    Detection box = decode_box(grid, v, row, column, kAnchorSizes[a]);
    if (!std::isfinite(box.x + box.y + box.width + box.height)) continue;
    for (std::size_t k = 0; k < scores.size(); ++k) {
      if (!(scores[k] > probability)) continue;
      box.tag = static_cast<int>(k);
      box.score = scores[k];
      found.push_back(box);
    }
  }
}

/// x = (logistic(tx) + column) / columns, width = exp(tw) * anchor / columns (y and height
/// likewise), score = logistic(objectness) * softmax(classes). Every class of a box is a candidate.
Detections decode(const Grid& grid, std::span<const OutputView> outputs, double probability) {
  if (outputs.size() != 1 || outputs[0].values.size() < grid.value_count()) return {};
  Detections found;
  for (std::size_t row = 0; row < grid.rows; ++row) {
    for (std::size_t column = 0; column < grid.columns; ++column) {
      const float* cell =
          outputs[0].values.data() + row * grid.row_step + column * grid.column_step;
      decode_cell(grid, cell, row, column, probability, found);
    }
  }
  return found;
}

Result<RecognisedHead> recognise(const NetworkOutline& network) {
  if (network.outputs.size() != 1) {
    return fail(ErrorKind::Unsupported, "{} outputs, expected 1", network.outputs.size());
  }
  const OutputOutline& output = network.outputs[0];
  const std::optional<Grid> grid = find_grid(output.shape, network);
  if (!grid) {
    return fail(
        ErrorKind::Unsupported,
        "{} does not have one cell of 5 x (5 + classes) channels for each {}x{} pixels of the "
        "{}x{} input",
        to_string(output.shape), kStride, kStride, network.input_width, network.input_height);
  }
  // A feature map may have these sizes too. Labels of this number tell it from boxes, and so does a
  // last convolution without activation. The caller refuses labels of another number.
  if (grid->classes != network.label_count && !output.is_linear) {
    const std::string labels = network.label_count == 0
                                   ? std::string("no labels")
                                   : fmt::format("{} labels", network.label_count);
    return fail(ErrorKind::Unsupported,
                "{} would be boxes of {} classes, but there are {} and the output does not come "
                "straight from a convolution",
                to_string(output.shape), grid->classes, labels);
  }
  return RecognisedHead{
      .class_count = grid->classes,
      .decode = [grid = *grid](std::span<const OutputView> outputs,
                               double probability) { return decode(grid, outputs, probability); },
      .drops_overlaps = false};
}

}  // namespace

// Custom Vision's detectors take the pixels as they are, 0..255.
constinit const HeadKind tiny_yolo_v2_head = {
    .name = "a Custom Vision detector's grid of boxes",
    .pixels = {.color = ColorOrder::Bgr, .source = "as Custom Vision's export of this kind"},
    .recognise = recognise};

}  // namespace visionpress
