#pragma once

// The plan of a run, made once: the operators in order, and the place of each tensor in memory.

#include <cstddef>
#include <memory>
#include <vector>

#include "run/executor.h"
#include "run/operator.h"

namespace visionpress {

/// Everything that runs with one number of threads need. Sessions share it, because it holds no
/// state of a run.
struct ExecutionPlan {
  /// One operator and the tensors it reads and writes. If an input size is known only during the
  /// run, it is a late step: `op` is null and the session builds the node's operator in each run.
  struct Step {
    const Node* node = nullptr;  ///< borrowed from the graph; the first node of a fused step
    std::unique_ptr<Operator> op = {};
    std::vector<TensorId> inputs = {};
    std::vector<TensorId> outputs = {};
    bool is_whole = false;  ///< it computes whole numbers, which a run checks (whole_numbers.h)
  };

  /// Where a tensor's values are during a run.
  struct Place {
    Shape dims = {};  ///< physical order; valid if is_known; -1: known only during a run
    bool is_known = false;
    bool is_late = false;             ///< written by a late step, into memory of the session
    std::size_t capacity = 0;         ///< size of its room in the arena, in values
    std::size_t offset = 0;           ///< activations only: position in the arena
    const float* constant = nullptr;  ///< constants only: the values
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
  bool holds_codes = false;     ///< buffers of 8-bit activations hold codes (codes.h)
  bool is_hybrid = false;       ///< at least one operator multiplies 8-bit integers
  bool is_winograd = false;     ///< at least one convolution is computed by Winograd's algorithm
  bool has_open_sizes = false;  ///< the sizes of at least one tensor differ between runs

  [[nodiscard]] const Place& place(TensorId id) const {
    return places[static_cast<std::size_t>(id)];
  }
};

/// Checks the size of a result. errors: Malformed, naming the shape, for a size that no image model
/// has.
[[nodiscard]] Result<void> check_result_size(const Shape& dims, bool may_be_empty);

/// graph: has one input, of shape `input` in the graph's layout, and no Unsupported node.
/// errors: those of the operators' builders, with the node's path.
[[nodiscard]] Result<ExecutionPlan> make_execution_plan(const Graph& graph,
                                                        const ExecutorOptions& options,
                                                        const Shape& input, int threads);

}  // namespace visionpress
