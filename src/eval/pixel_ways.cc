#include "eval/pixel_ways.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace visionpress {
namespace {

struct Range {
  const char* name = "";
  std::array<float, 3> mean = {};  ///< red, green, blue
  std::array<float, 3> std = {};
};

constexpr std::array kRanges = {
    Range{"0..255", {0, 0, 0}, {1, 1, 1}},
    Range{"0..1", {0, 0, 0}, {255, 255, 255}},
    Range{"-1..1", {127.5F, 127.5F, 127.5F}, {127.5F, 127.5F, 127.5F}},
    Range{"(pixel - 127) / 128", {127, 127, 127}, {128, 128, 128}},
    Range{"ImageNet mean and deviation", {123.675F, 116.28F, 103.53F}, {58.395F, 57.12F, 57.375F}},
    Range{"ImageNet mean", {123.68F, 116.779F, 103.939F}, {1, 1, 1}},
};

PixelWay make_way(const Range& range, ColorOrder color) {
  PixelWay way;
  way.range = range.name;
  way.color = color;
  if (color == ColorOrder::Gray) {
    way.mean = {range.mean[1]};  // green is nearest to the luminance
    way.std = {range.std[1]};
    return way;
  }
  way.mean.assign(range.mean.begin(), range.mean.end());
  way.std.assign(range.std.begin(), range.std.end());
  if (color == ColorOrder::Bgr) {
    std::ranges::reverse(way.mean);
    std::ranges::reverse(way.std);
  }
  return way;
}

/// One number where all channels have it.
std::string join(const std::vector<float>& values) {
  const bool same = std::ranges::all_of(values, [&](float v) { return v == values.front(); });
  return same ? fmt::format("{}", values.front()) : fmt::format("{}", fmt::join(values, ","));
}

}  // namespace

std::vector<PixelWay> list_pixel_ways(const Preprocess& preprocess) {
  std::vector<PixelWay> ways;
  if (!preprocess.mean.empty()) {
    ways.push_back({"the file's own", preprocess.color, preprocess.mean, preprocess.std});
  }
  for (const Range& range : kRanges) {
    if (preprocess.color == ColorOrder::Gray) {
      ways.push_back(make_way(range, ColorOrder::Gray));
      continue;
    }
    ways.push_back(make_way(range, ColorOrder::Rgb));
    ways.push_back(make_way(range, ColorOrder::Bgr));
  }
  return ways;
}

std::string name_of(const PixelWay& way) {
  constexpr std::array<const char*, 3> kColors = {", RGB", ", BGR", ", grey"};
  return way.range + kColors[static_cast<std::size_t>(way.color)];
}

std::string format_options(const PixelWay& way) {
  std::string range = fmt::format("--mean {} --std {}", join(way.mean), join(way.std));
  if (way.color == ColorOrder::Gray) return range;
  return range + (way.color == ColorOrder::Bgr ? " --color bgr" : " --color rgb");
}

Preprocess with_way(Preprocess preprocess, const PixelWay& way) {
  preprocess.color = way.color;
  preprocess.mean = way.mean;
  preprocess.std = way.std;
  preprocess.range_is_guess = false;
  return preprocess;
}

}  // namespace visionpress
