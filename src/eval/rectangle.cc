#include "eval/rectangle.h"

#include <algorithm>
#include <utility>

namespace visionpress {
namespace {

struct Point {
  double x = 0.0;
  double y = 0.0;
};

Point turn(Point p, int orientation) {
  switch (orientation) {
    case 2:
      return {1.0 - p.x, p.y};
    case 3:
      return {1.0 - p.x, 1.0 - p.y};
    case 4:
      return {p.x, 1.0 - p.y};
    case 5:
      return {p.y, p.x};
    case 6:
      return {1.0 - p.y, p.x};
    case 7:
      return {1.0 - p.y, 1.0 - p.x};
    case 8:
      return {p.y, 1.0 - p.x};
    default:
      return p;
  }
}

}  // namespace

bool put_corners_in_order(std::array<double, 4>& corners) {
  auto& [left, top, right, bottom] = corners;
  const bool exchanged = left > right || top > bottom;
  if (left > right) std::swap(left, right);
  if (top > bottom) std::swap(top, bottom);
  return exchanged;
}

Rectangle rectangle_between(const std::array<double, 4>& corners) {
  const auto [left, top, right, bottom] = corners;
  return {.x = left, .y = top, .width = right - left, .height = bottom - top};
}

Rectangle rectangle_around(std::span<const std::array<double, 2>> points) {
  auto [left, top] = points.front();
  auto [right, bottom] = points.front();
  for (const auto& [x, y] : points) {
    left = std::min(left, x);
    right = std::max(right, x);
    top = std::min(top, y);
    bottom = std::max(bottom, y);
  }
  return rectangle_between({left, top, right, bottom});
}

double area_of(const Rectangle& rectangle) { return rectangle.width * rectangle.height; }

double shared_area(const Rectangle& a, const Rectangle& b) {
  const double width = std::min(a.width + a.x, b.width + b.x) - std::max(a.x, b.x);
  const double height = std::min(a.height + a.y, b.height + b.y) - std::max(a.y, b.y);
  return width <= 0.0 || height <= 0.0 ? 0.0 : width * height;
}

double overlap_of(const Rectangle& a, const Rectangle& b) {
  const double shared = shared_area(a, b);
  // Also where a union would be 0 / 0.
  return shared == 0.0 ? 0.0 : shared / (area_of(a) + area_of(b) - shared);
}

Rectangle turn_upright(const Rectangle& stored, int orientation) {
  const Point a = turn({.x = stored.x, .y = stored.y}, orientation);
  const Point b = turn({.x = stored.x + stored.width, .y = stored.y + stored.height}, orientation);
  Rectangle turned;
  turned.x = std::min(a.x, b.x);
  turned.y = std::min(a.y, b.y);
  turned.width = std::max(a.x, b.x) - turned.x;
  turned.height = std::max(a.y, b.y) - turned.y;
  return turned;
}

int find_inverse(int orientation) {
  if (orientation == 6) return 8;
  return orientation == 8 ? 6 : orientation;
}

}  // namespace visionpress
