#include "base/printable.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace visionpress {
namespace {

TEST(PrintableTest, PlainTextOfAnyScriptStays) {
  for (const char* text : {"", "conv1/w:0",
                           "M\xc3\xa4"
                           "dchen",
                           "\xe7\x8c\xab", "\xf0\x9f\x90\x88", "a\\b", "100 %"}) {
    EXPECT_EQ(escape_unprintable(text), text);
  }
}

TEST(PrintableTest, WhatSteersATerminalOrBreaksALineIsEscaped) {
  EXPECT_EQ(escape_unprintable("a\nb\r\tc"), "a\\nb\\r\\tc");
  EXPECT_EQ(escape_unprintable("\x1b[31mred\x7f"), "\\u001b[31mred\\u007f");
  EXPECT_EQ(escape_unprintable("\xc2\x85\xc2\x9b"), "\\u0085\\u009b");  // C1: next line, CSI
  EXPECT_EQ(escape_unprintable("gpj.\xe2\x80\xae"
                               "exe"),
            "gpj.\\u202eexe");
  EXPECT_EQ(escape_unprintable("a\xe2\x80\xa8"
                               "b\xe2\x81\xa7"),
            "a\\u2028b\\u2067");
  EXPECT_EQ(escape_unprintable(std::string_view("a\0b", 3)), "a\\u0000b");
}

TEST(PrintableTest, BytesThatAreNoUtf8AreShownByNumber) {
  EXPECT_EQ(escape_unprintable("caf\xe9"), "caf\\xe9");                       // Latin-1
  EXPECT_EQ(escape_unprintable("\xc0\xaf"), "\\xc0\\xaf");                    // overlong
  EXPECT_EQ(escape_unprintable("\xed\xa0\x80"), "\\xed\\xa0\\x80");           // a surrogate
  EXPECT_EQ(escape_unprintable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");  // above U+10FFFF
  EXPECT_EQ(escape_unprintable("\xe2\x80"), "\\xe2\\x80");                    // cut short
}

TEST(PrintableTest, ReportsKeepTheirOwnLineBreaks) {
  EXPECT_EQ(escape_unprintable_but("a\n\tb\x1b", "\n\t"), "a\n\tb\\u001b");
}

TEST(PrintableTest, ErrorsAreOneLineWhateverNamesTheyHold) {
  const Error error{ErrorKind::Io, "no \"a\nb\"", "x\x1by", std::nullopt};
  EXPECT_EQ(error.to_string(), "x\\u001by: no \"a\\nb\"");
}

}  // namespace
}  // namespace visionpress
