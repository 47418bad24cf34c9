#include "visionpress/serve.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <unordered_map>

#include "base/error.h"
#include "base/parallel.h"
#include "base/thread_probe.h"
#include "cloud/prediction_endpoint.h"
#include "eval/image.h"
#include "infer/model_runner.h"
#include "infer/read_output.h"

namespace visionpress {
namespace {

/// The service's limit for one side of an image, in pixels.
constexpr int kLongestSide = 10240;

/// Limit of memory for decoding one request's picture: the pixels of the largest one and some more.
/// A progressive JPEG takes up to three times its pixels, so its limit is a third of their number.
constexpr std::uint64_t kPictureBytes = std::uint64_t{320} << 20;

using Found = Result<std::vector<EndpointPrediction>>;

/// Runs the model on images. Each of the endpoint's workers has its own session and input, since a
/// session that moved between threads would leave buffers in each.
class ImageReader {
 public:
  static Result<std::unique_ptr<ImageReader>> create(const ModelRunner& runner,
                                                     const ReadOutputOptions& options,
                                                     std::size_t workers, int threads_each) {
    auto reader = std::make_unique<ImageReader>(runner, options);
    for (std::size_t i = 0; i < workers; ++i) {
      VP_ASSIGN_OR_RETURN(Session session, runner.executor->make_session(threads_each));
      reader->places_.push_back(
          {std::move(session), std::vector<float>(runner.preprocess.value_count())});
    }
    for (std::size_t i = 0; i < runner.labels.size(); ++i) {
      reader->lines_.try_emplace(runner.labels[i], static_cast<int>(i));
    }
    return reader;
  }

  ImageReader(const ModelRunner& runner, const ReadOutputOptions& options)
      : runner_(runner), options_(options) {}

  /// bytes: an image file. A worker decodes the image here, so that memory holds at most one
  /// picture per worker.
  Found look_at(Bytes bytes, std::size_t worker, const Stop& stop) {
    VP_ASSIGN_OR_RETURN(const ImageSize size, read_image_size(bytes));
    if (std::max(size.width, size.height) > kLongestSide) {
      return fail(ErrorKind::InvalidArgument, "the image is {}x{} pixels, sides go up to {}",
                  size.width, size.height, kLongestSide);
    }
    DecodeLimits limits;
    limits.max_bytes = kPictureBytes;
    limits.deadline = stop.deadline;
    limits.cancelled = stop.cancelled;
    Place& place = places_[worker];
    Seen seen = {};
    {
      VP_ASSIGN_OR_RETURN(const Image image, decode_image(bytes, limits));
      seen.size = {image.width, image.height};
      seen.placement = apply_preprocess(runner_.preprocess, view_image(image), place.input);
    }
    if (const auto ran = place.session.run(place.input, stop); !ran) {
      return fail(ErrorKind::Internal, "{}", ran.error().message);
    }
    return read_predictions(place.session.outputs(), seen);
  }

 private:
  struct Place {
    Session session;
    std::vector<float> input = {};
  };

  [[nodiscard]] Found read_predictions(const std::vector<OutputView>& outputs,
                                       const Seen& seen) const {
    if (count_not_finite(runner_, outputs) > 0) {
      return fail(ErrorKind::Internal, "the network gives NaN or infinity for this image");
    }
    std::vector<EndpointPrediction> found;
    for (Prediction& p : read_output(runner_, outputs, seen, options_)) {
      if (!std::isfinite(p.probability + p.left + p.top + p.width + p.height)) {
        return fail(ErrorKind::Internal, "the network gives a box without an end for this image");
      }
      EndpointPrediction prediction;
      prediction.tag_index = find_line(p.tag);
      prediction.tag = std::move(p.tag);
      prediction.probability = p.probability;
      if (runner_.task == ModelTask::Detection) {
        const ImageSize& size = seen.size;
        prediction.box = {p.left / size.width, p.top / size.height, p.width / size.width,
                          p.height / size.height};
      }
      found.push_back(std::move(prediction));
    }
    return found;
  }

  /// A tag without a line in the label file is named "class N".
  [[nodiscard]] int find_line(const std::string& tag) const {
    const auto line = lines_.find(tag);
    if (line != lines_.end()) return line->second;
    int number = 0;
    const std::size_t digits = tag.find_last_not_of("0123456789") + 1;
    std::from_chars(tag.data() + digits, tag.data() + tag.size(), number);
    return number;
  }

  const ModelRunner& runner_;
  const ReadOutputOptions options_;
  std::vector<Place> places_ = {};
  std::unordered_map<std::string, int> lines_ = {};  ///< the line of each tag in the label file
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
  constexpr int kMostThreads = 1024;  // a choice: beyond any machine's cores
  if (options.threads < 0 || options.threads > kMostThreads || options.workers < 0 ||
      options.workers > kMostThreads || options.connections < 1 ||
      options.connections > kMostThreads) {
    return fail(ErrorKind::InvalidArgument,
                "threads, workers and connections are {}, {} and {}, expected at most {}, and at "
                "least 1 connection",
                options.threads, options.workers, options.connections, kMostThreads);
  }
  constexpr double kLongestWait = 3600.0;
  for (const auto& [name, seconds] : {std::pair{"receive-seconds", options.receive_seconds},
                                      std::pair{"answer-seconds", options.answer_seconds}}) {
    if (!(seconds >= 0.1 && seconds <= kLongestWait)) {
      return fail(ErrorKind::InvalidArgument, "{} is {:g}, expected 0.1 to {:g}", name, seconds,
                  kLongestWait);
    }
  }
  return {};
}

}  // namespace

struct PredictionServer::Impl {
  ModelRunner runner = {};
  std::unique_ptr<ImageReader> reader = nullptr;
  std::unique_ptr<PredictionEndpoint> endpoint = nullptr;  // uses the reader, so it ends first
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
  // Ask before the model is read. The server itself needs one more.
  const int team = workers * threads_each;
  if (!can_start_threads(static_cast<std::size_t>(team) + 1)) {
    return fail(ErrorKind::Internal, "cannot start {} threads (ulimit -u?)", team + 1);
  }
  auto impl = std::make_unique<Impl>();
  VP_ASSIGN_OR_RETURN(impl->runner, ModelRunner::create(model, {.labels = options.labels,
                                                                .arithmetic = options.arithmetic,
                                                                .preprocess = options.preprocess,
                                                                .crops = false,
                                                                .threads = threads_each}));
  if (impl->runner.task == ModelTask::Raw) {
    return fail_in(model, ErrorKind::Unsupported,
                   "neither detector nor classifier, so there are no predictions to serve");
  }
  const ReadOutputOptions read = {.probability = options.probability,
                                  .nms_iou = options.nms_iou,
                                  .max_detections = options.max_detections,
                                  .top = 0};
  const auto worker_count = static_cast<std::size_t>(workers);
  VP_ASSIGN_OR_RETURN(impl->reader,
                      ImageReader::create(impl->runner, read, worker_count, threads_each));
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
  endpoint.answer_seconds = options.answer_seconds;
  endpoint.workers = worker_count;
  const auto look_at = [reader = impl->reader.get()](Bytes image, std::size_t worker,
                                                     const Stop& stop) {
    return reader->look_at(image, worker, stop);
  };
  VP_ASSIGN_OR_RETURN(impl->endpoint, PredictionEndpoint::start(endpoint, look_at));
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
