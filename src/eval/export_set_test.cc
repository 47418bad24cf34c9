#include "eval/export_set.h"

#include <string>

#include <gtest/gtest.h>

#include "eval/dataset_testonly.h"

namespace visionpress {
namespace {

DatasetImage make_image_of(const std::string& file_name, int width, int height) {
  DatasetImage image;
  image.file_name = file_name;
  image.width = image.picture_width = width;
  image.height = image.picture_height = height;
  return image;
}

TruthBox make_box(double x, double y, double width, double height) {
  TruthBox box;
  box.x = x;
  box.y = y;
  box.width = width;
  box.height = height;
  box.area = width * height;
  return box;
}

TEST(ExportSet, NamesAreWithoutFoldersUnlessTwoImagesShareThem) {
  Dataset dataset;
  for (const char* name :
       {"images/a.png", "x/b.png", "y/b.jpg", "C:\\p\\c.png", "x/b", "../.d.png"}) {
    dataset.images.push_back(make_image_of(name, 4, 4));
  }
  dataset.images[4].path = "x/b.bmp";
  const auto set = make_export_set(dataset);
  ASSERT_TRUE(set);
  std::vector<std::string> names;
  for (const ExportImage& image : set->images) names.push_back(image.name);
  EXPECT_EQ(names, (std::vector<std::string>{"a.png", "x_b.png", "y_b.jpg", "c.png", "x_b_2.bmp",
                                             "_.d.png"}));
}

TEST(ExportSet, BoxesAreOfTheUprightPicture) {
  Dataset dataset;
  DatasetImage image = make_image_of("a.jpg", 40, 20);
  image.frame_orientation = 6;  // a quarter turn clockwise puts it upright
  image.picture_width = 20;
  image.picture_height = 40;
  image.truths = {make_box(0, 0, 10, 5)};
  dataset.images.push_back(image);
  DatasetImage scaled = make_image_of("b.jpg", 40, 20);
  scaled.picture_width = 80;
  scaled.picture_height = 40;
  scaled.truths = {make_box(1, 2, 10, 5)};
  dataset.images.push_back(scaled);
  const auto set = make_export_set(dataset);
  ASSERT_TRUE(set);
  const TruthBox& turned = set->images[0].boxes[0];
  EXPECT_EQ(set->images[0].width, 20);
  EXPECT_DOUBLE_EQ(turned.x, 15.0);
  EXPECT_DOUBLE_EQ(turned.y, 0.0);
  EXPECT_DOUBLE_EQ(turned.width, 5.0);
  EXPECT_DOUBLE_EQ(turned.height, 10.0);
  const TruthBox& larger = set->images[1].boxes[0];
  EXPECT_DOUBLE_EQ(larger.x, 2.0);
  EXPECT_DOUBLE_EQ(larger.width, 20.0);
  EXPECT_DOUBLE_EQ(larger.area, 200.0);
}

TEST(ExportSet, BoxesAreCutToTheirImageWhereAFormAsksForIt) {
  ExportImage image;
  image.name = "a.png";
  image.width = 40;
  image.height = 20;
  ExportSet set;
  const auto inside = cut_to_image(image, make_box(0, 0, 40, 20), set);
  ASSERT_TRUE(inside);
  EXPECT_EQ(inside->width, 40.0);
  const auto beyond = cut_to_image(image, make_box(-5, 10, 20, 20), set);
  ASSERT_TRUE(beyond);
  EXPECT_EQ(beyond->x, 0.0);
  EXPECT_EQ(beyond->width, 15.0);
  EXPECT_EQ(beyond->height, 10.0);
  EXPECT_TRUE(cut_to_image(image, make_box(3, 3, 0, 5), set));
  EXPECT_FALSE(cut_to_image(image, make_box(50, 0, 5, 5), set));
  EXPECT_FALSE(cut_to_image(image, make_box(5, 5, -1, 5), set));
  Diagnostics diagnostics;
  EXPECT_EQ(set.left_out_boxes, 2U);
  set.oddities.report("x", diagnostics);
  EXPECT_EQ(diagnostics.warnings().size(), 3U);
}

TEST(ExportSet, WhatAFormLosesIsCounted) {
  Dataset dataset;
  dataset.has_ids = true;
  dataset.tags = {"dog", "cat", "cow"};
  dataset.category_ids = {1, 2, 3};
  dataset.unread = {{"segmentation", 2}};
  DatasetImage image = make_image_of("a.png", 40, 20);
  image.split = "val";
  image.truths = {make_box(0, 0, 4, 4), make_box(0, 0, 5, 5)};
  image.truths[0].crowd = true;
  image.truths[1].area = 3.0;
  image.truths[1].tag = 1;
  dataset.images.push_back(image);
  auto set = make_export_set(dataset);
  ASSERT_TRUE(set);
  lose_coco_fields(*set);
  lose_splits(*set);
  lose_tag_list(*set);
  EXPECT_EQ(set->lost, (std::map<std::string, std::size_t>{{"annotation id", 2},
                                                           {"area", 1},
                                                           {"category id", 3},
                                                           {"image id", 1},
                                                           {"iscrowd", 1},
                                                           {"order of the tags", 3},
                                                           {"segmentation", 2},
                                                           {"split", 1},
                                                           {"tags without a box", 1}}));
}

}  // namespace
}  // namespace visionpress
