#include "eval/detection.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>

namespace visionpress {
namespace {

// A trained width is far below exp(8) cells; the bound keeps a broken output finite.
constexpr float kMaxLogSize = 8.0F;

double logistic(double x) { return 1.0 / (1.0 + std::exp(-x)); }

double overlap(const Detection& a, const Detection& b) {
  const double width = std::min(a.x + a.width, b.x + b.width) - std::max(a.x, b.x);
  const double height = std::min(a.y + a.height, b.y + b.height) - std::max(a.y, b.y);
  if (width <= 0.0 || height <= 0.0) return 0.0;
  const double shared = width * height;
  return shared / (a.width * a.height + b.width * b.height - shared);
}

std::optional<YoloGrid> make_grid(std::span<const std::int64_t, 3> sizes, std::size_t label_count,
                                  Layout layout) {
  const bool planar = layout == Layout::ChannelsFirst;
  const std::int64_t channels = planar ? sizes[0] : sizes[2];
  const std::int64_t rows = planar ? sizes[1] : sizes[0];
  const std::int64_t columns = planar ? sizes[2] : sizes[1];
  constexpr std::int64_t kMost = 1 << 14;
  if (rows < 1 || columns < 1 || rows > kMost || columns > kMost || channels > kMost) return {};
  if (channels % 5 != 0 || channels < 30) return {};
  // A classifier's [1, 1, 1000] would fit too, so without labels a single cell is no grid.
  if (label_count == 0 && rows * columns == 1) return {};
  const std::int64_t classes = channels / 5 - 5;
  if (label_count != 0 && classes != static_cast<std::int64_t>(label_count)) return {};
  const auto plane = static_cast<std::size_t>(rows * columns);
  YoloGrid grid;
  grid.rows = static_cast<int>(rows);
  grid.columns = static_cast<int>(columns);
  grid.classes = static_cast<int>(classes);
  grid.channel_step = planar ? plane : 1;
  grid.column_step = planar ? 1 : static_cast<std::size_t>(channels);
  grid.row_step = grid.column_step * static_cast<std::size_t>(columns);
  return grid;
}

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

/// Candidates of one cell, appended to the list of their class.
void decode_cell(const YoloGrid& grid, const float* cell, int row, int column,
                 const DecodeOptions& options, std::vector<Detections>& by_class) {
  std::vector<double> scores(by_class.size());
  const std::size_t step = grid.channel_step;
  for (std::size_t a = 0; a < kYoloAnchors; ++a) {
    const float* v = cell + a * (5 + scores.size()) * step;
    const double objectness = logistic(v[4 * step]);
    if (!(objectness > options.probability)) continue;  // no class can score more
    score_classes(v + 5 * step, step, objectness, scores);
    Detection box;
    box.width = std::exp(static_cast<double>(std::min(v[2 * step], kMaxLogSize))) *
                kYoloAnchorSizes[a][0] / grid.columns;
    box.height = std::exp(static_cast<double>(std::min(v[3 * step], kMaxLogSize))) *
                 kYoloAnchorSizes[a][1] / grid.rows;
    box.x = (logistic(v[0]) + column) / grid.columns - box.width / 2;
    box.y = (logistic(v[step]) + row) / grid.rows - box.height / 2;
    if (!std::isfinite(box.x + box.y + box.width + box.height)) continue;
    for (std::size_t k = 0; k < scores.size(); ++k) {
      if (!(scores[k] > options.probability)) continue;
      box.tag = static_cast<int>(k);
      box.score = scores[k];
      by_class[k].push_back(box);
    }
  }
}

}  // namespace

std::optional<YoloGrid> find_yolo_grid(const Shape& shape, std::size_t label_count, Layout layout) {
  if (shape.size() < 3) return std::nullopt;
  const std::span<const std::int64_t> all(shape);
  if (std::ranges::any_of(all.first(shape.size() - 3), [](std::int64_t n) { return n != 1; })) {
    return std::nullopt;
  }
  const auto sizes = all.last<3>();
  const Layout other =
      layout == Layout::ChannelsFirst ? Layout::ChannelsLast : Layout::ChannelsFirst;
  const std::optional<YoloGrid> grid = make_grid(sizes, label_count, layout);
  return grid ? grid : make_grid(sizes, label_count, other);
}

bool is_grid_of(const YoloGrid& grid, int input_width, int input_height) {
  constexpr int kStride = 32;
  const auto fits = [](int cells, int pixels) {
    return cells == pixels / kStride || cells == (pixels + kStride - 1) / kStride;
  };
  return fits(grid.rows, input_height) && fits(grid.columns, input_width);
}

Detections suppress_overlaps(Detections candidates, double iou) {
  std::ranges::stable_sort(candidates, std::ranges::greater{}, &Detection::score);
  Detections kept;
  for (const Detection& candidate : candidates) {
    const bool covered = std::ranges::any_of(
        kept, [&](const Detection& better) { return overlap(better, candidate) > iou; });
    if (!covered) kept.push_back(candidate);
  }
  return kept;
}

Detections decode_yolo(const YoloGrid& grid, std::span<const float> values,
                       const DecodeOptions& options) {
  const auto classes = static_cast<std::size_t>(grid.classes);
  const std::size_t needed = static_cast<std::size_t>(grid.rows) *
                             static_cast<std::size_t>(grid.columns) * kYoloAnchors * (5 + classes);
  if (values.size() < needed || classes == 0) return {};
  std::vector<Detections> by_class(classes);
  for (int row = 0; row < grid.rows; ++row) {
    for (int column = 0; column < grid.columns; ++column) {
      const float* cell = values.data() + static_cast<std::size_t>(row) * grid.row_step +
                          static_cast<std::size_t>(column) * grid.column_step;
      decode_cell(grid, cell, row, column, options, by_class);
    }
  }
  Detections all;
  for (Detections& candidates : by_class) {
    const Detections kept = suppress_overlaps(std::move(candidates), options.nms_iou);
    all.insert(all.end(), kept.begin(), kept.end());
  }
  std::ranges::stable_sort(all, std::ranges::greater{}, &Detection::score);
  if (options.max_detections != 0 && all.size() > options.max_detections) {
    all.resize(options.max_detections);
  }
  return all;
}

void scale_to_pixels(Detections& detections, int width, int height) {
  for (Detection& detection : detections) {
    detection.x *= width;
    detection.width *= width;
    detection.y *= height;
    detection.height *= height;
  }
}

}  // namespace visionpress
