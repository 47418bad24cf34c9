#include "formats/coreml/coreml_reader.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "base/mapped_file.h"
#include "base/shared_testonly.h"

namespace visionpress {
namespace {

TEST(CoreMlReader, LowersEveryLayerOfTheSharedModelsButCustomOnes) {
  VP_SKIP_WITHOUT_SHARED();
  const std::string models = find_shared_folder() + "/models";
  for (const auto& entry : std::filesystem::recursive_directory_iterator(models)) {
    if (entry.path().extension() != ".mlmodel") continue;
    const auto file = MappedFile::open(entry.path().string());
    ASSERT_TRUE(file);
    Diagnostics diagnostics;
    const auto model = read_coreml(file->bytes(), diagnostics);
    ASSERT_TRUE(model) << model.error().to_string();
    for (const Node& node : (*model)->graph().nodes) {
      EXPECT_EQ(std::holds_alternative<Unsupported>(node.op), node.source_type == "custom")
          << node.path;
    }
  }
}

}  // namespace
}  // namespace visionpress
