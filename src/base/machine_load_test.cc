#include "base/machine_load.h"

#include <chrono>
#include <thread>

#include <gtest/gtest.h>

namespace visionpress {
namespace {

using Clock = std::chrono::steady_clock;

void spin_for(std::chrono::milliseconds time) {
  const auto end = Clock::now() + time;
  while (Clock::now() < end) {
  }
}

TEST(MachineLoad, CountsWhatOthersUsedAndNotOurselves) {
  const ProcessorSeconds before{100.0, 10.0};
  const ProcessorSeconds after{104.0, 11.0};
  EXPECT_DOUBLE_EQ(count_busy_cores(before, after, 2.0), 1.5);
}

TEST(MachineLoad, RoundingOfTicksNeverGivesANegativeLoad) {
  EXPECT_EQ(count_busy_cores({100.0, 10.0}, {100.01, 10.02}, 0.1), 0.0);
  EXPECT_EQ(count_busy_cores({100.0, 10.0}, {101.0, 10.0}, 0.0), 0.0);
}

TEST(MachineLoad, OurOwnWorkIsCountedAsOurs) {
  const auto before = read_processor_seconds();
  if (!before) GTEST_SKIP() << "no /proc/stat here";
  spin_for(std::chrono::milliseconds(60));
  const auto after = read_processor_seconds();
  ASSERT_TRUE(after.has_value());
  // On a busy machine the thread may get its core for only a part of the 60 ms.
  EXPECT_GT(after->ours - before->ours, 0.005);
  EXPECT_GE(after->all, before->all);
}

}  // namespace
}  // namespace visionpress
