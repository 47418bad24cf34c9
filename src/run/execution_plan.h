#pragma once

// What a run does, decided once: the operators in order, and where each tensor lies in memory.

#include <cstddef>
#include <memory>
#include <vector>

#include "run/executor.h"
#include "run/operator.h"

namespace visionpress {

/// Everything a run needs for one number of threads. Sessions share it; it holds no state of a run.
struct ExecutionPlan {
  /// One operator and the tensors it reads and writes.
  struct Step {
    std::unique_ptr<Operator> op = {};
    std::vector<TensorId> inputs = {};
    std::vector<TensorId> outputs = {};
  };

  /// Where a tensor's values are during a run.
  struct Place {
    Shape dims = {};  ///< physical order; of tensors that are known
    bool is_known = false;
    std::size_t offset = 0;           ///< in the arena, of activations
    const float* constant = nullptr;  ///< of constants
  };

  int threads = 1;
  std::vector<Step> steps = {};
  std::vector<Place> places = {};  ///< by TensorId
  std::vector<std::vector<float>> constants = {};
  std::size_t arena_bytes = 0;
  std::size_t scratch_bytes = 0;
  bool is_hybrid = false;  ///< one of its operators multiplies 8-bit integers

  [[nodiscard]] const Place& place(TensorId id) const {
    return places[static_cast<std::size_t>(id)];
  }
};

/// graph: has one input, of shape `input` in the graph's layout, and no Unsupported node.
/// errors: of the operators' builders, with the node's path.
[[nodiscard]] Result<ExecutionPlan> make_execution_plan(const Graph& graph,
                                                        const ExecutorOptions& options,
                                                        const Shape& input, int threads);

}  // namespace visionpress
