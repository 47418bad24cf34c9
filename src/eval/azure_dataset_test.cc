#include <string>

#include <gtest/gtest.h>

#include "eval/dataset_testonly.h"

namespace visionpress {
namespace {

class AzureDataset : public DatasetFiles {
 protected:
  void SetUp() override {
    write_image("a.png");
    write_image("b.png");
  }
  std::string read(const std::string& text) {
    write("t.jsonl", text);
    return description_of("t.jsonl");
  }
};

TEST_F(AzureDataset, CornersAreShares) {
  EXPECT_EQ(
      read(
          R"({"image_url":"azureml://subscriptions/1/datastores/x/paths/set/a.png","label":[{"label":"dog","topX":0.1,"topY":0.1,"bottomX":0.6,"bottomY":0.5,"isCrowd":1},{"label":"cat","polygon":[[0.5,0.5,0.75,1.0],[0.25,0.75]]}]})"
          "\n\n"
          R"({"image_url":"AmlDatastore://box/b.png","image_details":{"width":"40px"},"label":[]})"),
      "b.png 40x20:\nset/a.png 40x20: dog 4 2 20 8 cat 10 10 20 10\n");
  EXPECT_TRUE(load("t.jsonl")->images[1].truths[0].crowd);
}

TEST_F(AzureDataset, TextsAreClasses) {
  EXPECT_EQ(read("{\"image_url\":\"a.png\",\"label\":\"dog\"}\n"
                 "{\"image_url\":\"b.png\",\"label\":[\"dog\",\"cat\"]}\n"),
            "a.png 40x20:\n");
  EXPECT_EQ(warnings(),
            "DIR/t.jsonl: images without a label or with several, left out: 1, b.png\n");
  EXPECT_FALSE(load("t.jsonl")->has_boxes);
}

TEST_F(AzureDataset, OddLinesAreCountedAndTheRestIsRead) {
  EXPECT_EQ(
      read(
          R"({"image_url":"a.png","label":[{"label":"dog","topX":0.6,"topY":0.1,"bottomX":0.1,"bottomY":0.5},{"label":"x"}]})"
          "\nnot json\n{\"label\":[]}\n"),
      "a.png 40x20: dog 4 2 20 8\n");
  EXPECT_EQ(diagnostics_.warnings().size(), 3U) << warnings();
  EXPECT_EQ(read(R"({"image_url":"a.png","label":[{"label":"dog","topX":"left"}]})"),
            "DIR/t.jsonl: line 1.label[0].topX: expected a number");
}

}  // namespace
}  // namespace visionpress
