#include "run/executor.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>
#include <new>
#include <type_traits>
#include <utility>

#include "base/error.h"
#include "base/half.h"
#include "base/parallel.h"
#include "run/fusion.h"
#include "run/onednn_adapter.h"
#include "run/operator.h"
#include "run/ops/conv_shape.h"
#include "run/ops/strided.h"

namespace visionpress {
namespace {

constexpr std::size_t kAlign = 64;  // one cache line, and what vector loads like

std::size_t align_up(std::size_t bytes) { return (bytes + kAlign - 1) / kAlign * kAlign; }

struct AlignedDelete {
  void operator()(std::byte* p) const { ::operator delete[](p, std::align_val_t(kAlign)); }
};
using AlignedBytes = std::unique_ptr<std::byte[], AlignedDelete>;

AlignedBytes allocate_aligned(std::size_t bytes) {
  return AlignedBytes(
      static_cast<std::byte*>(::operator new[](std::max(bytes, kAlign), std::align_val_t(kAlign))));
}

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

/// Everything a run needs for one number of threads.
struct Plan {
  int threads = 1;
  std::vector<Step> steps = {};
  std::vector<Place> places = {};
  std::vector<std::vector<float>> constants = {};
  std::size_t arena_bytes = 0;
  std::size_t scratch_bytes = 0;
  bool is_hybrid = false;
};

// The operators that read their inputs after the first as parameters, while they are built.
bool takes_parameters(const Op& op) {
  return std::holds_alternative<Conv2d>(op) || std::holds_alternative<FullyConnected>(op) ||
         std::holds_alternative<BatchNorm>(op) || std::holds_alternative<InstanceNorm>(op) ||
         std::holds_alternative<Prelu>(op);
}

class PlanBuilder {
 public:
  PlanBuilder(const Graph& graph, const ExecutorOptions& options, const Shape& input, int threads)
      : graph_(graph), options_(options), readers_(graph), done_(graph.nodes.size(), false) {
    plan_.threads = threads;
    plan_.places.resize(graph.tensors.size());
    set_dims(graph.inputs[0], physical_shape(input, graph.layout));
  }

  Result<Plan> build() {
    for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
      if (done_[n]) continue;
      auto added = add_node(n);
      if (!added) {
        Error error = std::move(added).error();
        const Node& node = graph_.nodes[n];
        error.message = fmt::format("{} ({}): {}", node.path, node.source_type, error.message);
        return tl::unexpected<Error>(std::move(error));
      }
    }
    for (const TensorId id : graph_.outputs) {
      VP_RETURN_IF_ERROR(ensure_value(id, 0));
    }
    place_tensors();
    return std::move(plan_);
  }

 private:
  Place& place(TensorId id) { return plan_.places[static_cast<std::size_t>(id)]; }

  void set_dims(TensorId id, Shape dims) {
    place(id).dims = std::move(dims);
    place(id).is_known = true;
  }

  // Makes a constant's values readable at run time, in the physical order. rank: that of the other
  // operand where shapes broadcast: a constant of fewer axes is then seen with as many.
  Result<void> ensure_value(TensorId id, std::size_t rank) {
    if (place(id).is_known) return {};
    const InputDesc input = describe(id);
    if (!input.tensor->is_constant())
      return fail(ErrorKind::Internal, "\"{}\" has no values", input.tensor->name);
    VP_ASSIGN_OR_RETURN(std::vector<float> values, load_constant(input));
    Shape dims = input.tensor->shape;
    const auto count = element_count(dims);
    if (!count || static_cast<std::size_t>(*count) != values.size()) {
      return fail(ErrorKind::Malformed, "constant \"{}\" has {} values for {}", input.tensor->name,
                  values.size(), to_string(dims));
    }
    if (graph_.layout == Layout::ChannelsFirst && rank == 4) {
      while (dims.size() < 4) dims.insert(dims.begin(), 1);
    }
    Shape physical = physical_shape(dims, graph_.layout);
    if (physical != dims) {
      std::vector<float> swapped(values.size());
      swap_layout(physical, values.data(), swapped.data(), false);
      values = std::move(swapped);
    }
    plan_.constants.push_back(std::move(values));
    set_dims(id, std::move(physical));
    place(id).constant = plan_.constants.back().data();
    return {};
  }

