#pragma once

// Runs a Graph. An Executor is prepared once for one input shape; all its Sessions share the
// weights.

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/stop.h"
#include "model/graph.h"
#include "model/output_view.h"
#include "visionpress/result.h"
#include "visionpress/vocabulary.h"

namespace visionpress {

struct ExecutorOptions {
  Arithmetic arithmetic = Arithmetic::Runtime;
  int threads = 0;         ///< per run; 0: one per core
  Shape input_shape = {};  ///< in the graph's layout; empty: the file's shape with batch 1
  /// The graph is a part of a network: it has any number of inputs, all of known shape.
  bool is_part = false;
};

class Session;

class Executor {
 public:
  /// Decodes the weights and plans the run. The graph and its mapped file must outlive the
  /// executor: a session with another number of threads packs the weights again.
  /// errors: Unsupported, naming every layer that cannot be run in one message.
  [[nodiscard]] static Result<Executor> create(const Graph& graph, const ExecutorOptions& options);

  Executor(Executor&&) noexcept;
  Executor& operator=(Executor&&) noexcept;
  ~Executor();

  [[nodiscard]] const Shape& input_shape() const;
  /// "float32", "float16 activations", "LiteRT XNNPACK int8", "LiteRT builtin int8"
  [[nodiscard]] const std::string& arithmetic_name() const;
  /// Allocates the buffers for one run at a time; use one session per thread. The executor must
  /// outlive the session.
  /// threads: per run of this session; 0: the executor's number.
  [[nodiscard]] Result<Session> make_session(int threads = 0) const;

 private:
  friend class Session;
  struct Impl;
  explicit Executor(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// What one step of a run took.
struct StepTime {
  std::string place = {};  ///< of its first node
  std::string type = {};   ///< the node's, in the file's words
  double milliseconds = 0.0;
  double processor_milliseconds = 0.0;  ///< of all threads
};

class Session {
 public:
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  ~Session();

  /// input: row-major in the graph's layout ([1,H,W,C] or [1,C,H,W]), with pixels in the range that
  /// the model expects.
  /// errors: InvalidArgument if the size differs from input_shape; Malformed, naming the node, if a
  /// value does not fit the node's other inputs (an index outside its tensor); Internal if `stop`
  /// was due between two layers.
  [[nodiscard]] Result<void> run(std::span<const float> input, const Stop& stop = {});
  /// The same for a graph of several inputs (ExecutorOptions::is_part), in their order.
  [[nodiscard]] Result<void> run_part(std::span<const std::span<const float>> inputs);
  [[nodiscard]] const std::vector<OutputView>& outputs() const;

  /// Runs and measures each step, for benches.
  [[nodiscard]] Result<std::vector<StepTime>> time_steps(std::span<const float> input);

 private:
  friend class Executor;
  struct Impl;
  explicit Session(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace visionpress
