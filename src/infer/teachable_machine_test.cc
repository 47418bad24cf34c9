#include "infer/teachable_machine.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "base/temporary_folder_testonly.h"

namespace visionpress {
namespace {

/// The demo's model under a name of its own, with the labels beside it.
std::optional<PackageHint> find_hint(const std::string& name, const std::string& labels) {
  TemporaryFolder folder;
  const std::string path = folder.path(name);
  std::filesystem::copy_file(VP_SOURCE_DIR "/demo/model/model.tflite", path);
  folder.write("labels.txt", labels);
  const auto model = open_model(path);
  EXPECT_TRUE(model) << model.error().to_string();
  const auto found = find_labels(*model, path, {});
  EXPECT_TRUE(found) << found.error().to_string();
  return find_teachable_machine(*model, *found);
}

TEST(TeachableMachine, IsKnownByItsNameAndNumberedLabels) {
  const auto hint = find_hint("model_unquant.tflite", "0 Cat\n1 Dog\n");
  ASSERT_TRUE(hint);
  EXPECT_EQ(hint->mean, std::vector<float>(3, 127.5F));
  EXPECT_EQ(hint->std, std::vector<float>(3, 127.5F));
  EXPECT_EQ(hint->rule, ResizeRule::CenterCrop);
  EXPECT_EQ(hint->source, "Teachable Machine: model_unquant.tflite with numbered labels.txt");
}

TEST(TeachableMachine, IsNotGuessedFromHalfOfTheFacts) {
  EXPECT_FALSE(find_hint("model_unquant.tflite", "Cat\nDog\n"));
  EXPECT_FALSE(find_hint("model_unquant.tflite", "1 Cat\n2 Dog\n"));
  EXPECT_FALSE(find_hint("model.tflite", "0 Cat\n1 Dog\n"));
}

}  // namespace
}  // namespace visionpress
