#include "infer/run_time.h"

#include <vector>

#include <gtest/gtest.h>

namespace visionpress {
namespace {

TEST(RunTime, IsTheMedianAndTheQuartilesOfTheRuns) {
  std::vector<double> times = {9.0, 1.0, 5.0, 3.0, 7.0};
  const RunTime time = summarize_times(times);
  EXPECT_EQ(time.median_ms, 5.0);
  EXPECT_EQ(time.low_ms, 3.0);
  EXPECT_EQ(time.high_ms, 7.0);
}

TEST(RunTime, OfOneRunIsThatRun) {
  std::vector<double> times = {4.0};
  const RunTime time = summarize_times(times);
  EXPECT_EQ(time.median_ms, 4.0);
  EXPECT_EQ(time.low_ms, 4.0);
  EXPECT_EQ(time.high_ms, 4.0);
}

TEST(RunTime, IsDisturbedWhereOthersTakeCoresThatTheThreadsWant) {
  EXPECT_TRUE(is_disturbed(1.9, 2, 2));
  EXPECT_TRUE(is_disturbed(1.0, 2, 2));
  EXPECT_FALSE(is_disturbed(0.1, 2, 2));  // daemons
  EXPECT_FALSE(is_disturbed(3.0, 2, 8));  // six cores are left
  EXPECT_FALSE(is_disturbed(0.0, 4, 2));  // the user asked for more threads than cores
}

}  // namespace
}  // namespace visionpress
