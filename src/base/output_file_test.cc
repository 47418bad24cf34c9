#include "base/output_file.h"

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mapped_file.h"
#include "visionpress/process.h"

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

unsigned mode_of(const std::string& path) {
  struct stat info = {};
  EXPECT_EQ(::stat(path.c_str(), &info), 0);
  return info.st_mode & 07777U;
}

TEST_F(OutputFileTest, AReplacedFileKeepsItsPermissionsAndANewOneGetsTheUmasks) {
  const mode_t old_mask = ::umask(027);
  const std::string path = folder_ / "a";
  ASSERT_TRUE(write_file(path, Overwrite::Refuse, {}));
  EXPECT_EQ(mode_of(path), 0640U);
  for (const unsigned mode : {0600U, 0444U, 0775U}) {
    ASSERT_EQ(::chmod(path.c_str(), mode), 0);
    ASSERT_TRUE(write_file(path, Overwrite::Allow, {}));
    EXPECT_EQ(mode_of(path), mode);
  }
  ::umask(old_mask);
}

/// While this object lives, the superuser acts as a user with one more group.
class ActAsUser {
 public:
  static constexpr uid_t kUser = 12001;
  static constexpr gid_t kGroup = 12002;
  static constexpr gid_t kSecondGroup = 12003;
  ActAsUser() {
    EXPECT_EQ(::setgroups(1, &kSecondGroup), 0);
    EXPECT_EQ(::setegid(kGroup), 0);
    EXPECT_EQ(::seteuid(kUser), 0);
  }
  ~ActAsUser() {
    EXPECT_EQ(::seteuid(0), 0);
    EXPECT_EQ(::setegid(0), 0);
    EXPECT_EQ(::setgroups(0, nullptr), 0);
  }
  ActAsUser(const ActAsUser&) = delete;
  ActAsUser& operator=(const ActAsUser&) = delete;
};

TEST_F(OutputFileTest, AUserWhoReplacesAnothersFileKeepsItsGroupOrTakesTheGroupsRights) {
  if (::geteuid() != 0) GTEST_SKIP() << "only the superuser can give a file to others first";
  constexpr uid_t kOther = 12004;
  constexpr gid_t kForeignGroup = 12005;
  ASSERT_EQ(::chmod(folder_.c_str(), 0777), 0);
  struct Case {
    gid_t before;
    gid_t after;
    unsigned mode;
  };
  for (const Case& c : {Case{ActAsUser::kSecondGroup, ActAsUser::kSecondGroup, 0664U},
                        Case{kForeignGroup, ActAsUser::kGroup, 0604U}}) {
    const std::string path = folder_ / std::to_string(c.before);
    ASSERT_TRUE(write_file(path, Overwrite::Refuse, {}));
    ASSERT_EQ(::chown(path.c_str(), kOther, c.before), 0);
    ASSERT_EQ(::chmod(path.c_str(), 06664), 0);
    {
      const ActAsUser user;
      ASSERT_TRUE(write_file(path, Overwrite::Allow, {}));
    }
    struct stat info = {};
    ASSERT_EQ(::stat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_uid, ActAsUser::kUser);
    EXPECT_EQ(info.st_gid, c.after);
    EXPECT_EQ(mode_of(path), c.mode);
  }
}

TEST_F(OutputFileTest, WhatAKilledRunLeftIsGoneAfterTheNext) {
  // A program cleans each folder once, at its first output into it.
  std::ofstream(folder_ / ".visionpress-dead01") << "half";
  std::ofstream(folder_ / ".visionpress-notes") << "theirs";  // not the name of a temporary file
  std::ofstream(folder_ / "model.tflite.visionpress-dead01") << "theirs";
  const std::string held = folder_ / ".visionpress-alive1";  // of a run that is still going on
  std::ofstream(held) << "half";
  const int fd = ::open(held.c_str(), O_RDWR);
  ASSERT_EQ(::flock(fd, LOCK_EX | LOCK_NB), 0);
  ASSERT_TRUE(write_file(folder_ / "a", Overwrite::Refuse, {}));
  EXPECT_FALSE(std::filesystem::exists(folder_ / ".visionpress-dead01"));
  EXPECT_TRUE(std::filesystem::exists(held));
  EXPECT_EQ(entries(), 4U);
  ::close(fd);
}

TEST_F(OutputFileTest, ANameAsLongAsTheFileSystemTakesCanBeReplaced) {
  const std::string path = folder_ / std::string(NAME_MAX, 'n');
  ASSERT_TRUE(write_file(path, Overwrite::Refuse, {}));
  const auto again = write_file(path, Overwrite::Allow, {});
  EXPECT_TRUE(again) << again.error().to_string();
  EXPECT_EQ(entries(), 1U);
}

TEST_F(OutputFileTest, AnEmptyFileMapsToAnEmptyView) {
  const std::string path = folder_ / "empty";
  ASSERT_TRUE(write_file(path, Overwrite::Refuse, {}));
  const auto mapped = MappedFile::open(path);
  ASSERT_TRUE(mapped);
  EXPECT_TRUE(mapped->bytes().empty());
  EXPECT_FALSE(MappedFile::open(folder_));
}

TEST_F(OutputFileTest, DroppedPagesReadTheSameAgain) {
  const std::string path = folder_ / "input";
  const std::vector<std::byte> bytes(1 << 16, std::byte{7});
  ASSERT_TRUE(write_file(path, Overwrite::Refuse, bytes));
  const auto mapped = MappedFile::open(path);
  ASSERT_TRUE(mapped);
  mapped->drop_pages();
  EXPECT_TRUE(std::ranges::equal(mapped->bytes(), bytes));
  MappedFile().drop_pages();
}

TEST_F(OutputFileTest, AnInputCutShortWhileItIsMappedEndsAProgramThatAskedForItWithCodeThree) {
  const std::string path = folder_ / "input";
  const std::vector<std::byte> bytes(1 << 16, std::byte{1});
  ASSERT_TRUE(write_file(path, Overwrite::Refuse, bytes));
  const auto read_cut_file = [&] {
    end_on_lost_input();
    const auto mapped = MappedFile::open(path);
    std::filesystem::resize_file(path, 100);
    const auto last = std::to_integer<int>(mapped->bytes().back());
    std::exit(last);
  };
  EXPECT_EXIT(read_cut_file(), testing::ExitedWithCode(3), "input: the file became shorter");
}

}  // namespace
}  // namespace visionpress