  InputDesc describe(TensorId id) {
    if (id == kNoTensor) return {};
    const Tensor& tensor = graph_.tensor(id);
    return {place(id).dims, &tensor, tensor.weight ? &graph_.weights[*tensor.weight] : nullptr};
  }

  Result<std::vector<InputDesc>> gather_inputs(const Node& node) {
    std::size_t rank = 0;
    for (const TensorId id : node.inputs) {
      if (id != kNoTensor && place(id).is_known) rank = std::max(rank, place(id).dims.size());
    }
    std::vector<InputDesc> inputs;
    const bool parameters = takes_parameters(node.op);
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      const bool is_value = i == 0 || !parameters;
      if (is_value && node.inputs[i] == kNoTensor)
        return fail(ErrorKind::Malformed, "input {} is absent", i);
      if (is_value) VP_RETURN_IF_ERROR(ensure_value(node.inputs[i], rank));
      inputs.push_back(describe(node.inputs[i]));
    }
    if (inputs.empty()) return fail(ErrorKind::Malformed, "it has no input");
    return inputs;
  }

  Result<void> add_node(std::size_t index) {
    const Node& node = graph_.nodes[index];
    done_[index] = true;
    VP_ASSIGN_OR_RETURN(const std::vector<InputDesc> inputs, gather_inputs(node));
    const BuildContext context = {inputs, node.outputs.size(), graph_.layout, options_.arithmetic,
                                  plan_.threads};
    Step step;
    step.outputs = node.outputs;
    if (const auto* conv = std::get_if<Conv2d>(&node.op)) {
      VP_ASSIGN_OR_RETURN(step.op, add_convolution(index, *conv, context, step.outputs));
    } else {
      VP_ASSIGN_OR_RETURN(step.op, make_operator(node.op, context));
    }
    const std::size_t values = takes_parameters(node.op) ? 1 : node.inputs.size();
    step.inputs.assign(node.inputs.begin(),
                       node.inputs.begin() + static_cast<std::ptrdiff_t>(values));
    return add_step(std::move(step));
  }

  Result<void> add_step(Step step) {
    if (step.op->output_dims.size() != step.outputs.size()) {
      return fail(ErrorKind::Malformed, "it has {} outputs, not {}", step.outputs.size(),
                  step.op->output_dims.size());
    }
    for (std::size_t i = 0; i < step.outputs.size(); ++i) {
      constexpr std::int64_t kLargest = std::int64_t{1}
                                        << 31;  // values; 8 GiB a tensor is beyond any image model
      const auto count = element_count(step.op->output_dims[i]);
      if (!count || *count <= 0 || *count > kLargest) {
        return fail(ErrorKind::Malformed, "result of shape {}", to_string(step.op->output_dims[i]));
      }
      set_dims(step.outputs[i], step.op->output_dims[i]);
    }
    plan_.scratch_bytes = std::max(plan_.scratch_bytes, step.op->scratch_bytes);
    plan_.is_hybrid = plan_.is_hybrid || step.op->is_hybrid;
    plan_.steps.push_back(std::move(step));
    return {};
  }

  OperatorResult add_convolution(std::size_t index, const Conv2d& conv, const BuildContext& context,
                                 std::vector<TensorId>& outputs) {
    const bool is_hybrid = conv.dynamic_range && (options_.arithmetic == Arithmetic::Runtime ||
                                                  options_.arithmetic == Arithmetic::Builtin);
    Fusion fusion;
    fusion.result = graph_.nodes[index].outputs[0];
    // Rounding every activation to half needs each of them by itself.
    if (options_.arithmetic != Arithmetic::Float16) {
      fusion = find_activation(graph_, readers_, index);
      VP_ASSIGN_OR_RETURN(const ConvSpec spec, conv_spec(conv, context));
      const bool can_pool =
          is_hybrid ? can_pool_in_hybrid_conv2d(conv, context) : can_pool_in_conv2d(conv, context);
      if (can_pool) (void)add_max_pool(graph_, readers_, spec.out[0], spec.out[1], fusion);
    }
    for (const std::size_t node : fusion.absorbed) done_[node] = true;
    outputs = {fusion.result};
    return is_hybrid ? make_hybrid_conv2d(conv, fusion.epilogue, context)
                     : make_conv2d(conv, fusion.epilogue, context);
  }

