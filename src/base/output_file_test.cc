#include "base/output_file.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "base/mapped_file.h"

namespace visionpress {
namespace {

class OutputFileTest : public testing::Test {
 protected:
  OutputFileTest() {
    std::string pattern = testing::TempDir() + "output_file_XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
  }
  ~OutputFileTest() override { std::filesystem::remove_all(folder_); }
  [[nodiscard]] std::size_t entries() const {
    return static_cast<std::size_t>(
        std::distance(std::filesystem::directory_iterator(folder_), {}));
  }
  std::filesystem::path folder_ = {};
};

std::string slurp(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

TEST_F(OutputFileTest, ACommitLeavesTheBytesAndNothingElse) {
  const std::string path = folder_ / "a";
  const std::string text = "hello";
  ASSERT_TRUE(write_file(path, Overwrite::Refuse, std::as_bytes(std::span(text))));
  EXPECT_EQ(slurp(path), "hello");
  EXPECT_EQ(entries(), 1U);
}

TEST_F(OutputFileTest, WithoutACommitNothingIsLeft) {
  {
    auto file = OutputFile::create(folder_ / "a", Overwrite::Refuse);
    ASSERT_TRUE(file);
    EXPECT_TRUE(std::filesystem::exists(file->temporary_path()));
  }
  EXPECT_EQ(entries(), 0U);
}

TEST_F(OutputFileTest, AnExistingFileIsKeptUnlessOverwritingIsAllowed) {
  const std::string path = folder_ / "a";
  const std::string old_text = "old";
  const std::string new_text = "new";
  ASSERT_TRUE(write_file(path, Overwrite::Refuse, std::as_bytes(std::span(old_text))));
  const auto refused = write_file(path, Overwrite::Refuse, std::as_bytes(std::span(new_text)));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::Output);
  EXPECT_EQ(slurp(path), "old");
  ASSERT_TRUE(write_file(path, Overwrite::Allow, std::as_bytes(std::span(new_text))));
  EXPECT_EQ(slurp(path), "new");
}

TEST_F(OutputFileTest, AFileThatAppearsMeanwhileIsNotOverwritten) {
  const std::string path = folder_ / "a";
  auto file = OutputFile::create(path, Overwrite::Refuse);
  ASSERT_TRUE(file);
  std::ofstream(path) << "theirs";
  EXPECT_FALSE(file->commit());
  EXPECT_EQ(slurp(path), "theirs");
}

TEST_F(OutputFileTest, WhatIsWrittenCanBeReadBackBeforeTheCommit) {
  auto file = OutputFile::create(folder_ / "a", Overwrite::Allow);
  ASSERT_TRUE(file);
  const std::string text = "hello";
  const Bytes bytes = std::as_bytes(std::span(text));
  ASSERT_TRUE(file->write({&bytes, 1}));
  EXPECT_EQ(slurp(file->temporary_path()), "hello");
  ASSERT_TRUE(file->commit());
  EXPECT_EQ(entries(), 1U);
}

TEST_F(OutputFileTest, ASymbolicLinkIsNeitherFollowedNorReplaced) {
  const std::string link = folder_ / "link";
  std::ofstream(folder_ / "theirs") << "theirs";
  for (const char* const target : {"theirs", "missing"}) {
    std::filesystem::remove(link);
    std::filesystem::create_symlink(target, link);
    EXPECT_FALSE(write_file(link, Overwrite::Allow, {}));
    EXPECT_TRUE(std::filesystem::is_symlink(link));
  }
  EXPECT_EQ(slurp(folder_ / "theirs"), "theirs");
  EXPECT_EQ(entries(), 2U);
}

TEST_F(OutputFileTest, AnEmptyFileMapsToAnEmptyView) {
  const std::string path = folder_ / "empty";
  ASSERT_TRUE(write_file(path, Overwrite::Refuse, {}));
  const auto mapped = MappedFile::open(path);
  ASSERT_TRUE(mapped);
  EXPECT_TRUE(mapped->bytes().empty());
  EXPECT_FALSE(MappedFile::open(folder_));
}

}  // namespace
}  // namespace visionpress
