#include <string>

#include <gtest/gtest.h>

#include "eval/dataset_testonly.h"

namespace visionpress {
namespace {

using YoloDataset = DatasetFiles;

TEST_F(YoloDataset, BoxesAreSharesOfThePictureAroundTheirCentre) {
  write_image("set/images/val/a.png");
  write_image("set/images/val/b.png");
  write("set/labels/val/a.txt", "1 0.5 0.5 0.5 0.2\r\n0 0.1 0.1 0.2 0.2\r\n");
  write("set/labels/val/b.txt", "");
  write("set/data.yaml", "path: .\nval: images/val\nnames: [dog, cat]\n");
  const std::string expected =
      "images/val/a.png 40x20: cat 10 8 20 4 dog 0 0 8 4\nimages/val/b.png 40x20:\n";
  EXPECT_EQ(description_of("set/data.yaml"), expected);
  EXPECT_EQ(description_of("set"), expected);
  EXPECT_EQ(warnings(), "");
  EXPECT_EQ(load("set")->tags, (std::vector<std::string>{"dog", "cat"}));
}

TEST_F(YoloDataset, NamesMayBeAMapAndPlacesLists) {
  write_image("set/one/a.png");
  write_image("set/two/b.png");
  write("set/one/a.txt", "3 0.5 0.5 1 1\n");
  write("set/two/b.txt", "0 0.5 0.5 1 1\n");
  write("set/list.txt", "./two/b.png\n\n");
  write("set/data.yaml", "train: [one, list.txt]\nnames:\n  0: dog\n  3: 'cat'\n");
  EXPECT_EQ(description_of("set"),
            "one/a.png 40x20: cat 0 0 40 20\ntwo/b.png 40x20: dog 0 0 40 20\n");
  EXPECT_EQ(load("set")->tags, (std::vector<std::string>{"dog", "1", "2", "cat"}));
}

TEST_F(YoloDataset, PlacesOfAnotherMachineAreFoundBesideTheDescription) {
  write_image("set/train/images/a.png");
  write_image("set/valid/images/b.png");
  write("set/train/labels/a.txt", "0 0.5 0.5 1 1\n");
  write("set/valid/labels/b.txt", "0 0.5 0.5 1 1\n");
  write("set/data.yaml",
        "path: /content/nowhere\ntrain: ../train/images\nval: /content/set/valid/images\n"
        "test: ../test/images\nnames: [dog]\n");
  EXPECT_EQ(description_of("set", Splits::ForScoring), "valid/images/b.png 40x20: dog 0 0 40 20\n");
  EXPECT_EQ(warnings(),
            "DIR/set: has splits: the 1 images of \"val\" are taken, 1 are not\n"
            "DIR/set: places that are not where the description says, found beside it: 2, the "
            "first is \"../train/images\" is DIR/set/train/images\n"
            "DIR/set: splits whose pictures are not there, left out: 1, test: "
            "\"../test/images\"\n");
}

TEST_F(YoloDataset, AFolderWithoutADescriptionIsRead) {
  write_image("set/images/a.png");
  write("set/labels/a.txt", "1 0.5 0.5 1 1\n");
  EXPECT_EQ(description_of("set"), "images/a.png 40x20: 1 0 0 40 20\n");
  write("set/classes.txt", "dog\ncat\n");
  EXPECT_EQ(description_of("set"), "images/a.png 40x20: cat 0 0 40 20\n");
}

TEST_F(YoloDataset, APolygonHasItsBoxAndKeypointsAreLeftOut) {
  write_image("set/a.png");
  write("set/data.yaml", "train: a.txt\nnames: [dog]\n");
  write("set/data.yaml", "val: .\nnames: [dog]\nkpt_shape: [2, 3]\n");
  write("set/a.txt",
        "0 0.5 0.5 1 0.5 0.9 0.1 0.2 2 0.3 0.4\n"  // 10 numbers: two keypoints of 3
        "0 0.1 0.5 0.5 0.1 0.9 0.5 0.5 0.8\n");    // 8 numbers: 4 corners
  EXPECT_EQ(description_of("set"), "a.png 40x20: dog 0 5 40 10 dog 4 2 32 14\n");
  const auto data = load("set");
  ASSERT_TRUE(data);
  ASSERT_EQ(data->unread.size(), 2U);
  EXPECT_EQ(data->unread[0].name, "keypoints");
  EXPECT_EQ(data->unread[1].name, "polygon");
}

TEST_F(YoloDataset, OddRowsAreCountedAndTheRestIsRead) {
  write_image("set/a.png");
  write_image("set/b.png");
  write("set/data.yaml", "val: .\nnames: [dog]\ntrain: gone\n");
  write("set/a.txt",
        "0 0.5 0.5 1 1\n0 0.5 0.5 1 1\n7 0.5 0.5 1 1\ndog 0.5 0.5 1 1\n0 0.5 0.5 1\n"
        "0 0.5 0.5 1.5 1\n0 nan 0.5 1 1\n0 0.5 0.5 0.5 0.5 0.98\n");
  EXPECT_EQ(description_of("set"),
            "a.png 40x20: dog 0 0 40 20 dog -10 0 60 20 dog 10 5 20 10\nb.png 40x20:\n");
  EXPECT_EQ(
      warnings(),
      "DIR/set: splits whose pictures are not there, left out: 1, train: \"gone\"\n"
      "DIR/set: rows that are there twice, taken once: 1, DIR/set/a.txt line 2\n"
      "DIR/set: rows of a class without a name, left out: 1, DIR/set/a.txt line 3, class 7 of 1\n"
      "DIR/set: rows that are not a class and numbers, left out: 2, the first is DIR/set/a.txt "
      "line 4\n"
      "DIR/set: rows with neither a box's 5 numbers nor a polygon's, left out: 1, DIR/set/a.txt "
      "line 5, 4 numbers\n"
      "DIR/set: boxes with a share below 0 or above 1 (ultralytics leaves such images out): 1, "
      "DIR/set/a.txt line 6\n"
      "DIR/set: rows with a sixth number, a score, which is left out: 1, DIR/set/a.txt line 8\n"
      "DIR/set: images without a label file, taken as without boxes: 1, b.png\n");
}

TEST_F(YoloDataset, BadDescriptionsAreNamedWithTheLine) {
  write_image("set/images/a.png");
  const auto error = [&](const std::string& text) {
    write("set/data.yaml", text);
    return error_of("set/data.yaml");
  };
  EXPECT_EQ(error("names: [dog]\n"),
            "DIR/set/data.yaml: \"train\", \"val\" and \"test\" is missing: expected a YOLO data "
            "set's \"names\" and its \"train\" or \"val\"");
  EXPECT_EQ(error("a: &b [x]\nnames: *b\n"),
            "DIR/set/data.yaml: line 1: found an anchor (&name), which is not read");
  EXPECT_EQ(error("val: images\nnames:\n  dog: 0\n"),
            "DIR/set/data.yaml: line 3: names: expected NUMBER: NAME, found \"dog\"");
  EXPECT_EQ(error("val: gone\nnames: [dog]\n"),
            "DIR/set/data.yaml: no pictures: \"gone\" is not there or has none");
  EXPECT_EQ(error("val: images\nnames: [dog]\n"),
            "DIR/set/data.yaml: none of 1 images has a label file, as DIR/set/labels/a.txt for "
            "images/a.png");
  EXPECT_TRUE(error("val: [images\n").starts_with("DIR/set/data.yaml: line 2: expected YAML: "));
}

TEST_F(YoloDataset, SharesOfAPictureThatIsNotThereAreAnError) {
  write("set/list.txt", "images/a.png\n");
  write("set/labels/a.txt", "0 0.5 0.5 1 1\n");
  write("set/data.yaml", "val: list.txt\nnames: [dog]\n");
  EXPECT_TRUE(error_of("set").starts_with("DIR/set: image \"images/a.png\" is not there"));
}

}  // namespace
}  // namespace visionpress
