#include <string>

#include <gtest/gtest.h>

#include "eval/dataset_testonly.h"

namespace visionpress {
namespace {

class CsvDataset : public DatasetFiles {
 protected:
  void SetUp() override {
    write_image("a.png");
    write_image("b.png");
  }
  std::string read(const std::string& text) {
    write("t.csv", text);
    return description_of("t.csv");
  }
};

TEST_F(CsvDataset, TheTableOfVottHasEdges) {
  EXPECT_EQ(read("\"image\",\"xmin\",\"ymin\",\"xmax\",\"ymax\",\"label\"\n"
                 "\"a.png\",1.5,2,11.5,12,\"dog\"\n\"a.png\",0,0,40,20,\"cat\"\n"),
            "a.png 40x20: dog 1.5 2 10 10 cat 0 0 40 20\n");
  EXPECT_EQ(warnings(), "");
}

TEST_F(CsvDataset, TheTableOfTensorFlowHasThePicturesSize) {
  EXPECT_EQ(read("filename,width,height,class,xmin,ymin,xmax,ymax\n"
                 "a.png,80,40,dog,2,4,6,8\nb.png,40,20,,,,,\n"),
            "a.png 80x40: dog 2 4 4 4\nb.png 40x20:\n");
}

TEST_F(CsvDataset, CornerAndSizeAndOtherSeparatorsAreRead) {
  EXPECT_EQ(read("file;x;y;width;height;tag\r\na.png;2;4;6;8;dog\r\n"),
            "a.png 40x20: dog 2 4 6 8\n");
}

TEST_F(CsvDataset, TablesWithoutNamesAreKnownByTheirCells) {
  EXPECT_EQ(read("a.png,2,4,6,8,dog\nb.png,,,,,\n"), "a.png 40x20: dog 2 4 4 4\nb.png 40x20:\n");
  EXPECT_EQ(read("TRAIN,gs://x/a.png,dog,0.1,0.1,,,0.2,0.5,,\n"),
            "gs://x/a.png 40x20: dog 4 2 4 8\n");
  EXPECT_EQ(warnings(),
            "DIR/t.csv: tables whose corners are all 0 to 1, taken as shares of the picture: 1, 1 "
            "boxes\n");
}

TEST_F(CsvDataset, ATableWithoutBoxesHasClasses) {
  EXPECT_EQ(read("image,label,split\na.png,dog,train\nb.png,cat,val\n"),
            "a.png 40x20:\nb.png 40x20:\n");
  const auto data = load("t.csv");
  ASSERT_TRUE(data);
  EXPECT_FALSE(data->has_boxes);
  EXPECT_EQ(data->images[0].class_tag, 1);
  EXPECT_EQ(data->images[1].split, "val");
}

TEST_F(CsvDataset, OddRowsAreCountedAndTheRestIsRead) {
  EXPECT_EQ(read("image,xmin,ymin,xmax,ymax,label,worker\na.png,9,1,2,8,dog,w\n"
                 "a.png,x,1,2,8,dog,w\n,1,1,2,8,dog,\na.png,1,1,2,8,,\n"),
            "a.png 40x20: dog 2 1 7 7\n");
  EXPECT_EQ(warnings(),
            "DIR/t.csv: boxes whose corners are exchanged, put in order: 1, row 2\n"
            "DIR/t.csv: rows with a corner that is not a number, left out: 1, row 3, \"x\"\n"
            "DIR/t.csv: rows without an image, left out: 1, row 4\n"
            "DIR/t.csv: rows without a tag, left out: 1, row 5\n");
  const auto data = load("t.csv");
  ASSERT_TRUE(data);
  ASSERT_EQ(data->unread.size(), 1U);
  EXPECT_EQ(data->unread[0].name, "worker");
  EXPECT_EQ(data->unread[0].count, 2U);
}

TEST_F(CsvDataset, WhatIsNoTableOfBoxesIsNamed) {
  EXPECT_EQ(read("image,x,y\na.png,1,2\n"),
            "DIR/t.csv: line 1: found the columns \"image\", \"x\", \"y\"; expected one for the "
            "image (\"image\", \"filename\"), one for the tag (\"label\", \"class\") and xmin, "
            "ymin, xmax, ymax");
  EXPECT_EQ(read("image,label,xmin,ymin\na.png,dog,1,2\n"),
            "DIR/t.csv: line 1: a box has only some of xmin, ymin, xmax, ymax (or x, y, width, "
            "height)");
  EXPECT_EQ(read("image,xmin,ymin,xmax,ymax,label\na.png,x,1,2,8,dog\n"),
            "DIR/t.csv: none of its 1 rows can be read, the first: row 2, \"x\"");
}

}  // namespace
}  // namespace visionpress
