#pragma once

// Custom Vision's prediction service on this machine. It knows no model: a callback looks at the
// images.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/stop.h"
#include "cloud/prediction_request.h"
#include "visionpress/result.h"

namespace visionpress {

/// Looks at one image file. worker: below EndpointOptions::workers; a thread has always the same
/// one, and it is called from all of them at the same time. Gives up when `stop` is due.
/// returns: strongest first. errors: Malformed, Unsupported and Io are the image's;
/// InvalidArgument: its sides are too long; the others are ours.
using PredictImage = std::function<Result<std::vector<EndpointPrediction>>(
    Bytes image, std::size_t worker, const Stop& stop)>;

struct EndpointOptions {
  std::string host = "127.0.0.1";
  int port = 0;  ///< 0: one that is free
  Task task = Task::Detection;
  std::string model = {};              ///< a name, for /health and the page
  std::vector<std::string> keys = {};  ///< one of them must be sent; none: anybody may ask
  bool fetches_urls = false;           ///< takes {"url": ...} bodies, of public addresses
  std::size_t workers = 1;             ///< images looked at at the same time
  int connections = 64;
  double receive_seconds = 30.0;  ///< from a request's first byte to its last
  double answer_seconds = 60.0;   ///< from there to its answer
};

class PredictionEndpoint {
 public:
  /// Listens and answers from threads of its own. errors: Output when it cannot listen there,
  /// Internal when there are too few threads, InvalidArgument for an empty key.
  [[nodiscard]] static Result<std::unique_ptr<PredictionEndpoint>> start(
      const EndpointOptions& options, PredictImage predict);
  PredictionEndpoint(const PredictionEndpoint&) = delete;
  PredictionEndpoint& operator=(const PredictionEndpoint&) = delete;
  ~PredictionEndpoint();

  [[nodiscard]] int port() const;
  /// Gives what has begun 0.6 seconds, ends it and returns when nothing runs any more.
  void stop();

 private:
  struct Impl;
  explicit PredictionEndpoint(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace visionpress
