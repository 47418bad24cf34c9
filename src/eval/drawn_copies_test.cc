#include "eval/drawn_copies.h"

#include <gtest/gtest.h>

#include "base/temporary_folder_testonly.h"

namespace visionpress {
namespace {

TEST(DrawnCopies, AreNamedByTheirImagesAndMustDiffer) {
  EXPECT_EQ(name_copy("a/b.jpg", "out"), "out/b.png");
  EXPECT_TRUE(check_copies_differ({"a/b.jpg", "a/c.jpg"}));
  const auto same = check_copies_differ({"a/b.jpg", "c/b.png"});
  ASSERT_FALSE(same);
  EXPECT_EQ(same.error().message, "two images are named b: their copies would be one file");
}

TEST(DrawnCopies, ThatExistAreFoundBeforeAnyIsDrawn) {
  TemporaryFolder folder;
  const std::vector<std::string> images = {"a.jpg", "b.jpg", "c.jpg"};
  EXPECT_TRUE(check_copies_are_new(images, folder.path()));
  const std::string first = folder.write("b.png", "");
  EXPECT_EQ(check_copies_are_new(images, folder.path()).error().to_string(),
            first + ": exists already; --force overwrites it");
  folder.write("c.png", "");
  EXPECT_EQ(check_copies_are_new(images, folder.path()).error().to_string(),
            first + ": exists already (as do 2 of 3 copies); --force overwrites it");
}

}  // namespace
}  // namespace visionpress
