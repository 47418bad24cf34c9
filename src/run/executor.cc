#include "run/executor.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <new>
#include <utility>

#include "base/error.h"
#include "base/half.h"
#include "base/parallel.h"
#include "run/execution_plan.h"
#include "run/onednn_adapter.h"
#include "run/ops/strided.h"

namespace visionpress {
namespace {

struct AlignedDelete {
  void operator()(std::byte* p) const { ::operator delete[](p, std::align_val_t(kBufferAlign)); }
};
using AlignedBytes = std::unique_ptr<std::byte[], AlignedDelete>;

AlignedBytes allocate_aligned(std::size_t bytes) {
  return AlignedBytes(static_cast<std::byte*>(
      ::operator new[](std::max(bytes, kBufferAlign), std::align_val_t(kBufferAlign))));
}

// Every layer that cannot be run, in one message, grouped by the reason.
Result<void> check_runnable(const Graph& graph) {
  std::vector<std::pair<std::string, std::string>> reasons;  // why, and the places
  std::size_t count = 0;
  for (const Node& node : graph.nodes) {
    const auto* unsupported = std::get_if<Unsupported>(&node.op);
    if (unsupported == nullptr) continue;
    ++count;
    auto reason = std::find_if(reasons.begin(), reasons.end(),
                               [&](const auto& r) { return r.first == unsupported->why; });
    if (reason == reasons.end()) reason = reasons.insert(reasons.end(), {unsupported->why, ""});
    // TFLite's layer names can be a paragraph; the element path alone finds the layer.
    const std::string path =
        graph.format == Format::TfLite ? node.path.substr(0, node.path.find(' ')) : node.path;
    reason->second +=
        fmt::format("{}{} ({})", reason->second.empty() ? "" : ", ", path, node.source_type);
  }
  std::string names;
  for (const auto& [why, places] : reasons) {
    names += fmt::format("{}{}: {}", names.empty() ? "" : "; ", places, why);
  }
  if (count > 0) {
    return fail(ErrorKind::Unsupported, "{} of {} layers cannot be run: {}", count,
                graph.nodes.size(), names);
  }
  if (graph.inputs.size() != 1) {
    return fail(ErrorKind::Unsupported, "it has {} inputs; models with one image input can be run",
                graph.inputs.size());
  }
  if (graph.outputs.empty()) return fail(ErrorKind::Malformed, "it has no outputs");
  return {};
}

Result<Shape> choose_input(const Graph& graph, const Shape& asked) {
  Shape shape = asked.empty() ? graph.tensor(graph.inputs[0]).shape : asked;
  if (!shape.empty() && shape[0] == -1) shape[0] = 1;
  constexpr std::int64_t kLargest = 1 << 28;  // values; an image of 9,000 x 9,000 pixels
  const auto count = element_count(shape);
  if (!count || *count <= 0 || *count > kLargest) {
    return fail(ErrorKind::Unsupported,
                "input \"{}\" has the shape {}; name the size to run it with",
                graph.tensor(graph.inputs[0]).name, to_string(shape));
  }
  return shape;
}

std::string name_arithmetic(Arithmetic arithmetic, bool is_hybrid) {
  if (arithmetic == Arithmetic::Float16) return "float16 activations";
  if (!is_hybrid) return "float32";
  return arithmetic == Arithmetic::Builtin ? "LiteRT builtin int8" : "LiteRT XNNPACK int8";
}

}  // namespace

struct Executor::Impl {
  const Graph* graph = nullptr;
  ExecutorOptions options = {};
  Shape input_shape = {};
  std::string arithmetic_name = {};
  std::vector<std::string> output_names = {};
  Layout layout = Layout::ChannelsLast;
  std::vector<TensorId> outputs = {};
  TensorId input = kNoTensor;
  std::mutex mutex = {};
  std::map<int, std::shared_ptr<const ExecutionPlan>> plans = {};

  Result<std::shared_ptr<const ExecutionPlan>> find_plan(int threads) {
    const std::scoped_lock lock(mutex);
    auto& plan = plans[threads];
    if (plan == nullptr) {
      auto built = make_execution_plan(*graph, options, input_shape, threads);
      if (!built) {
        plans.erase(threads);
        return tl::unexpected<Error>(std::move(built).error());
      }
      plan = std::make_shared<const ExecutionPlan>(std::move(*built));
    }
    return plan;
  }
};

struct Session::Impl {
  std::shared_ptr<const ExecutionPlan> plan = {};
  Layout layout = Layout::ChannelsLast;
  bool rounds_to_half = false;
  TensorId input = kNoTensor;
  std::vector<TensorId> output_ids = {};
  AlignedBytes arena = {};
  AlignedBytes scratch = {};
  std::vector<std::optional<ActivationRange>> ranges = {};
  std::vector<std::vector<float>> logical =
      {};  ///< outputs that lie in another order than the graph's
  std::vector<OutputView> outputs = {};

  float* values(TensorId id) const {
    return static_cast<float*>(static_cast<void*>(arena.get() + plan->place(id).offset));
  }

