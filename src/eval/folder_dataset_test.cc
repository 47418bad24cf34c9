#include <string>

#include <gtest/gtest.h>

#include "eval/dataset_testonly.h"

namespace visionpress {
namespace {

using FolderDataset = DatasetFiles;

TEST_F(FolderDataset, AFolderPerSplitIsRead) {
  write_image("set/train/cat/1.png");
  write_image("set/train/dog/2.png");
  write_image("set/Validation/dog/3.png");
  const auto all = load("set");
  ASSERT_TRUE(all) << all.error().to_string();
  EXPECT_EQ(all->tags, (std::vector<std::string>{"cat", "dog"}));
  ASSERT_EQ(all->images.size(), 3U);
  EXPECT_EQ(all->images[0].file_name, "train/cat/1.png");
  EXPECT_EQ(all->images[1].file_name, "Validation/dog/3.png");
  EXPECT_EQ(all->images[1].split, "val");
  const auto scored = load("set", Splits::ForScoring);
  ASSERT_TRUE(scored);
  ASSERT_EQ(scored->images.size(), 1U);
  EXPECT_EQ(warnings(), "DIR/set: has splits: the images of \"val\" are taken, no others\n");
}

TEST_F(FolderDataset, TagsMayBeCalledAsSplits) {
  write_image("set/test/1.png");
  write_image("set/dog/2.png");
  const auto data = load("set");
  ASSERT_TRUE(data);
  EXPECT_EQ(data->tags, (std::vector<std::string>{"dog", "test"}));
}

}  // namespace
}  // namespace visionpress
