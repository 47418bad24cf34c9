#include "eval/resize_image.h"

#include <gtest/gtest.h>

namespace visionpress {
namespace {

Image make_gray(int width, int height, const std::vector<std::uint8_t>& values) {
  Image image = make_image(width, height);
  for (std::size_t i = 0; i < values.size(); ++i) {
    for (std::size_t c = 0; c < 3; ++c) image.rgb[i * 3 + c] = values[i];
  }
  return image;
}

std::vector<std::uint8_t> gray_of(const Image& image) {
  std::vector<std::uint8_t> values;
  for (std::size_t i = 0; i < image.rgb.size(); i += 3) values.push_back(image.rgb[i]);
  return values;
}

using Values = std::vector<std::uint8_t>;

TEST(ResizeTest, TheSameSizeIsTheSamePicture) {
  const Image image = make_gray(2, 2, {1, 2, 3, 250});
  for (const ResizeFilter filter :
       {ResizeFilter::Nearest, ResizeFilter::Bilinear, ResizeFilter::Bicubic}) {
    EXPECT_EQ(resize_image(view_image(image), 2, 2, filter).rgb, image.rgb);
  }
}

// Expected values: Pillow 13's Image.resize on the same pictures.
TEST(ResizeTest, BilinearHalvingAveragesWithATriangle) {
  const Image image = make_gray(4, 1, {0, 0, 255, 255});
  EXPECT_EQ(gray_of(resize_image(view_image(image), 2, 1, ResizeFilter::Bilinear)),
            (Values{36, 219}));
}

TEST(ResizeTest, BicubicOvershootIsCut) {
  const Image image = make_gray(4, 1, {0, 0, 255, 255});
  const Values wide = gray_of(resize_image(view_image(image), 8, 1, ResizeFilter::Bicubic));
  EXPECT_EQ(wide.front(), 0);
  EXPECT_EQ(wide.back(), 255);
  EXPECT_EQ(wide.size(), 8U);
}

TEST(ResizeTest, NearestTakesTheSampleUnderTheCentre) {
  const Image image = make_gray(4, 1, {1, 2, 3, 4});
  EXPECT_EQ(gray_of(resize_image(view_image(image), 2, 1, ResizeFilter::Nearest)), (Values{2, 4}));
  EXPECT_EQ(gray_of(resize_image(view_image(image), 1, 1, ResizeFilter::Nearest)), (Values{3}));
}

TEST(ResizeTest, PlainBilinearLooksAtTwoSamplesOnly) {
  const Image image = make_gray(8, 1, {0, 0, 0, 100, 200, 0, 0, 0});
  // Centres 1.5 and 5.5 of the source: between 1 and 2, between 5 and 6.
  EXPECT_EQ(gray_of(resize_plain_bilinear(view_image(image), 2, 1)), (Values{0, 0}));
  EXPECT_EQ(gray_of(resize_plain_bilinear(view_image(image), 1, 1)), (Values{150}));
  // Beyond the outer centres the edge is repeated.
  EXPECT_EQ(gray_of(resize_plain_bilinear(view_image(make_gray(2, 1, {10, 20})), 4, 1)),
            (Values{10, 13, 18, 20}));
}

TEST(ResizeTest, APartIsResizedAsAPictureOfItsOwn) {
  Image image = make_image(6, 5);
  for (std::size_t i = 0; i < image.rgb.size(); ++i) {
    image.rgb[i] = static_cast<std::uint8_t>(i * 37);
  }
  Image part = make_image(3, 2);
  for (int y = 0; y < 2; ++y) {
    for (int i = 0; i < 9; ++i) part.row(y)[i] = image.row(y + 1)[i + 6];
  }
  const ImageView view = view_part(view_image(image), 2, 1, 3, 2);
  for (const ResizeFilter filter :
       {ResizeFilter::Nearest, ResizeFilter::Bilinear, ResizeFilter::Bicubic}) {
    EXPECT_EQ(resize_image(view, 5, 7, filter).rgb,
              resize_image(view_image(part), 5, 7, filter).rgb);
  }
}

}  // namespace
}  // namespace visionpress
