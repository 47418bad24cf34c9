#include "base/thread_team.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "base/parallel.h"

namespace visionpress {
namespace {

using namespace std::chrono_literals;

TEST(ThreadTeam, CallsEachPieceOnce) {
  for (const int threads : {1, 2, 3, 7, 40}) {
    for (const std::size_t count : {0U, 1U, 2U, 5U, 1000U}) {
      std::vector<std::atomic<int>> calls(count);
      parallel_for(count, threads, [&](std::size_t i) { ++calls[i]; });
      EXPECT_TRUE(std::ranges::all_of(calls, [](const auto& n) { return n == 1; }))
          << threads << " threads, " << count << " pieces";
    }
  }
}

TEST(ThreadTeam, WorkersAreNumberedBelowTheThreadsAndAloneWithTheirNumber) {
  constexpr int kThreads = 4;
  std::vector<std::atomic<int>> busy(kThreads);
  std::atomic<bool> shared = false;
  for (int round = 0; round < 200; ++round) {
    parallel_for_workers(64, kThreads, [&](std::size_t, std::size_t worker) {
      ASSERT_LT(worker, std::size_t{kThreads});
      if (busy[worker].fetch_add(1) != 0) shared = true;
      if (round % 50 == 0) std::this_thread::sleep_for(100us);
      busy[worker].fetch_sub(1);
    });
  }
  EXPECT_FALSE(shared);
}

TEST(ThreadTeam, UsesAnotherThread) {
  std::atomic<int> at_once = 0;
  std::atomic<int> most = 0;
  parallel_for(2, 2, [&](std::size_t) {
    const int now = ++at_once;
    int seen = most;
    while (seen < now && !most.compare_exchange_weak(seen, now)) continue;
    // Each piece waits for the other. A team of one would wait in vain, so the wait has an end.
    for (int i = 0; i < 5000 && most < 2; ++i) std::this_thread::sleep_for(1ms);
    --at_once;
  });
  EXPECT_EQ(most, 2);
}

TEST(ThreadTeam, ALoopWithinAPieceRunsOnItsThread) {
  std::atomic<int> calls = 0;
  parallel_for(8, 2, [&](std::size_t) {
    const auto own = std::this_thread::get_id();
    parallel_for(8, 2, [&](std::size_t) {
      EXPECT_EQ(std::this_thread::get_id(), own);
      ++calls;
    });
  });
  EXPECT_EQ(calls, 64);
}

TEST(ThreadTeam, ManyCallersAtOnce) {
  constexpr std::size_t kCallers = 24;  // more than the team has places for
  std::vector<std::size_t> sums(kCallers, 0);
  {
    std::vector<std::jthread> callers;
    for (std::size_t c = 0; c < kCallers; ++c) {
      callers.emplace_back([&sums, c] {
        for (int round = 0; round < 100; ++round) {
          std::atomic<std::size_t> sum = 0;
          parallel_for(50, 3, [&](std::size_t i) { sum += i; });
          sums[c] += sum;
        }
      });
    }
  }
  for (const std::size_t sum : sums) EXPECT_EQ(sum, std::size_t{100} * 1225);
}

TEST(ThreadTeam, SleepingThreadsAreWoken) {
  for (int round = 0; round < 20; ++round) {
    std::atomic<int> calls = 0;
    parallel_for(4, 2, [&](std::size_t) { ++calls; });
    EXPECT_EQ(calls, 4);
    std::this_thread::sleep_for(1ms);  // longer than they watch for work
  }
}

TEST(ThreadTeam, RangesCoverTheCount) {
  std::vector<std::atomic<int>> calls(103);
  parallel_for_ranges(103, 10, 3, [&](std::size_t begin, std::size_t end) {
    ASSERT_LE(end - begin, std::size_t{10});
    for (std::size_t i = begin; i < end; ++i) ++calls[i];
  });
  EXPECT_TRUE(std::ranges::all_of(calls, [](const auto& n) { return n == 1; }));
}

}  // namespace
}  // namespace visionpress
