#include "eval/label_text.h"

#include <gtest/gtest.h>

namespace visionpress {
namespace {

using Labels = std::vector<std::string>;

TEST(LabelText, IsALabelALineWhateverEndsTheLine) {
  EXPECT_EQ(split_labels("cat\ndog\n"), (Labels{"cat", "dog"}));
  EXPECT_EQ(split_labels("cat\r\ndog"), (Labels{"cat", "dog"}));
  EXPECT_EQ(split_labels("x"), Labels{"x"});
}

TEST(LabelText, LosesSpaceAroundLabelsAndKeepsItInside) {
  EXPECT_EQ(split_labels("  big dog \t\n cat\n"), (Labels{"big dog", "cat"}));
}

TEST(LabelText, LosesAByteOrderMarkAndEmptyLinesAtTheEndAlone) {
  EXPECT_EQ(split_labels("\xef\xbb\xbf"
                         "cat\n\ndog\n \n\n"),
            (Labels{"cat", "", "dog"}));
  EXPECT_TRUE(split_labels("\n\r\n").empty());
  EXPECT_TRUE(split_labels("").empty());
}

}  // namespace
}  // namespace visionpress
