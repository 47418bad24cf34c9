#include "eval/image_frame.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "eval/exif.h"

namespace visionpress {
namespace {

namespace fs = std::filesystem;

/// A JPEG with an EXIF orientation: the segment is put behind the first two bytes.
void write_turned(const std::string& path, int width, int height, int orientation) {
  ASSERT_TRUE(save_image(make_image(width, height), path, Overwrite::Allow));
  std::ifstream in(path, std::ios::binary);
  const std::string jpeg((std::istreambuf_iterator<char>(in)), {});
  in.close();
  // APP1, length 34; "Exif"; TIFF, little end first, IFD at 8 with one entry: 0x0112, SHORT, 1.
  std::string segment(
      "\xff\xe1\x00\x22"
      "Exif\0\0"
      "II*\0\x08\0\0\0"
      "\x01\0"
      "\x12\x01\x03\0\x01\0\0\0"
      "\0\0\0\0"
      "\0\0\0\0",
      36);
  segment[28] = static_cast<char>(orientation);
  std::ofstream(path, std::ios::binary) << jpeg.substr(0, 2) << segment << jpeg.substr(2);
}

class ImageFrameTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "vp_frame_XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }

  /// A picture of the stored size, an image of width x height in the file, and its boxes.
  void add(ImageSize stored, int orientation, ImageSize file, std::vector<TruthBox> boxes) {
    DatasetImage image;
    image.file_name = std::to_string(dataset_.images.size()) + ".jpg";
    image.path = folder_ + "/" + image.file_name;
    write_turned(image.path, stored.width, stored.height, orientation);
    image.width = file.width;
    image.height = file.height;
    image.truths = std::move(boxes);
    dataset_.images.push_back(std::move(image));
  }

  static TruthBox box(double x, double y, double width, double height) {
    TruthBox made;
    made.x = x;
    made.y = y;
    made.width = width;
    made.height = height;
    return made;
  }

  /// What is said, a kind a line, up to its first colon.
  std::vector<std::string> settle() {
    Oddities oddities;
    settle_frames(dataset_, oddities);
    Diagnostics diagnostics;
    oddities.report("d.json", diagnostics);
    return diagnostics.warnings();
  }

