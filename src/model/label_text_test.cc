#include "model/label_text.h"

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

TEST(LabelText, NumbersThatGoUpInStepsArePlaces) {
  EXPECT_EQ(split_labels("0 boat\n1 house\n"), (Labels{"boat", "house"}));
  EXPECT_EQ(split_labels("1 boat\r\n2\tbig house\r\n"), (Labels{"boat", "big house"}));
  EXPECT_EQ(split_labels("0: boat\n1: house"), (Labels{"boat", "house"}));
  EXPECT_EQ(split_labels("0  person\n2  car\n"), (Labels{"person", "", "car"}));
}

TEST(LabelText, AMarkMayStandBetweenNumberAndName) {
  EXPECT_EQ(split_labels("0,boat\n1,house\n"), (Labels{"boat", "house"}));
  EXPECT_EQ(split_labels("0=boat\n1=house\n"), (Labels{"boat", "house"}));
  EXPECT_EQ(split_labels("1. boat\n2. house\n"), (Labels{"boat", "house"}));
  EXPECT_EQ(split_labels("0) boat\n1) house\n"), (Labels{"boat", "house"}));
  EXPECT_EQ(split_labels("0.5 l\n1.5 l\n"), (Labels{"0.5 l", "1.5 l"}));
}

TEST(LabelText, NumberedMeansFromZeroWithoutGaps) {
  EXPECT_TRUE(has_numbered_labels("0 Cat\n1 Dog\n"));
  EXPECT_FALSE(has_numbered_labels("1 Cat\n2 Dog\n"));
  EXPECT_FALSE(has_numbered_labels("0 Cat\n2 Dog\n"));
  EXPECT_FALSE(has_numbered_labels("Cat\nDog\n"));
  EXPECT_FALSE(has_numbered_labels(""));
}

TEST(LabelText, BinaryDataIsNotText) {
  EXPECT_EQ(describe_not_text("boat\r\nhouse\t\n"), "");
  EXPECT_EQ(describe_not_text("caf\xe9\n"), "") << "Latin-1";
  EXPECT_EQ(describe_not_text(std::string_view("\x89PNG\r\n\x1a\n", 8)),
            "byte 6 is 0x1a, expected text with one label per line");
  EXPECT_EQ(describe_not_text(std::string_view("b\0o\0", 4)),
            "byte 1 is 0x00, expected text with one label per line");
  EXPECT_EQ(describe_not_text("\xff\xfe"
                              "b"),
            "it is text in UTF-16; save it as UTF-8");
}

TEST(LabelText, OtherNumbersArePartOfTheNames) {
  EXPECT_EQ(split_labels("1 euro\n2 euro\n"), (Labels{"1 euro", "2 euro"}));
  EXPECT_EQ(split_labels("3 doors\n5 doors"), (Labels{"3 doors", "5 doors"}));
  EXPECT_EQ(split_labels("1 cent\n3 euro"), (Labels{"1 cent", "3 euro"}));
  EXPECT_EQ(split_labels("1 cat\n0 dog"), (Labels{"1 cat", "0 dog"}));
  EXPECT_EQ(split_labels("7 eleven"), Labels{"7 eleven"});
  EXPECT_EQ(split_labels("0 boat"), Labels{"0 boat"});
  EXPECT_EQ(split_labels("0 boat\nhouse"), (Labels{"0 boat", "house"}));
  EXPECT_EQ(split_labels("0\n1\n2"), (Labels{"0", "1", "2"}));
  EXPECT_EQ(split_labels("0-9\n1-9"), (Labels{"0-9", "1-9"}));
}

}  // namespace
}  // namespace visionpress
