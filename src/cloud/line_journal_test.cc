#include "cloud/line_journal.h"

#include <array>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace visionpress {
namespace {

namespace fs = std::filesystem;
using Json = LineJournal::Json;

class LineJournalTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "vp_journal_XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }

  [[nodiscard]] std::string path(const std::string& name = "journal") const {
    return folder_ + "/" + name;
  }
  void write(const std::string& text, const std::string& name = "journal") const {
    std::ofstream(path(name), std::ios::binary) << text;
  }
  [[nodiscard]] std::string read(const std::string& name = "journal") const {
    std::ifstream in(path(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  static LineJournal::Form form(const std::string& owner = "me") {
    LineJournal::Form made;
    made.head = {{"owner", owner}};
    made.is_own = [owner](const Json& head) {
      return head.contains("owner") && head["owner"] == owner;
    };
    made.what = "lines of " + owner;
    return made;
  }
  [[nodiscard]] Result<LineJournal> open(const std::string& owner = "me") const {
    return LineJournal::open(path(), form(owner));
  }
  /// Why it is refused, without the folder.
  [[nodiscard]] std::string refuse(const std::string& name = "journal") const {
    const auto opened = LineJournal::open(path(name), form());
    if (opened) return "it opened";
    EXPECT_EQ(opened.error().kind, ErrorKind::Output);
    return opened.error().message;
  }

  std::string folder_ = {};
};

TEST_F(LineJournalTest, GivesTheLinesOfFormerCallsAndGoesOn) {
  for (int call = 0; call < 3; ++call) {
    auto journal = open();
    ASSERT_TRUE(journal) << journal.error().to_string();
    EXPECT_EQ(journal->take_lines().size(), static_cast<std::size_t>(call));
    ASSERT_TRUE(journal->add({{"call", call}}));
  }
  EXPECT_EQ(read(), "{\"owner\":\"me\"}\n{\"call\":0}\n{\"call\":1}\n{\"call\":2}\n");
}

TEST_F(LineJournalTest, IsNotChangedByBeingOpened) {
  write("{\"owner\":\"me\"}\n{\"a\":1}\nruined\n{\"b\":");
  const std::string before = read();
  for (int i = 0; i < 2; ++i) {
    auto journal = open();
    ASSERT_TRUE(journal);
    EXPECT_EQ(journal->take_lines(), (std::vector<Json>{{{"a", 1}}}));
    EXPECT_EQ(read(), before);
  }
  ASSERT_TRUE(open()->add({{"c", 3}}));  // behind the line that was cut off, not in it
  EXPECT_EQ(open()->take_lines(), (std::vector<Json>{{{"a", 1}}, {{"c", 3}}}));
}

TEST_F(LineJournalTest, CutOffInItsHeadIsBegunAnew) {
  for (const char* text : {"", "{", "{\"owner\":\"me\"}"}) {
    write(text);
    ASSERT_TRUE(open()->add({{"a", 1}})) << text;
    EXPECT_EQ(read(), "{\"owner\":\"me\"}\n{\"a\":1}\n");
  }
}

TEST_F(LineJournalTest, OfAnotherCallStaysAsItIs) {
  for (const char* text :
       {"{\"owner\":\"you\"}\n{\"a\":1}\n", "my thesis\n", "x", "\n", "[1]\n", "{\"owner\":1}"}) {
    write(text);
    EXPECT_EQ(refuse(),
              "exists and does not hold lines of me; move it away, or name another output");
    EXPECT_EQ(read(), text);
  }
}

TEST_F(LineJournalTest, IsNoLinkAndNoPipe) {
  write("precious", "other");
  fs::create_symlink(path("other"), path("link"));
  EXPECT_EQ(refuse("link"), "a symbolic link, which is not written through");
  write("{\"owner\":\"me\"}\n", "own");
  fs::create_hard_link(path("own"), path("second"));
  EXPECT_EQ(refuse("second"),
            "a file with another name too (a hard link), which is not written to");
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  EXPECT_EQ(refuse("pipe"), "exists and is not a regular file");
  fs::create_directory(path("folder"));
  EXPECT_EQ(refuse("folder"), "cannot write: Is a directory");
  EXPECT_EQ(refuse("nowhere/journal"), "cannot write: No such file or directory");
  EXPECT_EQ(read("other"), "precious");
  EXPECT_EQ(read("own"), "{\"owner\":\"me\"}\n");
}

TEST_F(LineJournalTest, IsWrittenByOneCallAtATime) {
  const auto first = open();
  ASSERT_TRUE(first);
  EXPECT_EQ(refuse(), "another call writes to it");
}

TEST_F(LineJournalTest, RemovesItsOwnFileAlone) {
  auto journal = open();
  fs::rename(path(), path("moved"));
  write("another");
  journal->remove();
  EXPECT_EQ(read(), "another");
  fs::remove(path());
  auto again = open();
  again->remove();
  EXPECT_FALSE(fs::exists(path()));
}

/// Adds lines until it is killed, and says each one's number when it is acknowledged.
[[noreturn]] void add_until_killed(const std::string& path, const LineJournal::Form& form,
                                   int said) {
  auto journal = LineJournal::open(path, form);
  if (!journal) ::_exit(1);
  auto next = static_cast<int>(journal->take_lines().size());
  for (;; ++next) {
    if (!journal->add({{"number", next}, {"more", std::string(400, 'x')}})) ::_exit(2);
    if (::write(said, &next, sizeof(next)) != sizeof(next)) ::_exit(3);
  }
}

TEST_F(LineJournalTest, LosesNothingInAHundredKills) {
  std::random_device device;
  const unsigned seed = device();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  int acknowledged = -1;
  for (int kill = 0; kill < 100; ++kill) {
    std::array<int, 2> ends = {};
    ASSERT_EQ(::pipe(ends.data()), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::close(ends[0]);
      add_until_killed(path(), form(), ends[1]);
    }
    ::close(ends[1]);
    ::usleep(static_cast<useconds_t>(random() % 20'000));
    ::kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "exit " << WEXITSTATUS(status);
    for (int number = 0; ::read(ends[0], &number, sizeof(number)) == sizeof(number);) {
      acknowledged = number;
    }
    ::close(ends[0]);
    auto journal = open();
    ASSERT_TRUE(journal) << journal.error().to_string();
    const std::vector<Json> lines = journal->take_lines();
    ASSERT_GE(static_cast<int>(lines.size()), acknowledged + 1) << "after kill " << kill;
    for (std::size_t i = 0; i < lines.size(); ++i) ASSERT_EQ(lines[i].value("number", -1), i);
  }
  EXPECT_GT(acknowledged, 0);
}

}  // namespace
}  // namespace visionpress