  static OperatorResult make_operator(const Op& op, const BuildContext& context) {
    return std::visit(
        [&](const auto& concrete) -> OperatorResult {
          using T = std::decay_t<decltype(concrete)>;
          if constexpr (std::is_same_v<T, Unsupported>)
            return fail(ErrorKind::Unsupported, "{}", concrete.why);
          if constexpr (std::is_same_v<T, Identity>)
            return make_unary({UnaryKind::Linear, 1.0F, 0.0F}, context);
          if constexpr (std::is_same_v<T, FullyConnected>)
            return make_fully_connected(concrete, context);
          if constexpr (std::is_same_v<T, Pool2d>) return make_pool2d(concrete, context);
          if constexpr (std::is_same_v<T, Unary>) return make_unary(concrete, context);
          if constexpr (std::is_same_v<T, Binary>) return make_binary(concrete, context);
          if constexpr (std::is_same_v<T, Prelu>) return make_prelu(context);
          if constexpr (std::is_same_v<T, BatchNorm>) return make_batch_norm(concrete, context);
          if constexpr (std::is_same_v<T, InstanceNorm>)
            return make_instance_norm(concrete, context);
          if constexpr (std::is_same_v<T, Softmax>) return make_softmax(concrete, context);
          if constexpr (std::is_same_v<T, Concat>) return make_concat(concrete, context);
          if constexpr (std::is_same_v<T, Reshape>) return make_reshape(concrete, context);
          if constexpr (std::is_same_v<T, Squeeze>) return make_squeeze(concrete, context);
          if constexpr (std::is_same_v<T, ExpandDims>) return make_expand_dims(concrete, context);
          if constexpr (std::is_same_v<T, Transpose>) return make_transpose(concrete, context);
          if constexpr (std::is_same_v<T, Pad>) return make_pad(concrete, context);
          if constexpr (std::is_same_v<T, Slice>) return make_slice(concrete, context);
          if constexpr (std::is_same_v<T, Split>) return make_split(concrete, context);
          if constexpr (std::is_same_v<T, Resize>) return make_resize(concrete, context);
          if constexpr (std::is_same_v<T, Reduce>) return make_reduce(concrete, context);
          if constexpr (std::is_same_v<T, SpaceDepth>) return make_space_depth(concrete, context);
          return fail(ErrorKind::Internal, "an operator without a builder");
        },
        op);
  }

  // First fit over the steps: a tensor's bytes are free again after its last reader.
  void place_tensors() {
    const std::size_t steps = plan_.steps.size();
    std::vector<std::size_t> last(plan_.places.size(), 0);
    for (std::size_t s = 0; s < steps; ++s) {
      for (const TensorId id : plan_.steps[s].inputs) last[static_cast<std::size_t>(id)] = s + 1;
      for (const TensorId id : plan_.steps[s].outputs) last[static_cast<std::size_t>(id)] = s + 1;
    }
    for (const TensorId id : graph_.outputs) last[static_cast<std::size_t>(id)] = steps + 1;
    struct Live {
      std::size_t offset, end, until;
    };
    std::vector<Live> live;
    const auto put = [&](TensorId id, std::size_t now) {
      const std::size_t bytes = align_up(count_of(place(id).dims) * sizeof(float));
      std::erase_if(live, [now](const Live& l) { return l.until < now; });
      std::sort(live.begin(), live.end(),
                [](const Live& a, const Live& b) { return a.offset < b.offset; });
      std::size_t offset = 0;
      for (const Live& l : live) {
        if (offset + bytes <= l.offset) break;
        offset = std::max(offset, l.end);
      }
      place(id).offset = offset;
      live.push_back({offset, offset + bytes, last[static_cast<std::size_t>(id)]});
      plan_.arena_bytes = std::max(plan_.arena_bytes, offset + bytes);
    };
    put(graph_.inputs[0], 0);
    for (std::size_t s = 0; s < steps; ++s) {
      for (const TensorId id : plan_.steps[s].outputs) put(id, s + 1);
    }
  }

