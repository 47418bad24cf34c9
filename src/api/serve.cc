#include "visionpress/serve.h"

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <deque>
#include <exception>
#include <filesystem>
#include <functional>
#include <future>
#include <mutex>
#include <thread>

#include "api/model_runner.h"
#include "api/read_output.h"
#include "base/error.h"
#include "base/parallel.h"
#include "cloud/prediction_endpoint.h"
#include "eval/image.h"

namespace visionpress {
namespace {

/// The service's own limit for a side. It also keeps what one request can make us allocate to a
/// third of a gigabyte.
constexpr int kLongestSide = 10240;

using Found = Result<std::vector<EndpointPrediction>>;

/// A thread for each session, since a session that wandered between threads would leave buffers in
/// each. Images wait in the order in which they came.
class SessionPool {
 public:
  static Result<std::unique_ptr<SessionPool>> create(const ModelRunner& runner,
                                                     const ReadOutputOptions& options, int workers,
                                                     int threads_each) {
    auto pool = std::make_unique<SessionPool>(runner, options);
    std::vector<Session> sessions;
    for (int i = 0; i < workers; ++i) {
      VP_ASSIGN_OR_RETURN(Session session, runner.executor->make_session(threads_each));
      sessions.push_back(std::move(session));
    }
    for (Session& session : sessions) {
      pool->threads_.emplace_back(
          [&self = *pool, session = std::move(session)]() mutable { self.work(session); });
    }
    return pool;
  }

  SessionPool(const ModelRunner& runner, const ReadOutputOptions& options)
      : runner_(runner), options_(options) {}
  SessionPool(const SessionPool&) = delete;
  SessionPool& operator=(const SessionPool&) = delete;
  ~SessionPool() {
    {
      const std::scoped_lock lock(mutex_);
      ending_ = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  /// Waits for the result. bytes: an image file, borrowed for the call.
  Found look_at(Bytes bytes) {
    Job job;
    job.bytes = bytes;
    std::future<Found> found = job.found.get_future();
    {
      const std::scoped_lock lock(mutex_);
      jobs_.push_back(std::move(job));
    }
    changed_.notify_one();
    return found.get();
  }

 private:
  struct Job {
    Bytes bytes = {};
    std::promise<Found> found = {};
  };

  void work(Session& session) {
    std::vector<float> input(runner_.preprocess.value_count());
    while (true) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return ending_ || !jobs_.empty(); });
      if (jobs_.empty()) return;
      Job job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      try {
        job.found.set_value(run(session, input, job.bytes));
      } catch (const std::exception& error) {  // no memory for this image
        job.found.set_value(fail(ErrorKind::Internal, "the image was not run: {}", error.what()));
      }
    }
  }

  Found run(Session& session, std::span<float> input, Bytes bytes) const {
    // Decoded here and not where it was received, so that at most a worker's number of pictures is
    // in memory.
    VP_ASSIGN_OR_RETURN(const ImageSize size, read_image_size(bytes));
    if (std::max(size.width, size.height) > kLongestSide) {
      return fail(ErrorKind::InvalidArgument, "the image is {}x{} pixels, sides go up to {}",
                  size.width, size.height, kLongestSide);
    }
    VP_ASSIGN_OR_RETURN(const Image image, decode_image(bytes));
    const Placement placement = apply_preprocess(runner_.preprocess, view_image(image), input);
    if (const auto ran = session.run(input); !ran) {
      return fail(ErrorKind::Internal, "{}", ran.error().message);
    }
    std::vector<EndpointPrediction> found;
    for (Prediction& p : read_output(runner_, session.outputs(),
                                     {{image.width, image.height}, placement}, options_)) {
      if (!std::isfinite(p.probability)) continue;  // JSON has no word for it
      EndpointPrediction prediction{std::move(p.tag), p.probability, std::nullopt};
      if (runner_.task == ModelTask::Detection) {
        prediction.box = {p.left / image.width, p.top / image.height, p.width / image.width,
                          p.height / image.height};
      }
      found.push_back(std::move(prediction));
    }
    return found;
  }

