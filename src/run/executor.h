#pragma once

// Runs a Graph. Compiled once for one input shape; the weights are shared by every Session.

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
  int threads = 0;         ///< of one run; 0: one a core
  Shape input_shape = {};  ///< in the graph's layout; empty: the file's own (batch 1)
};

class Session;

class Executor {
 public:
  /// Decodes the weights and plans the run. The graph and its mapped file must outlive the
  /// executor: sessions with another number of threads pack the weights anew. errors: Unsupported
  /// naming every layer that cannot be run, in one message.
  [[nodiscard]] static Result<Executor> create(const Graph& graph, const ExecutorOptions& options);

  Executor(Executor&&) noexcept;
  Executor& operator=(Executor&&) noexcept;
  ~Executor();

  [[nodiscard]] const Shape& input_shape() const;
  /// "float32", "float16 activations", "LiteRT XNNPACK int8", "LiteRT builtin int8"
  [[nodiscard]] const std::string& arithmetic_name() const;
  /// Buffers for one run at a time; a thread each. The executor must outlive it.
  /// threads: of that session's runs; 0: the executor's.
  [[nodiscard]] Result<Session> make_session(int threads = 0) const;

 private:
  friend class Session;
  struct Impl;
  explicit Executor(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

class Session {
 public:
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  ~Session();

  /// input: row-major in the graph's layout ([1,H,W,C] or [1,C,H,W]), pixels as the model wants
  /// them. errors: InvalidArgument when the size differs from input_shape; Malformed, naming the
  /// node, when values do not fit its other inputs (an index outside its tensor); Internal when
  /// `stop` was due between two layers.
  [[nodiscard]] Result<void> run(std::span<const float> input, const Stop& stop = {});
  [[nodiscard]] const std::vector<OutputView>& outputs() const;

 private:
  friend class Executor;
  struct Impl;
  explicit Session(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace visionpress