  const Graph& graph_;
  const ExecutorOptions& options_;
  Readers readers_;
  std::vector<bool> done_;
  Plan plan_ = {};
};

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
  for (const auto& [why, places] : reasons)
    names += fmt::format("{}{}: {}", names.empty() ? "" : "; ", places, why);
  if (count > 0)
    return fail(ErrorKind::Unsupported, "{} of {} layers cannot be run: {}", count,
                graph.nodes.size(), names);
  if (graph.inputs.size() != 1)
    return fail(ErrorKind::Unsupported, "it has {} inputs; models with one image input can be run",
                graph.inputs.size());
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
  std::map<int, std::shared_ptr<const Plan>> plans = {};

  Result<std::shared_ptr<const Plan>> find_plan(int threads) {
    const std::scoped_lock lock(mutex);
    auto& plan = plans[threads];
    if (plan == nullptr) {
      PlanBuilder builder(*graph, options, input_shape, threads);
      auto built = builder.build();
      if (!built) {
        plans.erase(threads);
        return tl::unexpected<Error>(std::move(built).error());
      }
      plan = std::make_shared<const Plan>(std::move(*built));
    }
    return plan;
  }
};

struct Session::Impl {
  std::shared_ptr<const Plan> plan = {};
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
    return static_cast<float*>(
        static_cast<void*>(arena.get() + plan->places[static_cast<std::size_t>(id)].offset));
  }

  void load_input(std::span<const float> x) const {
    const Shape& dims = plan->places[static_cast<std::size_t>(input)].dims;
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
    const std::size_t count = count_of(plan->places[static_cast<std::size_t>(id)].dims);
    constexpr std::size_t kBlock = 1 << 14;
    parallel_for((count + kBlock - 1) / kBlock, plan->threads, [&](std::size_t b) {
      for (std::size_t i = b * kBlock; i < std::min(count, (b + 1) * kBlock); ++i) {
        x[i] = half_to_float(float_to_half(x[i]));
      }
    });
  }

  void run_step(const Step& step) {
    std::vector<const float*> inputs;
    std::vector<std::optional<ActivationRange>> input_ranges;
    for (const TensorId id : step.inputs) {
      const Place& place = plan->places[static_cast<std::size_t>(id)];
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
      const Place& place = plan->places[static_cast<std::size_t>(output_ids[i])];
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
  const Plan& plan = *session->plan;
  session->layout = impl_->layout;
  session->rounds_to_half = impl_->options.arithmetic == Arithmetic::Float16;
  session->input = impl_->input;
  session->output_ids = impl_->outputs;
  session->arena = allocate_aligned(plan.arena_bytes);
  session->scratch = allocate_aligned(plan.scratch_bytes);
  session->ranges.resize(plan.places.size());
  session->logical.resize(impl_->outputs.size());
  for (std::size_t i = 0; i < impl_->outputs.size(); ++i) {
    const Shape& dims = plan.places[static_cast<std::size_t>(impl_->outputs[i])].dims;
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
  const std::size_t expected =
      count_of(impl_->plan->places[static_cast<std::size_t>(impl_->input)].dims);
  if (input.size() != expected) {
    return fail(ErrorKind::InvalidArgument, "input of {} values, the model takes {}", input.size(),
                expected);
  }
  const ScopedThreads scope(impl_->plan->threads);
  impl_->load_input(input);
  std::fill(impl_->ranges.begin(), impl_->ranges.end(), std::nullopt);
  for (const Step& step : impl_->plan->steps) impl_->run_step(step);
  impl_->view_outputs();
  return {};
}

const std::vector<OutputView>& Session::outputs() const { return impl_->outputs; }

}  // namespace visionpress
