#include <algorithm>
#include <chrono>
#include <ctime>
#include <utility>

#include "base/bytes.h"
#include "base/error.h"
#include "base/half.h"
#include "base/parallel.h"
#include "lower/graph_shapes.h"
#include "run/codes.h"
#include "run/operator_factory.h"
#include "run/ops/strided.h"
#include "run/session_state.h"
#include "run/whole_numbers.h"

namespace visionpress {
namespace {

bool matches(const Shape& planned, const Shape& dims) {
  return std::equal(planned.begin(), planned.end(), dims.begin(), dims.end(),
                    [](std::int64_t plan, std::int64_t size) { return plan < 0 || plan == size; });
}

bool are_empty(const std::vector<Shape>& dims) {
  return std::all_of(dims.begin(), dims.end(), [](const Shape& d) { return count_of(d) == 0; });
}

bool is_index(DType dtype) { return dtype == DType::Int32 || dtype == DType::Int64; }

}  // namespace

Session::Impl::Impl(std::shared_ptr<const ExecutionPlan> shared_plan)
    : plan_(std::move(shared_plan)) {
  const Graph& graph = *plan_->graph;
  arena_ = allocate_aligned(plan_->arena_bytes);
  scratch_ = allocate_aligned(plan_->scratch_bytes);
  ranges_.resize(plan_->places.size());
  if (plan_->has_open_sizes) found_.resize(plan_->places.size());
  logical_.resize(graph.outputs.size());
  for (const TensorId id : graph.outputs) {
    outputs.push_back(
        {graph.tensor(id).name, logical_shape(plan_->place(id).dims, graph.layout), {}});
  }
}

const Shape& Session::Impl::dims_of(TensorId id) const {
  const Shape& planned = plan_->place(id).dims;
  return is_open(planned) ? found_[static_cast<std::size_t>(id)].dims : planned;
}

float* Session::Impl::values_of(TensorId id) {
  const ExecutionPlan::Place& place = plan_->place(id);
  if (place.is_late) return found(id).values.data();
  return view_as<float>(arena_.get() + place.offset);
}

void Session::Impl::load_input(TensorId id, std::span<const float> x) {
  const Shape& dims = plan_->place(id).dims;
  if (const auto code = code_of(id)) {
    // As a caller of the runtime does, whatever its kernels are.
    quantize(x, *code, CodeRounding::Exact, view_as<std::uint8_t>(values_of(id)));
  } else if (plan_->graph->layout == Layout::ChannelsFirst && dims.size() == 4) {
    swap_layout(dims, x.data(), values_of(id), false);
  } else {
    std::copy(x.begin(), x.end(), values_of(id));
  }
  if (plan_->arithmetic == Arithmetic::Float16) round_to_half(id);
}

std::optional<TensorCode> Session::Impl::code_of(TensorId id) const {
  if (!plan_->holds_codes) return std::nullopt;
  return find_code(*plan_->graph, plan_->graph->tensor(id));
}

void Session::Impl::round_to_half(TensorId id) {
  float* x = values_of(id);
  const std::size_t count = count_of(dims_of(id));
  constexpr std::size_t kBlock = 1 << 14;
  parallel_for((count + kBlock - 1) / kBlock, plan_->threads, [&](std::size_t b) {
    for (std::size_t i = b * kBlock; i < std::min(count, (b + 1) * kBlock); ++i) {
      x[i] = half_to_float(float_to_half(x[i]));
    }
  });
}

Result<void> Session::Impl::run_operator(const Operator& op, const ExecutionPlan::Step& step,
                                         std::byte* scratch) {
  std::vector<const float*> inputs;
  std::vector<std::optional<ActivationRange>> input_ranges;
  for (const TensorId id : step.inputs) {
    const float* constant = plan_->place(id).constant;
    inputs.push_back(constant != nullptr ? constant : values_of(id));
    input_ranges.push_back(ranges_[static_cast<std::size_t>(id)]);
  }
  std::vector<float*> results;
  for (const TensorId id : step.outputs) results.push_back(values_of(id));
  RunReport report;
  const bool has_counts = !op.counted_outputs.empty();
  if (has_counts) {
    for (const Shape& dims : op.output_dims) report.counts.push_back(dims.empty() ? 1 : dims[0]);
  }
  op.run({inputs, results, scratch, input_ranges,
          &ranges_[static_cast<std::size_t>(step.outputs[0])], &report});
  VP_RETURN_IF_ERROR(std::move(report.status));
  for (std::size_t i = 0; has_counts && i < step.outputs.size(); ++i) {
    if (!op.counts(i)) continue;
    Shape& dims = found(step.outputs[i]).dims;
    dims = op.output_dims[i];
    dims[0] = report.counts[i];
  }
  if (step.is_whole) VP_RETURN_IF_ERROR(check_whole(step, inputs));
  if (!plan_->holds_codes) clamp_results(step);
  if (plan_->arithmetic == Arithmetic::Float16) {
    // Indices and counts are not activations: if they were rounded, they would name other elements.
    for (const TensorId id : step.outputs)
      if (!is_index(plan_->graph->tensor(id).dtype)) round_to_half(id);
  }
  return {};
}

void Session::Impl::clamp_results(const ExecutionPlan::Step& step) {
  for (const TensorId id : step.outputs) {
    const Tensor& tensor = plan_->graph->tensor(id);
    if (const auto code = find_code(tensor, nullptr))
      clamp_to_codes({values_of(id), count_of(dims_of(id))}, *code);
  }
}

Result<void> Session::Impl::check_whole(const ExecutionPlan::Step& step,
                                        const std::vector<const float*>& inputs) {
  for (const TensorId id : step.outputs) {
    VP_RETURN_IF_ERROR(
        check_whole_values(plan_->graph->tensor(id), {values_of(id), count_of(dims_of(id))}));
  }
  if (inputs.size() < 3 || !std::holds_alternative<Binary>(step.node->op)) return {};
  std::vector<std::span<const float>> operands;
  for (std::size_t i = 0; i < inputs.size(); ++i)
    operands.emplace_back(inputs[i], count_of(dims_of(step.inputs[i])));
  return check_whole_sum(operands);
}

Result<void> Session::Impl::run_step(const ExecutionPlan::Step& step) {
  auto ran =
      step.op != nullptr ? run_operator(*step.op, step, scratch_.get()) : run_late_step(step);
  if (!ran) return in_node(*step.node, std::move(ran).error());
  return {};
}

std::vector<InputDesc> Session::Impl::describe_inputs(const Node& node) const {
  std::vector<InputDesc> inputs;
  for (const TensorId id : node.inputs) {
    if (id == kNoTensor) {
      inputs.push_back({});
      continue;
    }
    const Tensor& tensor = plan_->graph->tensor(id);
    inputs.push_back(
        {dims_of(id), &tensor, tensor.weight ? &plan_->graph->weights[*tensor.weight] : nullptr});
  }
  return inputs;
}

Result<void> Session::Impl::place_results(const ExecutionPlan::Step& step,
                                          const std::vector<Shape>& dims) {
  for (std::size_t i = 0; i < step.outputs.size(); ++i) {
    VP_RETURN_IF_ERROR(check_result_size(dims[i], true));
    const Shape& planned = plan_->place(step.outputs[i]).dims;
    if (!matches(planned, dims[i])) {
      return fail(ErrorKind::Malformed, "result of shape {} where {} was planned",
                  to_string(dims[i]), to_string(planned));
    }
    Found& result = found(step.outputs[i]);
    result.dims = dims[i];
    result.values.resize(std::max<std::size_t>(1, count_of(dims[i])));
  }
  return {};
}

Result<void> Session::Impl::run_late_step(const ExecutionPlan::Step& step) {
  const std::vector<InputDesc> inputs = describe_inputs(*step.node);
  BuildContext context = {inputs, step.outputs.size(), plan_->graph->layout, plan_->arithmetic,
                          plan_->threads};
  context.may_be_empty = true;
  context.float_math = plan_->float_math;
  std::vector<const Tensor*> results;
  for (const TensorId id : step.outputs) results.push_back(&plan_->graph->tensor(id));
  context.outputs = results;
  // A convolution over an empty input cannot be built.
  if (has_kernel(step.node->op)) {
    VP_ASSIGN_OR_RETURN(const std::vector<Shape> dims, operator_dims(step.node->op, context));
    if (are_empty(dims)) return place_results(step, dims);
  }
  VP_ASSIGN_OR_RETURN(const auto op, make_operator(step.node->op, context));
  VP_RETURN_IF_ERROR(place_results(step, op->output_dims));
  if (are_empty(op->output_dims)) return {};
  if (op->scratch_bytes > late_scratch_bytes_) {
    late_scratch_ = allocate_aligned(op->scratch_bytes);
    late_scratch_bytes_ = op->scratch_bytes;
  }
  return run_operator(*op, step, late_scratch_.get());
}

void Session::Impl::view_outputs() {
  const Graph& graph = *plan_->graph;
  for (std::size_t i = 0; i < graph.outputs.size(); ++i) {
    const TensorId id = graph.outputs[i];
    const Shape& dims = dims_of(id);
    const float* constant = plan_->place(id).constant;
    const float* x = constant != nullptr ? constant : values_of(id);
    const std::size_t count = count_of(dims);
    if (const auto code = code_of(id)) {
      logical_[i].resize(count);
      dequantize({view_as<const std::uint8_t>(x), count}, *code, CodeRounding::Exact,
                 logical_[i].data());
      x = logical_[i].data();
    }
    if (graph.layout == Layout::ChannelsFirst && dims.size() == 4) {
      logical_[i].resize(count);
      swap_layout(dims, x, logical_[i].data(), true);
      x = logical_[i].data();
    }
    if (is_open(plan_->place(id).dims)) outputs[i].shape = logical_shape(dims, graph.layout);
    outputs[i].values = {x, count};
  }
}

Result<void> Session::Impl::run(std::span<const std::span<const float>> inputs, const Stop& stop,
                                std::vector<StepTime>* times) {
  const std::vector<TensorId>& ids = plan_->graph->inputs;
  if (inputs.size() != ids.size()) {
    return fail(ErrorKind::InvalidArgument, "{} inputs, the model takes {}", inputs.size(),
                ids.size());
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const std::size_t expected = count_of(plan_->place(ids[i]).dims);
    if (inputs[i].size() == expected) continue;
    return fail(ErrorKind::InvalidArgument, "input of {} values, the model takes {}",
                inputs[i].size(), expected);
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) load_input(ids[i], inputs[i]);
  std::fill(ranges_.begin(), ranges_.end(), std::nullopt);
  for (const ExecutionPlan::Step& step : plan_->steps) {
    if (stop.is_due()) return fail(ErrorKind::Internal, "the run was ended before it was done");
    if (times == nullptr) {
      VP_RETURN_IF_ERROR(run_step(step));
      continue;
    }
    const auto begin = std::chrono::steady_clock::now();
    const std::clock_t ticks = std::clock();
    VP_RETURN_IF_ERROR(run_step(step));
    const double cpu = static_cast<double>(std::clock() - ticks) * 1e3 / CLOCKS_PER_SEC;
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
    times->push_back({step.node->path, step.node->source_type, took.count(), cpu});
  }
  view_outputs();
  return {};
}

Session::Session(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;
Session::~Session() = default;

Result<void> Session::run(std::span<const float> input, const Stop& stop) {
  return impl_->run({&input, 1}, stop);
}

Result<void> Session::run_part(std::span<const std::span<const float>> inputs) {
  return impl_->run(inputs, {});
}

Result<std::vector<StepTime>> Session::time_steps(std::span<const float> input) {
  std::vector<StepTime> times;
  VP_RETURN_IF_ERROR(impl_->run(std::span(&input, 1), {}, &times));
  return times;
}

const std::vector<OutputView>& Session::outputs() const { return impl_->outputs; }

}  // namespace visionpress
