#include "cloud/pipe_signal.h"

#include <array>
#include <cerrno>

#include <gtest/gtest.h>
#include <unistd.h>

namespace visionpress {
namespace {

/// errno of a write into a pipe that nobody reads.
int write_into_closed_pipe() {
  std::array<int, 2> ends = {};
  EXPECT_EQ(::pipe(ends.data()), 0);
  ::close(ends[0]);
  const int reason = ::write(ends[1], "x", 1) < 0 ? errno : 0;
  ::close(ends[1]);
  return reason;
}

bool is_blocked() {
  sigset_t mask;
  EXPECT_EQ(::pthread_sigmask(SIG_BLOCK, nullptr, &mask), 0);
  return sigismember(&mask, SIGPIPE) == 1;
}

TEST(PipeSignal, AWriteIntoWhatIsClosedIsAnErrorAndNothingIsLeftOfTheSignal) {
  ASSERT_EQ(std::signal(SIGPIPE, SIG_DFL), SIG_DFL);  // it would end this program
  {
    const PipeSignalBlock block;
    EXPECT_TRUE(is_blocked());
    EXPECT_EQ(write_into_closed_pipe(), EPIPE);
    {
      const PipeSignalBlock inner;
      EXPECT_EQ(write_into_closed_pipe(), EPIPE);
    }
    EXPECT_TRUE(is_blocked());
  }
  EXPECT_FALSE(is_blocked());
}

TEST(PipeSignalDeathTest, OutsideItTheSignalDoesWhatTheProcessWants) {
  EXPECT_EXIT(
      {
        { const PipeSignalBlock block; }
        write_into_closed_pipe();
      },
      testing::KilledBySignal(SIGPIPE), "");
}

}  // namespace
}  // namespace visionpress
