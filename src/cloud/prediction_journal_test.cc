#include "cloud/prediction_journal.h"

#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

namespace visionpress {
namespace {

class PredictionJournalTest : public testing::Test {
 protected:
  PredictionJournalTest() { std::filesystem::remove(path_); }
  ~PredictionJournalTest() override { std::filesystem::remove(path_); }

  [[nodiscard]] Result<PredictionJournal> open(const std::string& asked) const {
    return PredictionJournal::open(path_, asked);
  }

  const std::string path_ = testing::TempDir() + "prediction_journal_test.partial";
};

TEST_F(PredictionJournalTest, GoesOnWhereTheSameIsAsked) {
  {
    Result<PredictionJournal> first = open("a");
    ASSERT_TRUE(first->add("one", {{"cat", 0.25, 0.1, 0.2, 0.3, 0.4}}).has_value());
    ASSERT_TRUE(first->add("two", {}).has_value());
    EXPECT_EQ(first->size(), 2U);
  }
  std::ofstream(path_, std::ios::app) << R"({"content": "three", "ans)";
  for (int i = 0; i < 2; ++i) {
    const Result<PredictionJournal> again = open("a");
    EXPECT_EQ(again->size(), 2U);
    ASSERT_NE(again->find("one"), nullptr);
    EXPECT_EQ(again->find("one")->front().tag, "cat");
    EXPECT_EQ(again->find("one")->front().height, 0.4);
    ASSERT_NE(again->find("two"), nullptr);
    EXPECT_TRUE(again->find("two")->empty());
    EXPECT_EQ(again->find("three"), nullptr);
  }
  // Answers to something else are paid for too: they stay, and are not taken for these.
  EXPECT_EQ(open("b").error().message,
            "exists and does not hold answers of this call (b); move it away, or name another "
            "output");
  EXPECT_EQ(open("a")->size(), 2U);
}

TEST_F(PredictionJournalTest, AnswersThatAreNoneAreAskedAgain) {
  std::ofstream(path_) << "{\"asked\": \"a\"}\n"
                       << R"({"content": "x", "answers": [{"tag": "cat", "probability": "high"}]})"
                       << "\n[]\n{\"answers\": 5}\n";
  EXPECT_EQ(open("a")->size(), 0U);
}

TEST_F(PredictionJournalTest, IsGoneWhenItIsNoLongerNeeded) {
  Result<PredictionJournal> journal = open("a");
  EXPECT_TRUE(std::filesystem::exists(path_));
  journal->remove();
  EXPECT_FALSE(std::filesystem::exists(path_));
  EXPECT_EQ(PredictionJournal::open("", "a")->path(), "");
}

}  // namespace
}  // namespace visionpress
