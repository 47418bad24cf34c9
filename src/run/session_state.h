#pragma once

// A session's buffers, for one run at a time, and the run itself.

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/stop.h"
#include "run/aligned_bytes.h"
#include "run/codes.h"
#include "run/execution_plan.h"
#include "run/executor.h"

namespace visionpress {

struct Session::Impl {
  explicit Impl(std::shared_ptr<const ExecutionPlan> shared_plan);

  /// inputs: one per input of the graph. times: if not null, what each step took.
  Result<void> run(std::span<const std::span<const float>> inputs, const Stop& stop,
                   std::vector<StepTime>* times = nullptr);

  std::vector<OutputView> outputs = {};

 private:
  /// The sizes and values of a tensor that the plan could not know.
  struct Found {
    Shape dims = {};                 ///< for tensors with a size of -1 in the plan
    std::vector<float> values = {};  ///< results of late steps
  };

  [[nodiscard]] Found& found(TensorId id) { return found_[static_cast<std::size_t>(id)]; }
  [[nodiscard]] const Shape& dims_of(TensorId id) const;
  [[nodiscard]] float* values_of(TensorId id);
  void load_input(TensorId id, std::span<const float> x);
  void round_to_half(TensorId id);
  /// What the tensor's buffer holds: codes, or nothing for floats.
  [[nodiscard]] std::optional<TensorCode> code_of(TensorId id) const;
  /// A run in float keeps each result of integer networks to the range of its codes.
  void clamp_results(const ExecutionPlan::Step& step);
  [[nodiscard]] Result<void> run_step(const ExecutionPlan::Step& step);
  /// Builds the step's operator for the sizes of this run, allocates its results and runs it.
  [[nodiscard]] Result<void> run_late_step(const ExecutionPlan::Step& step);
  [[nodiscard]] std::vector<InputDesc> describe_inputs(const Node& node) const;
  /// Allocates results of these sizes, which must match `planned`; -1 there matches any size.
  [[nodiscard]] Result<void> place_results(const ExecutionPlan::Step& step,
                                           const std::vector<Shape>& dims);
  [[nodiscard]] Result<void> run_operator(const Operator& op, const ExecutionPlan::Step& step,
                                          std::byte* scratch);
  /// errors: Unsupported if float32 cannot hold a step's whole numbers exactly.
  [[nodiscard]] Result<void> check_whole(const ExecutionPlan::Step& step,
                                         const std::vector<const float*>& inputs);
  void view_outputs();

  std::shared_ptr<const ExecutionPlan> plan_;
  AlignedBytes arena_ = {};
  AlignedBytes scratch_ = {};
  AlignedBytes late_scratch_ = {};
  std::size_t late_scratch_bytes_ = 0;
  std::vector<std::optional<ActivationRange>> ranges_ = {};
  std::vector<Found> found_ = {};  ///< by TensorId; empty where the plan knows all sizes
  /// outputs whose physical order differs from the graph's, converted to the graph's order, and
  /// outputs of codes as values
  std::vector<std::vector<float>> logical_ = {};
};

}  // namespace visionpress