  std::string folder_;
  Dataset dataset_;
};

TEST_F(ImageFrameTest, APictureOfTheFilesSizeIsLeftAlone) {
  add({40, 20}, 1, {40, 20}, {box(0, 0, 90, 90)});
  add({40, 20}, 6, {20, 40}, {box(0, 0, 20, 40)});
  add({40, 20}, 3, {40, 20}, {box(0, 0, 20, 10)});
  EXPECT_TRUE(settle().empty());
  for (const DatasetImage& image : dataset_.images) EXPECT_EQ(image.frame_orientation, 1);
}

TEST_F(ImageFrameTest, ASizeBeforeExifTurnsMeansBoxesOfTheUnturnedPicture) {
  add({40, 20}, 6, {40, 20}, {box(30, 5, 10, 5)});
  add({40, 20}, 3, {40, 20}, {box(30, 5, 10, 5)});  // the same tool ignored EXIF here too
  const auto said = settle();
  ASSERT_EQ(said.size(), 2U);
  EXPECT_EQ(
      said[0],
      "d.json: images whose size in the data set is that before EXIF turns them, their boxes "
      "turned with them: 1, 0.jpg (40x20 in the data set, the picture 20x40, EXIF orientation 6)");
  EXPECT_EQ(dataset_.images[0].frame_orientation, 6);
  EXPECT_EQ(dataset_.images[1].frame_orientation, 3);
  EXPECT_EQ(dataset_.images[0].width, 40);
}

TEST_F(ImageFrameTest, ASizeBeforeExifTurnsWithBoxesThatFitOnlyTheTurnedPicture) {
  add({40, 20}, 6, {40, 20}, {box(5, 25, 10, 15)});
  const auto said = settle();
  ASSERT_EQ(said.size(), 1U);
  EXPECT_NE(said[0].find("their boxes fit the turned picture"), std::string::npos) << said[0];
  EXPECT_EQ(dataset_.images[0].frame_orientation, 1);
  EXPECT_EQ(dataset_.images[0].width, 20);
  EXPECT_EQ(dataset_.images[0].height, 40);
}

TEST_F(ImageFrameTest, ExchangedSidesAreThePicturesUnlessTheBoxesFitOnlyTheFiles) {
  add({40, 20}, 1, {20, 40}, {box(30, 5, 10, 5)});
  EXPECT_NE(settle().at(0).find("width and height are exchanged"), std::string::npos);
  EXPECT_EQ(dataset_.images[0].width, 40);
  dataset_.images.clear();
  add({40, 20}, 1, {20, 40}, {box(5, 30, 10, 10)});
  EXPECT_NE(settle().at(0).find("turned after they were labelled"), std::string::npos);
  EXPECT_EQ(dataset_.images[0].width, 20);
}

TEST_F(ImageFrameTest, APictureOfAnotherScaleTakesTheFrameThatHoldsTheBoxes) {
  add({400, 200}, 1, {40, 20}, {box(30, 5, 10, 5)});
  EXPECT_NE(settle().at(0).find("their boxes scaled with them: 1"), std::string::npos);
  EXPECT_EQ(dataset_.images[0].width, 40);
  add({400, 200}, 1, {40, 20}, {box(300, 50, 100, 50)});  // pixels of the picture
  EXPECT_NE(settle().at(0).find("taken as its pixels: 2"), std::string::npos);
  EXPECT_EQ(dataset_.images[0].width, 400);
  EXPECT_EQ(dataset_.images[1].width, 400);
}

TEST_F(ImageFrameTest, AFileOfALargerScaleIsKeptWhileItsBoxesNeedIt) {
  for (int i = 0; i < 5; ++i) add({40, 20}, 1, {400, 200}, {box(300, 50, 100, 50)});
  EXPECT_NE(settle().at(0).find("their boxes scaled with them: 5"), std::string::npos);
  EXPECT_EQ(dataset_.images[0].width, 400);
  for (DatasetImage& image : dataset_.images) image.truths = {box(20, 5, 10, 10)};
  EXPECT_NE(settle().at(0).find("taken as its pixels: 5"), std::string::npos);
  EXPECT_EQ(dataset_.images[0].width, 40);
}

TEST_F(ImageFrameTest, AnotherShapeIsSaid) {
  add({400, 200}, 1, {100, 100}, {box(1, 1, 5, 5)});
  EXPECT_NE(settle().at(0).find("another shape"), std::string::npos);
}

TEST_F(ImageFrameTest, AMissingOrUnreadablePictureIsLeftToItsReader) {
  add({40, 20}, 1, {20, 40}, {});
  std::ofstream(dataset_.images[0].path) << "no image";
  EXPECT_TRUE(settle().empty());
}

// The picture is turned as its decoder turns it, and the box with it, for every orientation.
TEST_F(ImageFrameTest, BoxesTurnAsPicturesDo) {
  for (int orientation = 1; orientation <= 8; ++orientation) {
    Image stored = make_image(40, 20);
    for (int y = 3; y < 8; ++y) {
      for (int x = 25; x < 37; ++x) stored.row(y)[x * 3] = 255;
    }
    const Image upright = apply_orientation(stored, orientation);
    DatasetImage image;
    image.width = 40;
    image.height = 20;
    image.frame_orientation = orientation;
    const TruthBox turned = turn_upright(image, box(25, 3, 12, 5));
    EXPECT_EQ(upright_size(image).width, upright.width);
    for (int y = 0; y < upright.height; ++y) {
      for (int x = 0; x < upright.width; ++x) {
        const bool inside = x + 0.5 > turned.x && x + 0.5 < turned.x + turned.width &&
                            y + 0.5 > turned.y && y + 0.5 < turned.y + turned.height;
        ASSERT_EQ(upright.row(y)[x * 3] == 255, inside) << orientation << " " << x << "," << y;
      }
    }
    Detections back = {{0, 1.0, turned.x / upright.width, turned.y / upright.height,
                        turned.width / upright.width, turned.height / upright.height}};
    place_in_frame({}, frame_of(image), back);
    EXPECT_NEAR(back[0].x, 25, 1e-9);
    EXPECT_NEAR(back[0].y, 3, 1e-9);
    EXPECT_NEAR(back[0].width, 12, 1e-9);
    EXPECT_NEAR(back[0].height, 5, 1e-9);
  }
}

TEST_F(ImageFrameTest, BoxesAreCutToTheFrameAsTheEndpointCutsThem) {
  DatasetImage image;
  image.width = 40;
  image.height = 20;
  Detections boxes = {{0, 1, -5, 5, 10, 30}, {0, 1, 50, 5, 10, 5}, {0, 1, 0.1, 0.2, 0.3, 0.7}};
  cut_to_frame(image, boxes);
  EXPECT_EQ(boxes[0].x, 0);
  EXPECT_EQ(boxes[0].width, 5);
  EXPECT_EQ(boxes[0].height, 15);
  EXPECT_EQ(boxes[1].x, 40);
  EXPECT_EQ(boxes[1].width, 0);
  EXPECT_EQ(boxes[2].width, 0.3);  // inside: the same bits
}

}  // namespace
}  // namespace visionpress
