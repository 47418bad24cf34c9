#include "formats/package_parts.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "base/temporary_folder_testonly.h"
#include "formats/open_model.h"

namespace visionpress {
namespace {

TEST(PackageParts, AColonDividesOnlyWhereTheWholeNameDoesNotExist) {
  TemporaryFolder folder;
  const std::string file = folder.write("a.task", "x");
  const std::string odd = folder.write("a.task:b", "x");
  EXPECT_EQ(split_part_path(file).part, "");
  EXPECT_EQ(split_part_path(odd).package, odd);
  EXPECT_EQ(split_part_path(file + ":c.tflite").package, file);
  EXPECT_EQ(split_part_path(file + ":c.tflite").part, "c.tflite");
  EXPECT_EQ(split_part_path(folder.path("none:c")).part, "");
}

TEST(PackageParts, AModelIsNamedByItsNameOrAPartOfIt) {
  TemporaryFolder folder;
  folder.write("one.tflite", "x");
  folder.write("two.tflite", "x");
  const auto files = FileSet::open(folder.path(""));
  ASSERT_TRUE(files);
  EXPECT_EQ(find_part(*files, "one.tflite").value_or(""), "one.tflite");
  EXPECT_EQ(find_part(*files, "two").value_or(""), "two.tflite");
  const auto missing = find_part(*files, "three");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().message,
            "there is no model \"three\" in it: it holds one.tflite, two.tflite");
}

TEST(PackageParts, ASingleFileHasNoParts) {
  const auto model = open_model(VP_SOURCE_DIR "/demo/model/model.tflite:x");
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().message, "this is a single file and holds no \"x\"");
}

}  // namespace
}  // namespace visionpress
