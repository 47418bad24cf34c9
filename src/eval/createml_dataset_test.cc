#include <string>

#include <gtest/gtest.h>

#include "eval/dataset_testonly.h"

namespace visionpress {
namespace {

class CreateMlDataset : public DatasetFiles {
 protected:
  void SetUp() override {
    write_image("a.png");
    write_image("b.png");
  }
  std::string read(const std::string& text) {
    write("t.json", text);
    return description_of("t.json");
  }
};

TEST_F(CreateMlDataset, CoordinatesAreTheCentreInPixels) {
  EXPECT_EQ(read(R"([{"image":"b.png","annotations":[]},{"image":"a.png","annotations":[
      {"label":"dog","coordinates":{"x":10,"y":5,"width":4,"height":2}}]}])"),
            "a.png 40x20: dog 8 4 4 2\nb.png 40x20:\n");
  EXPECT_EQ(read(R"([{"imagefilename":"a.png","annotation":[
      {"label":"dog","coordinates":{"y":5,"x":10,"width":4,"height":2}}]}])"),
            "a.png 40x20: dog 8 4 4 2\n");
}

TEST_F(CreateMlDataset, OddAnnotationsAreCountedAndTheRestIsRead) {
  EXPECT_EQ(read(R"([{"image":"a.png","verified":true,"annotations":[{"label":"dog"},
      {"coordinates":{"x":10,"y":5,"width":4,"height":2}}]}])"),
            "a.png 40x20:\n");
  EXPECT_EQ(warnings(),
            "DIR/t.json: annotations without coordinates, left out: 1, images[0].annotations[0]\n"
            "DIR/t.json: annotations without a label, left out: 1, images[0].annotations[1]\n");
  EXPECT_EQ(load("t.json")->unread.at(0).name, "verified");
}

TEST_F(CreateMlDataset, WrongFieldsAreNamed) {
  EXPECT_EQ(read(R"([{"image":"a.png","annotations":[{"label":"x","coordinates":{"x":1}}]}])"),
            "DIR/t.json: images[0].annotations[0].coordinates: \"y\" is missing");
  EXPECT_EQ(read(R"([{"image":3,"annotations":[]}])"),
            "DIR/t.json: images[0].image: expected a string");
}

}  // namespace
}  // namespace visionpress
