#include "infer/read_output.h"

#include <array>
#include <limits>

#include <gtest/gtest.h>

namespace visionpress {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

ModelRunner make_classifier(std::size_t output) {
  ModelRunner runner;
  runner.task = ModelTask::Classification;
  runner.class_output = output;
  runner.labels = {"cat", "dog"};
  return runner;
}

TEST(ReadOutput, ClassesAreStrongestFirstAndNanIsLast) {
  const ModelRunner runner = make_classifier(0);
  const std::array values = {0.1F, kNan, 0.7F};
  const auto read = read_output(runner, {{"scores", {1, 3}, values}}, {.size = {64, 48}}, {});
  ASSERT_EQ(read.size(), 3U);
  EXPECT_EQ(read[0].tag, "class 2");  // the labels do not name it
  EXPECT_EQ(read[1].tag, "cat");
  EXPECT_EQ(read[2].tag, "dog");
  EXPECT_EQ(read[0].width, 64.0);  // a class is about the whole image
  EXPECT_EQ(read[0].height, 48.0);
  EXPECT_EQ(read_output(runner, {{"scores", {1, 3}, values}}, {}, {.top = 1}).size(), 1U);
}

TEST(CountNotFinite, OfAClassifierLooksAtItsClassesAlone) {
  const std::array broken = {kNan, kNan};
  const std::array sound = {0.5F, 0.5F};
  const std::vector<OutputView> outputs = {{"features", {2}, broken}, {"scores", {2}, sound}};
  EXPECT_EQ(count_not_finite(make_classifier(1), outputs), 0U);
  EXPECT_EQ(count_not_finite(make_classifier(0), outputs), 2U);
  EXPECT_EQ(count_not_finite(ModelRunner(), outputs), 2U);
}

TEST(SummarizeOutputs, LeavesNumbersThatAreNotFiniteOutOfTheRange) {
  const std::array values = {kNan, -2.0F, 4.0F};
  const std::array none = {kNan};
  const auto raw = summarize_outputs({{"a", {3}, values}, {"b", {1}, none}});
  ASSERT_EQ(raw.size(), 2U);
  EXPECT_EQ(raw[0].name, "a");
  EXPECT_EQ(raw[0].minimum, -2.0);
  EXPECT_EQ(raw[0].maximum, 4.0);
  EXPECT_EQ(raw[0].mean, 1.0);
  EXPECT_EQ(raw[0].not_finite, 1U);
  EXPECT_EQ(raw[1].minimum, 0.0);
  EXPECT_EQ(raw[1].not_finite, 1U);
}

}  // namespace
}  // namespace visionpress
