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
  /// One operator and the tensors it reads and writes. Where a size that it reads is known only in
  /// the run, it is a late step: `op` is null and a session builds the node's operator each time.
  struct Step {
    const Node* node = nullptr;  ///< the graph's; of a fused step the first
    std::unique_ptr<Operator> op = {};
    std::vector<TensorId> inputs = {};
    std::vector<TensorId> outputs = {};
    bool is_whole = false;  ///< its results are whole numbers that it computes: whole_numbers.h
  };

  /// Where a tensor's values are during a run.
  struct Place {
    Shape dims = {};  ///< physical order; of tensors that are known; -1 where only a run knows
    bool is_known = false;
    bool is_late = false;             ///< written by a late step, into the session's own room
    std::size_t capacity = 0;         ///< values it has room for in the arena
    std::size_t offset = 0;           ///< in the arena, of activations
    const float* constant = nullptr;  ///< of constants
  };

  const Graph* graph = nullptr;
  Arithmetic arithmetic = Arithmetic::Runtime;
  FloatMath float_math = FloatMath::Plain;

  int threads = 1;
  std::vector<Step> steps = {};
  std::vector<Place> places = {};  ///< by TensorId
  std::vector<std::vector<float>> constants = {};
  std::size_t arena_bytes = 0;
  std::size_t scratch_bytes = 0;
  bool is_hybrid = false;       ///< one of its operators multiplies 8-bit integers
  bool has_open_sizes = false;  ///< a tensor's sizes differ from run to run

  [[nodiscard]] const Place& place(TensorId id) const {
    return places[static_cast<std::size_t>(id)];
  }
};

/// errors: Malformed for results that no image model has, with their shape.
[[nodiscard]] Result<void> check_result_size(const Shape& dims, bool may_be_empty);

/// graph: has one input, of shape `input` in the graph's layout, and no Unsupported node.
/// errors: of the operators' builders, with the node's path.
[[nodiscard]] Result<ExecutionPlan> make_execution_plan(const Graph& graph,
                                                        const ExecutorOptions& options,
                                                        const Shape& input, int threads);

}  // namespace visionpress