  void load_input(std::span<const float> x) const {
    const Shape& dims = plan->place(input).dims;
    float* target = values(input);
    if (layout == Layout::ChannelsFirst && dims.size() == 4) {
      swap_layout(dims, x.data(), target, false);
    } else {
      std::copy(x.begin(), x.end(), target);
    }
    if (rounds_to_half) round_to_half(input);
  }

  void round_to_half(TensorId id) const {
    float* x = values(id);
    const std::size_t count = count_of(plan->place(id).dims);
    constexpr std::size_t kBlock = 1 << 14;
    parallel_for((count + kBlock - 1) / kBlock, plan->threads, [&](std::size_t b) {
      for (std::size_t i = b * kBlock; i < std::min(count, (b + 1) * kBlock); ++i) {
        x[i] = half_to_float(float_to_half(x[i]));
      }
    });
  }

  void run_step(const ExecutionPlan::Step& step) {
    std::vector<const float*> inputs;
    std::vector<std::optional<ActivationRange>> input_ranges;
    for (const TensorId id : step.inputs) {
      const ExecutionPlan::Place& place = plan->place(id);
      inputs.push_back(place.constant != nullptr ? place.constant : values(id));
      input_ranges.push_back(ranges[static_cast<std::size_t>(id)]);
    }
    std::vector<float*> results;
    for (const TensorId id : step.outputs) results.push_back(values(id));
    RunContext context = {inputs, results, scratch.get(), input_ranges,
                          &ranges[static_cast<std::size_t>(step.outputs[0])]};
    step.op->run(context);
    if (rounds_to_half) {
      for (const TensorId id : step.outputs) round_to_half(id);
    }
  }

  void view_outputs() {
    for (std::size_t i = 0; i < output_ids.size(); ++i) {
      const ExecutionPlan::Place& place = plan->place(output_ids[i]);
      const float* x = place.constant != nullptr ? place.constant : values(output_ids[i]);
      if (!logical[i].empty()) {
        swap_layout(place.dims, x, logical[i].data(), true);
        x = logical[i].data();
      }
      outputs[i].values = {x, count_of(place.dims)};
    }
  }
};

Executor::Executor(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Executor::Executor(Executor&&) noexcept = default;
Executor& Executor::operator=(Executor&&) noexcept = default;
Executor::~Executor() = default;

Result<Executor> Executor::create(const Graph& graph, const ExecutorOptions& options) {
  VP_RETURN_IF_ERROR(check_runnable(graph));
  auto impl = std::make_unique<Impl>();
  impl->graph = &graph;
  impl->options = options;
  if (impl->options.threads <= 0) impl->options.threads = default_thread_count();
  VP_ASSIGN_OR_RETURN(impl->input_shape, choose_input(graph, options.input_shape));
  impl->layout = graph.layout;
  impl->input = graph.inputs[0];
  impl->outputs = graph.outputs;
  for (const TensorId id : graph.outputs) impl->output_names.push_back(graph.tensor(id).name);
  VP_ASSIGN_OR_RETURN(const auto plan, impl->find_plan(impl->options.threads));
  impl->arithmetic_name = name_arithmetic(options.arithmetic, plan->is_hybrid);
  return Executor(std::move(impl));
}

const Shape& Executor::input_shape() const { return impl_->input_shape; }
const std::string& Executor::arithmetic_name() const { return impl_->arithmetic_name; }

Result<Session> Executor::make_session(int threads) const {
  auto session = std::make_unique<Session::Impl>();
  VP_ASSIGN_OR_RETURN(session->plan,
                      impl_->find_plan(threads > 0 ? threads : impl_->options.threads));
  const ExecutionPlan& plan = *session->plan;
  session->layout = impl_->layout;
  session->rounds_to_half = impl_->options.arithmetic == Arithmetic::Float16;
  session->input = impl_->input;
  session->output_ids = impl_->outputs;
  session->arena = allocate_aligned(plan.arena_bytes);
  session->scratch = allocate_aligned(plan.scratch_bytes);
  session->ranges.resize(plan.places.size());
  session->logical.resize(impl_->outputs.size());
  for (std::size_t i = 0; i < impl_->outputs.size(); ++i) {
    const Shape& dims = plan.place(impl_->outputs[i]).dims;
    if (impl_->layout == Layout::ChannelsFirst && dims.size() == 4)
      session->logical[i].resize(count_of(dims));
    session->outputs.push_back({impl_->output_names[i], logical_shape(dims, impl_->layout), {}});
  }
  return Session(std::move(session));
}

Session::Session(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;
Session::~Session() = default;

Result<void> Session::run(std::span<const float> input) {
  const std::size_t expected = count_of(impl_->plan->place(impl_->input).dims);
  if (input.size() != expected) {
    return fail(ErrorKind::InvalidArgument, "input of {} values, the model takes {}", input.size(),
                expected);
  }
  const ScopedThreads scope(impl_->plan->threads);
  impl_->load_input(input);
  std::fill(impl_->ranges.begin(), impl_->ranges.end(), std::nullopt);
  for (const ExecutionPlan::Step& step : impl_->plan->steps) impl_->run_step(step);
  impl_->view_outputs();
  return {};
}

const std::vector<OutputView>& Session::outputs() const { return impl_->outputs; }

}  // namespace visionpress