  const ModelRunner& runner_;
  const ReadOutputOptions options_;
  std::mutex mutex_ = {};
  std::condition_variable changed_ = {};
  std::deque<Job> jobs_ = {};
  bool ending_ = false;
  std::vector<std::thread> threads_ = {};
};

Result<void> check(const ServeOptions& options) {
  for (const double share : {options.probability, options.nms_iou}) {
    if (!(share >= 0.0 && share <= 1.0)) {
      return fail(ErrorKind::InvalidArgument, "probability or nms-iou is {:g}, expected 0 to 1",
                  share);
    }
  }
  constexpr int kMostPort = 65535;
  if (options.port < 0 || options.port > kMostPort) {
    return fail(ErrorKind::InvalidArgument, "port is {}, expected 0 to {}", options.port,
                kMostPort);
  }
  constexpr int kMostThreads = 1024;
  if (options.threads < 0 || options.threads > kMostThreads || options.workers < 0 ||
      options.workers > kMostThreads || options.connections < 1 ||
      options.connections > kMostThreads) {
    return fail(ErrorKind::InvalidArgument,
                "threads, workers and connections are {}, {} and {}, expected at most {}, and at "
                "least 1 connection",
                options.threads, options.workers, options.connections, kMostThreads);
  }
  constexpr double kLongestWait = 3600.0;
  if (!(options.receive_seconds >= 0.1 && options.receive_seconds <= kLongestWait)) {
    return fail(ErrorKind::InvalidArgument, "receive-seconds is {:g}, expected 0.1 to {:g}",
                options.receive_seconds, kLongestWait);
  }
  return {};
}

}  // namespace

struct PredictionServer::Impl {
  ModelRunner runner = {};
  std::unique_ptr<SessionPool> pool = nullptr;
  std::unique_ptr<PredictionEndpoint> endpoint = nullptr;  // asks the pool, so it ends before it
  std::string address = {};
  std::string description = {};
  std::vector<std::string> warnings = {};
};

PredictionServer::PredictionServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PredictionServer::PredictionServer(PredictionServer&&) noexcept = default;
PredictionServer& PredictionServer::operator=(PredictionServer&&) noexcept = default;
PredictionServer::~PredictionServer() = default;

Result<PredictionServer> PredictionServer::start(const std::string& model,
                                                 const ServeOptions& options) {
  VP_RETURN_IF_ERROR(check(options));
  const int threads = options.threads > 0 ? options.threads : default_thread_count();
  const int workers = options.workers > 0 ? options.workers : threads;
  const int threads_each = std::max(1, threads / workers);
  auto impl = std::make_unique<Impl>();
  VP_ASSIGN_OR_RETURN(impl->runner, ModelRunner::create(model, {.labels = options.labels,
                                                                .arithmetic = options.arithmetic,
                                                                .preprocess = options.preprocess,
                                                                .crops = false,
                                                                .threads = threads_each}));
  if (impl->runner.task == ModelTask::Raw) {
    return in_file(fail(ErrorKind::Unsupported,
                        "neither detector nor classifier, so there are no predictions to serve")
                       .value(),
                   model);
  }
  const ReadOutputOptions read = {.probability = options.probability,
                                  .nms_iou = options.nms_iou,
                                  .max_detections = options.max_detections,
                                  .top = 0};
  VP_ASSIGN_OR_RETURN(impl->pool, SessionPool::create(impl->runner, read, workers, threads_each));
  EndpointOptions endpoint;
  endpoint.host = options.host;
  endpoint.port = options.port;
  endpoint.task =
      impl->runner.task == ModelTask::Detection ? Task::Detection : Task::Classification;
  endpoint.model = std::filesystem::path(model).filename().string();
  endpoint.keys = options.keys;
  endpoint.fetches_urls = options.fetches_urls;
  endpoint.connections = options.connections;
  endpoint.receive_seconds = options.receive_seconds;
  VP_ASSIGN_OR_RETURN(impl->endpoint,
                      PredictionEndpoint::start(endpoint, [pool = impl->pool.get()](Bytes image) {
                        return pool->look_at(image);
                      }));
  const bool bare_v6 = options.host.find(':') != std::string::npos;
  impl->address = bare_v6 ? fmt::format("http://[{}]:{}", options.host, impl->endpoint->port())
                          : fmt::format("http://{}:{}", options.host, impl->endpoint->port());
  impl->warnings = list_warnings(impl->runner);
  impl->description =
      fmt::format("{}: {} of {} {}; {}; {}", endpoint.model,
                  endpoint.task == Task::Detection ? "detection" : "classification",
                  impl->runner.class_count, impl->runner.class_count == 1 ? "class" : "classes",
                  describe(impl->runner.preprocess), impl->runner.executor->arithmetic_name());
  return PredictionServer(std::move(impl));
}

const std::string& PredictionServer::address() const { return impl_->address; }

const std::string& PredictionServer::description() const { return impl_->description; }

const std::vector<std::string>& PredictionServer::warnings() const { return impl_->warnings; }

void PredictionServer::stop() { impl_->endpoint->stop(); }

}  // namespace visionpress
