#include "eval/picture_files.h"

#include <gtest/gtest.h>

#include "base/temporary_folder_testonly.h"

namespace visionpress {
namespace {

TEST(PictureFiles, OfAFolderAreSortedAndWithoutHiddenOnes) {
  TemporaryFolder folder;
  for (const char* name : {"b.PNG", "a.jpg", "._a.jpg", "notes.txt", "sub.jpg/c.jpg"}) {
    folder.write(name, "");
  }
  const auto files = expand_folders({"given.txt", folder.path()});
  ASSERT_TRUE(files) << files.error().to_string();
  EXPECT_EQ(*files,
            (std::vector<std::string>{"given.txt", folder.path("a.jpg"), folder.path("b.PNG")}));
}

TEST(PictureFiles, OfAFolderWithoutPicturesAreAnError) {
  TemporaryFolder folder;
  folder.write("notes.txt", "");
  const auto files = expand_folders({folder.path()});
  ASSERT_FALSE(files);
  EXPECT_EQ(files.error().message, "no JPEG, PNG, BMP or WebP file in this folder");
}

}  // namespace
}  // namespace visionpress
