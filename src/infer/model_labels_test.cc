#include "infer/model_labels.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "base/temporary_folder_testonly.h"

namespace visionpress {
namespace {

using Labels = std::vector<std::string>;

/// The demo's model in a folder of its own.
class ModelLabels : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::copy_file(VP_SOURCE_DIR "/demo/model/model.tflite", model_path());
    auto opened = open_model(model_path());
    ASSERT_TRUE(opened) << opened.error().to_string();
    model_ = std::move(*opened);
  }
  [[nodiscard]] std::string model_path() const { return folder_.path("model.fp16.tflite"); }
  [[nodiscard]] FoundLabels find(const std::string& given = {}) const {
    auto found = find_labels(model_, model_path(), given);
    EXPECT_TRUE(found) << found.error().to_string();
    return found ? *found : FoundLabels();
  }

  TemporaryFolder folder_ = {};
  OpenedModel model_ = {};
};

TEST_F(ModelLabels, AreThoseOfTheFileThatIsGiven) {
  const std::string given = folder_.write("given.txt", "b\na\n");
  const FoundLabels found = find(given);
  EXPECT_EQ(found.labels, (Labels{"b", "a"}));
  EXPECT_EQ(found.file, given);
}

TEST_F(ModelLabels, OfANameThatIsNearerToTheModelsGoFirst) {
  EXPECT_EQ(find().file, "");
  folder_.write("labels.txt", "any\n");
  EXPECT_EQ(find().labels, Labels{"any"});
  folder_.write("model_labels.txt", "uncompressed\n");
  EXPECT_EQ(find().labels, Labels{"uncompressed"});
  folder_.write("model.fp16_labels.txt", "own\n");
  EXPECT_EQ(find().labels, Labels{"own"});
}

TEST_F(ModelLabels, OfAnEmptyFileAreAnError) {
  const auto labels = load_labels(folder_.write("none.txt", "\n"));
  ASSERT_FALSE(labels);
  EXPECT_EQ(labels.error().kind, ErrorKind::Malformed);
  EXPECT_EQ(labels.error().message, "no labels: the file is empty");
}

TEST(LabelCount, ThatDiffersNamesTheFileThatHasTheLabels) {
  EXPECT_TRUE(check_label_count({}, "m.tflite", 3));
  EXPECT_TRUE(check_label_count({.labels = {"a", "b", "c"}}, "m.tflite", 3));
  const auto in_file = check_label_count({.labels = {"a"}, .file = "l.txt"}, "m.tflite", 3);
  ASSERT_FALSE(in_file);
  EXPECT_EQ(in_file.error().to_string(), "l.txt: 1 labels, but m.tflite gives 3 classes");
  EXPECT_EQ(check_label_count({.labels = {"a"}}, "m.tflite", 3).error().file, "m.tflite");
}

}  // namespace
}  // namespace visionpress
