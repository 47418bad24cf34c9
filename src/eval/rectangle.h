#pragma once

// Rectangles and what is computed of them in one place: overlap, and EXIF's turns.

#include <array>
#include <span>

namespace visionpress {

/// Top-left corner and size, in any unit; y grows downwards.
struct Rectangle {
  double x = 0.0;
  double y = 0.0;
  double width = 0.0;
  double height = 0.0;
};

/// The rectangle of anything that has one: Detection, TruthBox, Placement.
template <typename Box>
[[nodiscard]] Rectangle rectangle_of(const Box& box) {
  return {.x = box.x, .y = box.y, .width = box.width, .height = box.height};
}

template <typename Box>
void set_rectangle(Box& box, const Rectangle& rectangle) {
  box.x = rectangle.x;
  box.y = rectangle.y;
  box.width = rectangle.width;
  box.height = rectangle.height;
}

/// Exchanges left and right, top and bottom where they are the other way around.
/// corners: left, top, right, bottom. returns: whether any were.
[[nodiscard]] bool put_corners_in_order(std::array<double, 4>& corners);

/// corners: left, top, right, bottom, in order.
[[nodiscard]] Rectangle rectangle_between(const std::array<double, 4>& corners);

/// The smallest that holds all points. points: x and y of each; one at least.
[[nodiscard]] Rectangle rectangle_around(std::span<const std::array<double, 2>> points);

[[nodiscard]] double area_of(const Rectangle& rectangle);

/// Area of the intersection; 0 where there is none.
[[nodiscard]] double shared_area(const Rectangle& a, const Rectangle& b);

/// Intersection over union. Operation for operation pycocotools' bbIou, so that ties fall the same
/// way; 0 where nothing is shared.
[[nodiscard]] double overlap_of(const Rectangle& a, const Rectangle& b);

/// A rectangle of the stored picture, in shares, in the upright one. source: EXIF 2.3, tag 0x0112.
[[nodiscard]] Rectangle turn_upright(const Rectangle& stored, int orientation);

/// The orientation that undoes another: all but the quarter turns undo themselves.
[[nodiscard]] int find_inverse(int orientation);

}  // namespace visionpress
