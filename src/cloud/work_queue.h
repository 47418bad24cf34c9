#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "visionpress/result.h"

namespace visionpress {

/// Threads that do jobs in the order in which they came.
class WorkQueue {
 public:
  /// worker: which thread runs it, from 0. Must not throw.
  using Job = std::function<void(std::size_t worker)>;

  /// errors: Internal when the system gives no more threads.
  [[nodiscard]] static Result<std::unique_ptr<WorkQueue>> create(std::size_t threads);
  WorkQueue(const WorkQueue&) = delete;
  WorkQueue& operator=(const WorkQueue&) = delete;
  /// Ends when what was posted is done.
  ~WorkQueue();

  void post(Job job);

 private:
  WorkQueue() = default;
  void work(std::size_t worker);

  std::mutex mutex_ = {};
  std::condition_variable changed_ = {};
  std::deque<Job> jobs_ = {};
  bool ending_ = false;
  std::vector<std::thread> threads_ = {};
};

}  // namespace visionpress
