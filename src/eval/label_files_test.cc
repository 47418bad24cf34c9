#include "eval/label_files.h"

#include <string>

#include <gtest/gtest.h>

#include "base/temporary_folder_testonly.h"

namespace visionpress {
namespace {

TEST(LabelFiles, ANumberIsAllOfItsText) {
  EXPECT_EQ(find_number(" 1.5\t"), 1.5);
  EXPECT_EQ(find_number("+2e1"), 20.0);
  for (const char* text : {"", "1,5", "x", "1x", "nan", "inf", "1e999"}) {
    EXPECT_FALSE(find_number(text)) << text;
  }
}

TEST(LabelFiles, LinesAndWordsAreTakenOffTheFront) {
  std::string_view text = "a b\r\n\nc\rd";
  std::string_view line = cut_line(text);
  EXPECT_EQ(line, "a b");
  EXPECT_EQ(cut_word(line), "a");
  EXPECT_EQ(cut_word(line), "b");
  EXPECT_EQ(cut_word(line), "");
  EXPECT_EQ(cut_line(text), "");
  EXPECT_EQ(cut_line(text), "c");
  EXPECT_EQ(cut_line(text), "d");
  EXPECT_EQ(text, "");
}

TEST(LabelFiles, TextsHaveNoMarkAndALimit) {
  const TemporaryFolder folder;
  folder.write("a.txt", "\xEF\xBB\xBFx");
  EXPECT_EQ(load_text(folder.path("a.txt"), 4), "x");
  EXPECT_EQ(load_text(folder.path("a.txt"), 3).error().to_string(),
            folder.path("a.txt") + ": 4 bytes, expected 3 at most");
  EXPECT_FALSE(load_text(folder.path("b.txt"), 3));
}

TEST(LabelFiles, PicturesAreFoundByNameAndStem) {
  const TemporaryFolder folder;
  folder.write("a/1.JPG", "");
  folder.write("a/._2.jpg", "");
  folder.write("b/1.jpg", "");
  folder.write("b/x.txt", "");
  PictureIndex pictures;
  pictures.add(folder.path("a"));
  pictures.add(folder.path("b"));
  pictures.add(folder.path("none"));
  EXPECT_EQ(pictures.paths().size(), 2U);
  EXPECT_EQ(pictures.find("C:\\x\\1.jpg"), folder.path("b/1.jpg"));
  EXPECT_EQ(pictures.find_stem("1"), folder.path("a/1.JPG"));
  EXPECT_EQ(pictures.find("2.jpg"), "");
  EXPECT_EQ(list_files(folder.path("b"), ".txt").size(), 1U);
  EXPECT_EQ(list_folders(folder.path()).size(), 2U);
  EXPECT_EQ(relative_to("a/b/c.jpg", "a"), "b/c.jpg");
  EXPECT_EQ(relative_to("b/c.jpg", "a"), "b/c.jpg");
}

}  // namespace
}  // namespace visionpress
