#include "cloud/work_queue.h"

#include <system_error>
#include <utility>

#include "base/error.h"

namespace visionpress {

Result<std::unique_ptr<WorkQueue>> WorkQueue::create(std::size_t threads) {
  std::unique_ptr<WorkQueue> queue(new WorkQueue);
  try {
    for (std::size_t i = 0; i < threads; ++i) {
      queue->threads_.emplace_back([&self = *queue, i] { self.work(i); });
    }
  } catch (const std::system_error& error) {
    return fail(ErrorKind::Internal, "cannot start thread {} of {}: {}", queue->threads_.size() + 1,
                threads, error.what());
  }
  return queue;
}

WorkQueue::~WorkQueue() {
  {
    const std::scoped_lock lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void WorkQueue::post(Job job) {
  {
    const std::scoped_lock lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  changed_.notify_one();
}

void WorkQueue::work(std::size_t worker) {
  while (true) {
    Job job;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return ending_ || !jobs_.empty(); });
      if (jobs_.empty()) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    job(worker);
  }
}

}  // namespace visionpress
