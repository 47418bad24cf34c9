#include "base/output_folder.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/descriptor.h"

namespace visionpress {
namespace {

namespace fs = std::filesystem;

class OutputFolderTest : public testing::Test {
 protected:
  OutputFolderTest() {
    std::string pattern = testing::TempDir() + "output_folder_XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
  }
  ~OutputFolderTest() override { fs::remove_all(folder_); }

  [[nodiscard]] std::string path(const std::string& name) const { return folder_ / name; }
  [[nodiscard]] std::size_t entries() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder_), {}));
  }
  [[nodiscard]] std::string slurp(const std::string& name) const {
    std::ostringstream text;
    text << std::ifstream(path(name)).rdbuf();
    return text.str();
  }

 private:
  fs::path folder_ = {};
};

Result<void> put(OutputFolder& folder, const std::string& name, const std::string& text) {
  const Bytes bytes = std::as_bytes(std::span(text));
  return folder.write(name, {&bytes, 1});
}

TEST_F(OutputFolderTest, ACommitGivesAllFilesTheirNamesAtOnce) {
  auto folder = OutputFolder::create(path("m"), Overwrite::Refuse);
  ASSERT_TRUE(folder) << folder.error().to_string();
  ASSERT_TRUE(put(*folder, "Manifest.json", "{}"));
  ASSERT_TRUE(put(*folder, "Data/weights/weight.bin", "w"));
  EXPECT_FALSE(fs::exists(path("m")));
  ASSERT_TRUE(folder->commit());
  EXPECT_EQ(slurp("m/Manifest.json"), "{}");
  EXPECT_EQ(slurp("m/Data/weights/weight.bin"), "w");
  EXPECT_EQ(entries(), 1U);
  const mode_t mask = ::umask(0);
  ::umask(mask);
  EXPECT_EQ(static_cast<mode_t>(fs::status(path("m")).permissions()), 0777 & ~mask);
}

// A file that another thread makes at the same time must not become writable for everybody: the
// umask belongs to the whole process.
TEST_F(OutputFolderTest, OtherThreadsNeverSeeAnotherUmask) {
  constexpr int kFolders = 1000;
  constexpr mode_t kOthers = 022;
  const mode_t mask = ::umask(kOthers);
  std::atomic<bool> done = false;
  mode_t seen = 0;
  std::jthread other([&] {
    while (!done) {
      const std::string name = path("other");
      const Descriptor file(::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
      struct stat info = {};
      if (::fstat(file.get(), &info) == 0) seen |= info.st_mode;
      ::unlink(name.c_str());
    }
  });
  for (int i = 0; i < kFolders; ++i) {
    EXPECT_TRUE(OutputFolder::create(path("m"), Overwrite::Refuse));
  }
  done = true;
  other.join();
  ::umask(mask);
  EXPECT_EQ(seen & kOthers, 0U);
}

TEST_F(OutputFolderTest, NothingIsLeftWhenAPieceFails) {
  {
    auto folder = OutputFolder::create(path("m"), Overwrite::Refuse);
    ASSERT_TRUE(folder);
    ASSERT_TRUE(put(*folder, "good", "g"));
    const auto bad = put(*folder, std::string(300, 'n'), "a name that no file system takes");
    ASSERT_FALSE(bad);
    EXPECT_EQ(bad.error().kind, ErrorKind::Output);
    EXPECT_EQ(bad.error().file, path("m") + "/" + std::string(300, 'n'));
    const auto twice = put(*folder, "good", "g");
    ASSERT_FALSE(twice);
  }
  EXPECT_EQ(entries(), 0U);
}

TEST_F(OutputFolderTest, AnExistingFolderIsKeptUnlessOverwritingIsAllowed) {
  fs::create_directories(path("m"));
  std::ofstream(path("m/old")) << "old";
  const auto refused = OutputFolder::create(path("m"), Overwrite::Refuse);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().to_string(), path("m") + ": exists already; --force overwrites it");
  {
    auto folder = OutputFolder::create(path("m"), Overwrite::Allow);
    ASSERT_TRUE(folder);
    ASSERT_TRUE(put(*folder, "new", "new"));
  }
  EXPECT_EQ(slurp("m/old"), "old") << "without a commit it stays";
  auto folder = OutputFolder::create(path("m/"), Overwrite::Allow);
  ASSERT_TRUE(folder);
  ASSERT_TRUE(put(*folder, "new", "new"));
  ASSERT_TRUE(folder->commit());
  EXPECT_EQ(slurp("m/new"), "new");
  EXPECT_FALSE(fs::exists(path("m/old")));
  EXPECT_EQ(entries(), 1U);
}

TEST_F(OutputFolderTest, AFolderThatAppearedMeanwhileIsNotLost) {
  auto folder = OutputFolder::create(path("m"), Overwrite::Refuse);
  ASSERT_TRUE(folder);
  fs::create_directories(path("m"));
  std::ofstream(path("m/other")) << "other";
  EXPECT_FALSE(folder->commit());
  EXPECT_EQ(slurp("m/other"), "other");
}

TEST_F(OutputFolderTest, FilesAndLinksAreNotReplaced) {
  std::ofstream(path("file")) << "f";
  fs::create_directories(path("real"));
  fs::create_directory_symlink(path("real"), path("link"));
  const auto file = OutputFolder::create(path("file"), Overwrite::Allow);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().message, "exists and is not a folder");
  const auto link = OutputFolder::create(path("link"), Overwrite::Allow);
  ASSERT_FALSE(link);
  EXPECT_EQ(link.error().message, "is a symbolic link; name the folder it stands for");
}

TEST_F(OutputFolderTest, WhatAKilledRunLeftIsRemovedAndWhatARunningOneHoldsStays) {
  fs::create_directories(path("in/.visionpress-abcdef/Data"));
  fs::create_directories(path("in/.visionpress-held00"));
  fs::create_directories(path("in/.visionpress-of-somebody"));
  const Descriptor held(::open(path("in/.visionpress-held00").c_str(), O_RDONLY | O_DIRECTORY));
  ASSERT_EQ(::flock(held.get(), LOCK_EX | LOCK_NB), 0);
  const auto folder = OutputFolder::create(path("in/m"), Overwrite::Refuse);
  ASSERT_TRUE(folder);
  EXPECT_FALSE(fs::exists(path("in/.visionpress-abcdef")));
  EXPECT_TRUE(fs::exists(path("in/.visionpress-held00")));
  EXPECT_TRUE(fs::exists(path("in/.visionpress-of-somebody")));
}

}  // namespace
}  // namespace visionpress
