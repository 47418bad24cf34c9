#include "api/read_output.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <fmt/format.h>

namespace visionpress {
namespace {

std::string name_class(const ModelRunner& runner, std::size_t index) {
  return index < runner.labels.size() ? runner.labels[index] : fmt::format("class {}", index);
}

std::vector<Prediction> find_boxes(const ModelRunner& runner, const OutputView& output,
                                   const Seen& seen, const ReadOutputOptions& options) {
  Detections found = decode_yolo(runner.grid, output.values,
                                 {.probability = options.probability,
                                  .nms_iou = options.nms_iou,
                                  .max_detections = options.max_detections});
  place_in_picture(seen.placement, found);
  scale_to_pixels(found, seen.size.width, seen.size.height);
  std::vector<Prediction> predictions;
  for (const Detection& d : found) {
    predictions.push_back({name_class(runner, static_cast<std::size_t>(d.tag)), d.score, d.x, d.y,
                           d.width, d.height});
  }
  return predictions;
}

std::vector<Prediction> find_classes(const ModelRunner& runner, const OutputView& output,
                                     const ImageSize& size, std::size_t top) {
  std::vector<std::size_t> order(output.values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  // NaN would break the order, so it counts as the least.
  const auto value = [&output](std::size_t i) {
    return std::isnan(output.values[i]) ? -std::numeric_limits<float>::infinity()
                                        : output.values[i];
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return value(a) > value(b); });
  if (top != 0) order.resize(std::min(top, order.size()));
  std::vector<Prediction> predictions;
  predictions.reserve(order.size());
  for (const std::size_t i : order) {
    predictions.push_back({name_class(runner, i), output.values[i], 0.0, 0.0,
                           static_cast<double>(size.width), static_cast<double>(size.height)});
  }
  return predictions;
}

}  // namespace

std::size_t count_not_finite(std::span<const float> values) {
  return static_cast<std::size_t>(
      std::ranges::count_if(values, [](float value) { return !std::isfinite(value); }));
}

std::vector<Prediction> read_output(const ModelRunner& runner,
                                    const std::vector<OutputView>& outputs, const Seen& seen,
                                    const ReadOutputOptions& options) {
  const OutputView& output = outputs[runner.output_index];
  return runner.task == ModelTask::Detection ? find_boxes(runner, output, seen, options)
                                             : find_classes(runner, output, seen.size, options.top);
}

}  // namespace visionpress
