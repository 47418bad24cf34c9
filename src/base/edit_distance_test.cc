#include "base/edit_distance.h"

#include <gtest/gtest.h>

#include "visionpress/process.h"

namespace visionpress {
namespace {

TEST(EditDistance, CountsInsertedRemovedAndReplacedCharacters) {
  EXPECT_EQ(edit_distance("", ""), 0U);
  EXPECT_EQ(edit_distance("kernel", "kernel"), 0U);
  EXPECT_EQ(edit_distance("", "abc"), 3U);
  EXPECT_EQ(edit_distance("abc", ""), 3U);
  EXPECT_EQ(edit_distance("conv1", "conv2"), 1U);
  EXPECT_EQ(edit_distance("--thread", "--threads"), 1U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
}

TEST(FindNearestWord, LeavesOutWordsThatDifferTooMuch) {
  const std::vector<std::string> names = {"--threads", "--scheme", "--data"};
  EXPECT_EQ(find_nearest_word("--thread", names), "--threads");
  EXPECT_EQ(find_nearest_word("--shceme", names), "--scheme");
  EXPECT_EQ(find_nearest_word("--zzzzzzzz", names), "");
  EXPECT_EQ(find_nearest_word("-d", {}), "");
}

}  // namespace
}  // namespace visionpress
