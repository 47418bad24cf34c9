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
  int port = 0;                    ///< 0: any free port
  /// Each call must carry one of these keys (header Prediction-Key). Empty: anybody may call.
  std::vector<std::string> keys = {};
  bool fetches_urls = false;  ///< accepts {"url": ...} bodies and fetches from public addresses
  std::string labels =
      {};  ///< label file; empty: in the model, then labels.txt or NAME_labels.txt next to it
  float probability = 0.01F;  ///< detections above this are answered; the service's own limit
  float nms_iou = 0.45F;      ///< overlap above which the weaker box of a tag is dropped
  std::size_t max_detections = 100;
  Arithmetic arithmetic = Arithmetic::Runtime;
  PreprocessOptions preprocess = {};
  int threads = 0;       ///< shared by all runs; 0: one per core
  int workers = 0;       ///< images processed at the same time, sharing the threads; 0: as many
  int connections = 64;  ///< images received or processed at the same time; others wait
  double receive_seconds = 30.0;  ///< from a request's first byte to its last
  double answer_seconds = 60.0;   ///< from the last byte to the answer; then the work is cancelled
};

/// Serves on its own threads until `stop`. The threads inherit the caller's signal mask; the
/// process's signal handlers are left as they are.
class PredictionServer {
 public:
  /// Loads the model and listens. errors: of the model and label file, naming them; Unsupported for
  /// a model that is neither detector nor classifier; InvalidArgument, Output (cannot listen),
  /// Internal (cannot start its threads).
  [[nodiscard]] static Result<PredictionServer> start(const std::string& model,
                                                      const ServeOptions& options);
  PredictionServer(PredictionServer&&) noexcept;
  PredictionServer& operator=(PredictionServer&&) noexcept;
  ~PredictionServer();

  /// "http://127.0.0.1:8000"
  [[nodiscard]] const std::string& address() const;
  /// The model, its task, how images are preprocessed and with which arithmetic it runs, one line.
  [[nodiscard]] const std::string& description() const;
  /// Warnings from opening the model.
  [[nodiscard]] const std::vector<std::string>& warnings() const;
  /// Accepts no more requests, gives running ones 0.6 seconds to finish, ends them and returns.
  void stop();

 private:
  struct Impl;
  explicit PredictionServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace visionpress
