#include <string>

#include <gtest/gtest.h>

#include "eval/dataset_testonly.h"

namespace visionpress {
namespace {

class LabelStudioDataset : public DatasetFiles {
 protected:
  void SetUp() override {
    write_image("a.png");
    write_image("b c.png");
  }
  std::string read(const std::string& text) {
    write("t.json", text);
    return description_of("t.json");
  }
  static std::string task(const std::string& image, const std::string& result) {
    return R"({"id":1,"data":{"image":")" + image + R"("},"annotations":[{"id":2,"result":[)" +
           result + "]}]}";
  }
  static std::string box(const std::string& value, const std::string& labels = R"(["dog"])") {
    return R"({"type":"rectanglelabels","original_width":40,"original_height":20,"value":{)" +
           value + R"(,"rectanglelabels":)" + labels + "}}";
  }
};

TEST_F(LabelStudioDataset, BoxesArePercentOfTheSides) {
  EXPECT_EQ(read("[" +
                 task("/data/upload/1/1a2b3c4d-a.png",
                      box(R"("x":10,"y":20,"width":50,"height":40,"rotation":0)")) +
                 "," + task("/data/local-files/?d=set/b%20c.png", "") + "]"),
            "a.png 40x20: dog 4 4 20 8\nset/b c.png 40x20:\n");
  EXPECT_EQ(warnings(), "");
}

TEST_F(LabelStudioDataset, ATurnedBoxTurnsAroundItsCorner) {
  // 8 x 4 pixels at (20, 4), a quarter turn clockwise: 4 wide and 8 high, left of the corner.
  EXPECT_EQ(
      read("[" + task("a.png", box(R"("x":50,"y":20,"width":20,"height":20,"rotation":90)")) + "]"),
      "a.png 40x20: dog 16 4 4 8\n");
  EXPECT_EQ(load("t.json")->unread.at(0).name, "rotation");
}

TEST_F(LabelStudioDataset, TheSmallExportIsRead) {
  EXPECT_EQ(read(R"([{"image":"s3://bucket/x/a.png?w=1","id":1,"annotator":1,"label":[
      {"x":10,"y":20,"width":50,"height":40,"rotation":0,"rectanglelabels":["dog","cat"],
       "original_width":40,"original_height":20}]}])"),
            "a.png 40x20: dog 4 4 20 8 cat 4 4 20 8\n");
}

TEST_F(LabelStudioDataset, ChoicesAloneAreClasses) {
  EXPECT_EQ(read("[" + task("a.png", R"({"type":"choices","value":{"choices":["dog"]}})") + "]"),
            "a.png 40x20:\n");
  EXPECT_FALSE(load("t.json")->has_boxes);
}

TEST_F(LabelStudioDataset, OddResultsAreCountedAndTheRestIsRead) {
  EXPECT_EQ(
      read(R"([{"data":{"image":"a.png"},"predictions":[{"result":[]}],"annotations":[
          {"was_cancelled":true,"result":[)" +
           box(R"("x":1,"y":1,"width":1,"height":1)") + R"(]},{"result":[)" +
           box(R"("x":10,"y":20,"width":50,"height":40)") + "," +
           box(R"("x":10,"y":20,"width":50,"height":40)", "[]") +
           R"(,{"type":"brushlabels","value":{"rle":[1],"brushlabels":["x"]}}]},{"result":[]}]}])"),
      "a.png 40x20: dog 4 4 20 8\n");
  EXPECT_EQ(diagnostics_.warnings().size(), 4U) << warnings();
  EXPECT_EQ(load("t.json")->unread.at(0).name, "predictions");
}

TEST_F(LabelStudioDataset, WrongFieldsAreNamed) {
  EXPECT_EQ(read(R"([{"data":{},"annotations":[]}])"),
            "DIR/t.json: tasks[0]: no \"image\" in its \"data\"");
  EXPECT_EQ(read("[" + task("a.png", R"({"type":"rectanglelabels","value":
      {"x":1,"y":1,"width":1,"height":1,"rectanglelabels":["dog"]}})") +
                 "]"),
            "DIR/t.json: tasks[0].annotations[0].result[0]: \"original_width\" or "
            "\"original_height\" is missing, of which the box is percents");
}

}  // namespace
}  // namespace visionpress
