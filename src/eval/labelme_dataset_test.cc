#include <string>

#include <gtest/gtest.h>

#include "eval/dataset_testonly.h"

namespace visionpress {
namespace {

class LabelMeDataset : public DatasetFiles {
 protected:
  static std::string file(const std::string& image, const std::string& shapes) {
    return R"({"version":"5.5.0","flags":{},"shapes":[)" + shapes + R"(],"imagePath":")" + image +
           R"(","imageData":null,"imageHeight":20,"imageWidth":40})";
  }
};

TEST_F(LabelMeDataset, ARectangleHasItsCornersInAnyOrder) {
  write_image("set/a.png");
  write_image("set/b.png");
  write("set/a.json", file("..\\\\x\\\\a.png",
                           R"({"label":"dog","shape_type":"rectangle","points":[[9,8],[1,2]]})"));
  write("set/b.json",
        file("b.png", R"({"label":"cat","shape_type":"polygon","points":[[1,2],[5,4],[3,9]]},
                         {"label":"cat","shape_type":"circle","points":[[10,10],[13,14]]})"));
  EXPECT_EQ(description_of("set"),
            "a.png 40x20: dog 1 2 8 6\nb.png 40x20: cat 1 2 4 7 cat 5 5 10 10\n");
  EXPECT_EQ(description_of("set/a.json"), "a.png 40x20: dog 1 2 8 6\n");
}

TEST_F(LabelMeDataset, OddShapesAndFilesAreCountedAndTheRestIsRead) {
  write_image("set/a.png");
  write("set/a.json", file("a.png", R"({"label":"dog","shape_type":"point","points":[[9,8]]},
      {"label":"","shape_type":"rectangle","points":[[9,8],[1,2]]},
      {"label":"dog","shape_type":"rectangle","points":[[9,8],[1,2]],"group_id":3,"flags":{}})"));
  write("set/b.json", "{\"shapes\": [");
  EXPECT_EQ(description_of("set"), "a.png 40x20: dog 1 2 8 6\n");
  EXPECT_EQ(diagnostics_.warnings().size(), 3U);
  EXPECT_TRUE(
      warnings().starts_with("DIR/set: shapes that are neither a box nor a polygon, left "
                             "out: 1, shapes[0] of DIR/set/a.json, a point\n"))
      << warnings();
  EXPECT_EQ(load("set")->unread.at(0).name, "shapes.group_id");
}

TEST_F(LabelMeDataset, WrongFieldsAreNamed) {
  write_image("a.png");
  write("a.json", file("a.png", R"({"label":"dog","shape_type":"rectangle","points":[[9]]})"));
  EXPECT_EQ(error_of("a.json"), "DIR/a.json: shapes[0].points[0]: expected 2 numbers, found 1");
}

}  // namespace
}  // namespace visionpress
