#include "formats/onnx/onnx_resize_weights.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

namespace visionpress::onnx {
namespace {

/// The place of line `i` of the result in the input.
double source_position(const std::string& coordinates, const ResizeAxis& axis, std::int64_t i) {
  const auto at = static_cast<double>(i);
  const auto in = static_cast<double>(axis.in);
  const double out = axis.scale * in;  // not rounded
  if (coordinates == "align_corners") return out == 1.0 ? 0.0 : at * (in - 1.0) / (out - 1.0);
  if (coordinates == "asymmetric") return at / axis.scale;
  if (coordinates == "tf_crop_and_resize") {
    const double width = (axis.roi_end - axis.roi_start) * (in - 1.0);
    const double start = axis.roi_start * (in - 1.0);
    return start + (out == 1.0 ? width / 2.0 : at * width / (out - 1.0));
  }
  if (coordinates == "pytorch_half_pixel" && axis.out == 1) return 0.0;
  double position = (at + 0.5) / axis.scale - 0.5;
  if (coordinates == "half_pixel_symmetric") {
    position += in / 2.0 * (1.0 - static_cast<double>(axis.out) / out);
  }
  return position;
}

double round_nearest(const std::string& rule, double at) {
  if (rule == "floor") return std::floor(at);
  if (rule == "ceil") return std::ceil(at);
  if (rule == "round_prefer_ceil") return std::floor(at + 0.5);
  return std::ceil(at - 0.5);  // round_prefer_floor
}

double linear_weight(double distance) { return std::max(0.0, 1.0 - std::fabs(distance)); }

double cubic_weight(double distance, double a) {
  const double x = std::fabs(distance);
  if (x <= 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
  if (x < 2.0) return ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a;
  return 0.0;
}

}  // namespace

bool knows_rules(const ResizeRules& rules) {
  constexpr std::array kCoordinates = std::to_array<std::string_view>(
      {"align_corners", "asymmetric", "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel",
       "tf_crop_and_resize"});
  constexpr std::array kNearest =
      std::to_array<std::string_view>({"ceil", "floor", "round_prefer_ceil", "round_prefer_floor"});
  return std::ranges::find(kCoordinates, rules.coordinates) != kCoordinates.end() &&
         std::ranges::find(kNearest, rules.nearest) != kNearest.end();
}

ResizeTaps find_taps(const ResizeRules& rules, const ResizeAxis& axis, std::int64_t i) {
  ResizeTaps taps;
  const double at = source_position(rules.coordinates, axis, i);
  const auto inside = [&](double line) {
    return std::clamp<std::int64_t>(static_cast<std::int64_t>(line), 0, axis.in - 1);
  };
  taps.is_outside = rules.coordinates == "tf_crop_and_resize" &&
                    (at < 0.0 || at > static_cast<double>(axis.in - 1));
  if (taps.is_outside) return taps;
  if (rules.mode == ResizeMode::Nearest) {
    taps.lines = {inside(round_nearest(rules.nearest, at))};
    taps.weights = {1.0};
    return taps;
  }
  // When it makes an image smaller, the filter widens.
  const double scale = rules.antialiases ? std::min(axis.scale, 1.0) : 1.0;
  const double reach = (rules.mode == ResizeMode::Linear ? 1.0 : 2.0) / scale;
  double total = 0.0;
  const double first = std::floor(at - reach);
  for (std::int64_t step = 0; first + static_cast<double>(step) <= at + reach; ++step) {
    const double line = first + static_cast<double>(step);
    const bool is_outside = line < 0.0 || line > static_cast<double>(axis.in - 1);
    if (is_outside && rules.excludes_outside) continue;
    const double distance = (line - at) * scale;
    const double weight = rules.mode == ResizeMode::Linear ? linear_weight(distance)
                                                           : cubic_weight(distance, rules.cubic);
    if (weight == 0.0) continue;
    taps.lines.push_back(inside(line));
    taps.weights.push_back(weight);
    total += weight;
  }
  for (double& weight : taps.weights) weight /= total;
  return taps;
}

}  // namespace visionpress::onnx
