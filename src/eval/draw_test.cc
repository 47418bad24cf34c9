#include "eval/draw.h"

#include <cmath>

#include <gtest/gtest.h>

namespace visionpress {
namespace {

TEST(DrawTest, ABoxIsThreePixelsThickAndEmptyInside) {
  Image image = make_image(200, 100);
  const Detections boxes = {{0, 0.9, 10, 20, 150, 60}};
  const std::vector<std::string> tags = {"cat"};
  draw_detections(image, boxes, tags);
  for (int i = 0; i < 3; ++i) EXPECT_NE(image.row(70)[(10 + i) * 3], 0);
  EXPECT_EQ(image.row(70)[9 * 3], 0);
  EXPECT_EQ(image.row(70)[13 * 3], 0);
  EXPECT_NE(image.row(79)[100 * 3], 0);
  EXPECT_EQ(image.row(80)[100 * 3], 0);
}

TEST(DrawTest, TheLabelIsWrittenInWhite) {
  Image image = make_image(200, 100);
  const Detections boxes = {{0, 0.9, 10, 20, 150, 60}};
  const std::vector<std::string> tags = {"cat"};
  draw_detections(image, boxes, tags);
  int white = 0;
  for (int x = 0; x < 200; ++x) white += image.row(23)[x * 3 + 1] == 255 ? 1 : 0;
  EXPECT_GT(white, 5);
}

TEST(DrawTest, BoxesOutsideOfThePictureAreCut) {
  Image image = make_image(20, 10);
  const Detections boxes = {
      {0, 0.9, -50, -50, 1e300, 1e300}, {7, 0.9, 1e9, 5, 3, 3}, {-1, 0.9, std::nan(""), 0, 4, 4}};
  draw_detections(image, boxes, {});
  EXPECT_EQ(image.rgb.size(), 600U);
}

}  // namespace
}  // namespace visionpress
