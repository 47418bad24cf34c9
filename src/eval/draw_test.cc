#include "eval/draw.h"

#include <cmath>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace visionpress {
namespace {

TEST(DrawTest, AFrameGrowsWithThePictureAndIsEmptyInside) {
  Image image = make_image(1200, 600);  // 600 / 200: three pixels
  draw_boxes(image, std::vector<Prediction>{{"cat", 0.9, 10, 20, 150, 60}});
  for (int i = 0; i < 3; ++i) EXPECT_NE(image.row(70)[(10 + i) * 3], 0);
  EXPECT_EQ(image.row(70)[9 * 3], 0);
  EXPECT_EQ(image.row(70)[13 * 3], 0);
  EXPECT_NE(image.row(79)[100 * 3], 0);
  EXPECT_EQ(image.row(80)[100 * 3], 0);
}

TEST(DrawTest, TheCaptionIsWrittenInWhiteAboveTheBox) {
  Image image = make_image(200, 100);
  draw_boxes(image, std::vector<Prediction>{{"cat", 0.9, 10, 20, 150, 60}});
  int white = 0;
  for (int y = 11; y < 20; ++y) {
    for (int x = 0; x < 200; ++x) white += image.row(y)[x * 3 + 1] == 255 ? 1 : 0;
  }
  EXPECT_GT(white, 20);
}

TEST(DrawTest, BoxesOutsideOfThePictureAreCut) {
  Image image = make_image(20, 10);
  const std::vector<Prediction> boxes = {{"a", 0.9, -50, -50, 1e300, 1e300},
                                         {"b", 0.9, 1e9, 5, 3, 3},
                                         {std::string(1000, 'c'), 0.9, std::nan(""), 0, 4, 4}};
  draw_boxes(image, boxes);
  EXPECT_EQ(image.rgb.size(), 600U);
}

}  // namespace
}  // namespace visionpress
