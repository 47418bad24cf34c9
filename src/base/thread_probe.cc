#include "base/thread_probe.h"

#include <condition_variable>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

namespace visionpress {

bool can_start_threads(std::size_t count) {
  std::mutex mutex;
  std::condition_variable changed;
  bool ending = false;
  std::vector<std::thread> threads;
  bool all = true;
  try {
    threads.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      threads.emplace_back([&] {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&ending] { return ending; });  // all of them at the same time
      });
    }
  } catch (const std::system_error&) {
    all = false;
  } catch (const std::bad_alloc&) {
    all = false;
  }
  {
    const std::scoped_lock lock(mutex);
    ending = true;
  }
  changed.notify_all();
  for (std::thread& thread : threads) thread.join();
  return all;
}

}  // namespace visionpress
