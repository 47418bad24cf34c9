#pragma once

/// Answers Custom Vision's prediction calls on this machine, so that an application moves there by
/// changing its endpoint.

#include <memory>
#include <string>
#include <vector>

#include "visionpress/result.h"
#include "visionpress/vocabulary.h"

namespace visionpress {

struct ServeOptions {
  std::string host = "127.0.0.1";  ///< address or name to listen on; others can reach "0.0.0.0"
  int port = 0;                    ///< 0: one that is free
  /// One of them must come with each call (header Prediction-Key); none: anybody may call.
  std::vector<std::string> keys = {};
  bool fetches_urls = false;  ///< takes {"url": ...} bodies and fetches from public addresses
  std::string labels =
      {};  ///< label file; empty: in the model, then labels.txt or NAME_labels.txt beside it
  float probability = 0.01F;  ///< detections above it are answered; the service's own limit
  float nms_iou = 0.45F;      ///< overlap above which the weaker box of a tag is dropped
  std::size_t max_detections = 100;
  Arithmetic arithmetic = Arithmetic::Runtime;
  PreprocessOptions preprocess = {};
  int threads = 0;       ///< of all runs together; 0: one a core
  int workers = 0;       ///< images looked at at the same time, which share the threads; 0: as many
  int connections = 64;  ///< images received or looked at at the same time; further ones wait
  double receive_seconds = 30.0;  ///< from a request's first byte to its last
  double answer_seconds = 60.0;   ///< from there to its answer; then the work is given up
};

/// Serves from threads of its own until `stop`. These inherit the caller's signal mask; what the
/// process does about signals stays as it is.
class PredictionServer {
 public:
  /// Loads the model and listens. errors: of the model and label file, naming them; Unsupported for
  /// a model that is neither detector nor classifier; InvalidArgument, Output (it cannot listen),
  /// Internal (there are no threads for it).
  [[nodiscard]] static Result<PredictionServer> start(const std::string& model,
                                                      const ServeOptions& options);
  PredictionServer(PredictionServer&&) noexcept;
  PredictionServer& operator=(PredictionServer&&) noexcept;
  ~PredictionServer();

  /// "http://127.0.0.1:8000"
  [[nodiscard]] const std::string& address() const;
  /// The model, its task, how images are preprocessed and with which arithmetic it runs, one line.
  [[nodiscard]] const std::string& description() const;
  /// What opening the model had to say.
  [[nodiscard]] const std::vector<std::string>& warnings() const;
  /// Takes no more requests, gives those that have begun 0.6 seconds, ends them and returns.
  void stop();

 private:
  struct Impl;
  explicit PredictionServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace visionpress
