#include "package/foreign_file.h"

#include <span>
#include <string>

#include <gtest/gtest.h>

namespace visionpress {
namespace {

std::string name_of(const std::string& text) {
  const auto file = find_foreign_file(std::as_bytes(std::span(text)));
  return file ? std::string(file->name) : "";
}

TEST(ForeignFile, AProtobufThatBeginsLikeTextIsNotText) {
  // A TensorFlow graph is the byte 0x0a (a line feed) and its first node's length, which may be
  // that of a brace, a bracket or "<"; then the node's name and operator.
  for (const char length : {'{', '[', '<'}) {
    const std::string node = std::string("\n") + length + "\n\x05input\x12\x0bPlaceholder";
    EXPECT_EQ(name_of(node), "") << length;
  }
  EXPECT_EQ(name_of("\n{\"a\": 1}"), "JSON text");
}

TEST(ForeignFile, TextIsNamedByItsFirstTag) {
  EXPECT_EQ(name_of("\xef\xbb\xbf <?xml version=\"1.0\"?><a/>"), "XML text");
  EXPECT_EQ(name_of("<a>1</a>"), "XML text");
  EXPECT_EQ(name_of("< 5"), "");
  EXPECT_EQ(name_of("<svg xmlns=\"\">"), "an SVG drawing");
  EXPECT_TRUE(name_of("<HTML>").starts_with("a web page (HTML)"));
  EXPECT_EQ(name_of("hello"), "");
  EXPECT_EQ(name_of(""), "");
}

TEST(ForeignFile, ABmpNeedsMoreThanItsTwoLetters) {
  std::string bmp = "BM" + std::string(12, '\0') + "\x28" + std::string(35, '\0');
  EXPECT_EQ(name_of(bmp), "a BMP image");
  bmp[14] = 1;
  EXPECT_EQ(name_of(bmp), "");
  EXPECT_EQ(name_of("BMW models"), "");
}

TEST(ForeignFile, AdviceIsWhatToDoAboutIt) {
  const std::string lfs = "version https://git-lfs.github.com/spec/v1\n";
  const auto file = find_foreign_file(std::as_bytes(std::span(lfs)));
  ASSERT_TRUE(file);
  EXPECT_EQ(file->advice, "`git lfs pull` fetches the file");
  EXPECT_EQ(name_of(std::string(257, '\0') + "ustar"), "a tar archive");
}

}  // namespace
}  // namespace visionpress
