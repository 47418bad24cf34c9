#include "infer/read_output.h"

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

std::vector<Prediction> name_boxes(const ModelRunner& runner, const Detections& boxes) {
  std::vector<Prediction> predictions;
  for (const Detection& box : boxes) {
    predictions.push_back({.tag = name_class(runner, static_cast<std::size_t>(box.tag)),
                           .probability = box.score,
                           .left = box.x,
                           .top = box.y,
                           .width = box.width,
                           .height = box.height});
  }
  return predictions;
}

std::vector<Prediction> find_classes(const ModelRunner& runner, const OutputView& output,
                                     const ImageSize& size, std::size_t top) {
  std::vector<std::size_t> order(output.values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  // NaN has no place in an order, so it counts as the smallest value.
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
    predictions.push_back({.tag = name_class(runner, i),
                           .probability = output.values[i],
                           .left = 0.0,
                           .top = 0.0,
                           .width = static_cast<double>(size.width),
                           .height = static_cast<double>(size.height)});
  }
  return predictions;
}

}  // namespace

std::size_t count_not_finite(std::span<const float> values) {
  return static_cast<std::size_t>(
      std::ranges::count_if(values, [](float value) { return !std::isfinite(value); }));
}

std::size_t count_not_finite(const ModelRunner& runner, const std::vector<OutputView>& outputs) {
  if (runner.task == ModelTask::Classification) {
    return count_not_finite(outputs[runner.class_output].values);
  }
  std::size_t count = 0;
  for (const OutputView& output : outputs) count += count_not_finite(output.values);
  return count;
}

std::vector<RawOutput> summarize_outputs(const std::vector<OutputView>& outputs) {
  std::vector<RawOutput> raw;
  for (const OutputView& output : outputs) {
    RawOutput summary;
    summary.name = output.name;
    summary.shape = output.shape;
    summary.not_finite = count_not_finite(output.values);
    const std::size_t finite = output.values.size() - summary.not_finite;
    double sum = 0.0;
    bool first = true;
    for (const float value : output.values) {
      if (!std::isfinite(value)) continue;
      summary.minimum = first ? value : std::min<double>(summary.minimum, value);
      summary.maximum = first ? value : std::max<double>(summary.maximum, value);
      sum += value;
      first = false;
    }
    if (finite > 0) summary.mean = sum / static_cast<double>(finite);
    raw.push_back(std::move(summary));
  }
  return raw;
}

std::vector<Prediction> read_output(const ModelRunner& runner,
                                    const std::vector<OutputView>& outputs, const Seen& seen,
                                    const ReadOutputOptions& options) {
  if (runner.task != ModelTask::Detection) {
    return find_classes(runner, outputs[runner.class_output], seen.size, options.top);
  }
  return name_boxes(runner, find_boxes(runner.head, outputs, seen.placement,
                                       {.width = seen.size.width, .height = seen.size.height},
                                       {.probability = options.probability,
                                        .nms_iou = options.nms_iou,
                                        .max_detections = options.max_detections}));
}

}  // namespace visionpress
