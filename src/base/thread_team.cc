#include "base/thread_team.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <new>
#include <string_view>
#include <system_error>
#include <thread>

#include <sched.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "base/parallel.h"

namespace visionpress {
namespace {

constexpr std::size_t kMostThreads = 256;
// Loops that run at the same time, each of another calling thread. One more runs on its caller.
constexpr std::size_t kSlots = 16;
constexpr std::size_t kCacheLine = 64;

void pause_briefly() {
#if defined(__x86_64__)
  _mm_pause();
#else
  std::atomic_signal_fence(std::memory_order_seq_cst);
#endif
}

/// Watches for `is_done` for kSpinMicroseconds.  returns: whether it came true.
template <typename Condition>
bool spin_until(const Condition& is_done) {
  constexpr int kLooks = 16;  // between two looks at the clock
  const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(kSpinMicroseconds);
  do {
    for (int i = 0; i < kLooks; ++i) {
      if (is_done()) return true;
      pause_briefly();
    }
  } while (std::chrono::steady_clock::now() < end);
  return false;
}

/// A loop that threads may join. The fields of a closed slot belong to its caller.
struct alignas(kCacheLine) Slot {
  std::atomic<std::size_t> next = 0;    ///< piece
  std::atomic<std::size_t> joined = 0;  ///< the next thread's number in the loop; 0 is the caller's
  std::size_t threads = 0;              ///< that may work on it
  TeamLoop loop = {};
  /// Threads of the team that look at the loop or work on it. The caller closes the slot and then
  /// waits for none to be left: a thread counts itself before it looks whether the slot is open.
  std::atomic<std::uint32_t> inside = 0;
  std::atomic<bool> taken = false;
  std::atomic<bool> open = false;

  void work(std::size_t worker) {
    for (;;) {
      const std::size_t i = next.fetch_add(1, std::memory_order_relaxed);
      if (i >= loop.count) return;
      loop.call(loop.body, i, worker);
    }
  }
};

/// Whether this thread is within a piece of a loop.
thread_local bool is_working = false;

class Team {
 public:
  /// Never destroyed: its threads may still sleep when the program ends.
  static Team& instance() {
    static auto* team = new Team;
    return *team;
  }

  void run(const TeamLoop& loop, std::size_t threads) {
    Slot* slot = take_slot();
    if (slot == nullptr) {
      for (std::size_t i = 0; i < loop.count; ++i) loop.call(loop.body, i, 0);
      return;
    }
    slot->loop = loop;
    slot->threads = threads;
    slot->next.store(0, std::memory_order_relaxed);
    slot->joined.store(1, std::memory_order_relaxed);
    const std::size_t others = threads - 1;
    hire(wanted_.fetch_add(others) + others);
    slot->open.store(true);
    call_others(others);
    is_working = true;
    slot->work(0);
    is_working = false;
    slot->open.store(false);
    wait_for_others(*slot);
    wanted_.fetch_sub(others);
    slot->taken.store(false, std::memory_order_release);
  }

 private:
  Slot* take_slot() {
    for (Slot& slot : slots_) {
      if (!slot.taken.load(std::memory_order_relaxed) && !slot.taken.exchange(true)) return &slot;
    }
    return nullptr;
  }

  /// Starts threads until there are `wanted`, or as many as the system gives.
  void hire(std::size_t wanted) {
    wanted = std::min(wanted, kMostThreads);
    if (hired_.load(std::memory_order_acquire) >= wanted) return;
    const std::scoped_lock lock(hiring_);
    try {
      while (hired_.load(std::memory_order_relaxed) < wanted) {
        std::thread([this] { live(); }).detach();
        hired_.fetch_add(1, std::memory_order_release);
      }
    } catch (const std::system_error&) {  // no thread left: those that are there do the work
    } catch (const std::bad_alloc&) {
    }
  }

  /// Tells threads of the team that there is a loop. Those that watch see it by themselves.
  void call_others(std::size_t others) {
    calls_.fetch_add(1);
    for (std::size_t asleep = std::min<std::size_t>(sleeping_.load(), others); asleep > 0; --asleep)
      calls_.notify_one();
  }

  static void wait_for_others(Slot& slot) {
    if (spin_until([&slot] { return slot.inside.load() == 0; })) return;
    for (auto left = slot.inside.load(); left != 0; left = slot.inside.load())
      slot.inside.wait(left);
  }

  /// returns: whether there was a loop to join
  bool join_any() {
    for (Slot& slot : slots_) {
      if (!slot.open.load(std::memory_order_relaxed)) continue;
      slot.inside.fetch_add(1);
      std::size_t worker = 0;
      const bool joins = slot.open.load() && (worker = slot.joined.fetch_add(1)) < slot.threads;
      if (joins) slot.work(worker);
      if (slot.inside.fetch_sub(1) == 1) slot.inside.notify_one();
      if (joins) return true;
    }
    return false;
  }

  [[noreturn]] void live() {
    is_working = true;
    for (;;) {
      const std::uint32_t calls = calls_.load();
      if (join_any()) continue;
      if (spin_until([&] { return calls_.load(std::memory_order_relaxed) != calls; })) continue;
      sleeping_.fetch_add(1);
      calls_.wait(calls);
      sleeping_.fetch_sub(1);
    }
  }

  std::array<Slot, kSlots> slots_ = {};
  alignas(kCacheLine) std::atomic<std::uint32_t> calls_ = 0;
  std::atomic<std::uint32_t> sleeping_ = 0;
  std::atomic<std::size_t> wanted_ = 0;  ///< threads that the loops of this moment may use
  std::atomic<std::size_t> hired_ = 0;
  std::mutex hiring_ = {};
};

}  // namespace

int default_thread_count() {
  static const int count = [] {
    const char* text = std::getenv("OMP_NUM_THREADS");
    const std::string_view asked = text == nullptr ? std::string_view() : text;
    int number = 0;
    const auto [end, error] = std::from_chars(asked.data(), asked.data() + asked.size(), number);
    if (error == std::errc() && number > 0) return std::min<int>(number, kMostThreads);
    cpu_set_t cores;
    CPU_ZERO(&cores);
    if (::sched_getaffinity(0, sizeof(cores), &cores) == 0) return std::max(CPU_COUNT(&cores), 1);
    return std::max(static_cast<int>(std::thread::hardware_concurrency()), 1);
  }();
  return count;
}

int threads_worth(std::size_t operations, int threads) {
  constexpr std::size_t kLeast = 25'000;  // source: bench/networks, two threads on two cores
  return operations < kLeast ? 1 : threads;
}

void run_on_team(const TeamLoop& loop, std::size_t threads) noexcept {
  threads = std::min(threads, loop.count);
  if (is_working || threads <= 1) {
    for (std::size_t i = 0; i < loop.count; ++i) loop.call(loop.body, i, 0);
    return;
  }
  Team::instance().run(loop, threads);
}

}  // namespace visionpress
