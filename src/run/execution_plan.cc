#include "run/execution_plan.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <utility>

#include "base/error.h"
#include "lower/graph_shapes.h"
#include "run/aligned_bytes.h"
#include "run/codes.h"
#include "run/fusion.h"
#include "run/operator_factory.h"
#include "run/ops/conv_shape.h"
#include "run/ops/strided.h"
#include "run/whole_numbers.h"

namespace visionpress {
namespace {

class PlanBuilder {
 public:
  PlanBuilder(const Graph& graph, const ExecutorOptions& options, const Shape& input, int threads)
      : graph_(graph), options_(options), readers_(graph), done_(graph.nodes.size(), false) {
    plan_.threads = threads;
    plan_.graph = &graph;
    plan_.arithmetic = options.arithmetic;
    plan_.float_math = float_math_of(graph, options.arithmetic);
    plan_.holds_codes = follows_runtime(options.arithmetic) && has_codes(graph);
    output_tensors_ = list_output_tensors(graph);
    plan_.places.resize(graph.tensors.size());
    for (const TensorId id : graph.inputs) {
      const Shape& shape = options.is_part ? graph.tensor(id).shape : input;
      set_dims(id, physical_shape(shape, graph.layout));
      place(id).capacity = count_of(place(id).dims);
    }
  }

  Result<ExecutionPlan> build() {
    VP_RETURN_IF_ERROR(for_each_node([this](std::size_t n) { return add_node(n); }));
    for (const TensorId id : graph_.outputs) {
      VP_RETURN_IF_ERROR(ensure_value(id, 0));
    }
    place_tensors();
    constexpr std::size_t kLargest = std::size_t{4} << 30;
    if (plan_.arena_bytes > kLargest) {
      return fail(ErrorKind::Unsupported,
                  "its activations take {} bytes at a time, networks of up to {} are run",
                  plan_.arena_bytes, kLargest);
    }
    return std::move(plan_);
  }

 private:
  template <typename Body>
  Result<void> for_each_node(const Body& body) {
    for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
      if (done_[n]) continue;
      auto added = body(n);
      if (added) continue;
      return in_node(graph_.nodes[n], std::move(added).error());
    }
    return {};
  }

  ExecutionPlan::Place& place(TensorId id) { return plan_.places[static_cast<std::size_t>(id)]; }

  void set_dims(TensorId id, Shape dims) {
    place(id).dims = std::move(dims);
    place(id).is_known = true;
  }

  // Decodes a constant into the physical order, so that a run can read it. rank: the other
  // operand's rank where shapes broadcast; a constant with fewer axes is widened to it.
  Result<void> ensure_value(TensorId id, std::size_t rank) {
    if (place(id).is_known) return {};
    const InputDesc input = describe(id);
    if (input.tensor == nullptr || !input.tensor->is_constant()) {
      return fail(ErrorKind::Internal, "tensor {} has no values", id);
    }
    const Shape dims = constant_shape(input.tensor->shape, graph_.layout, rank);
    Shape physical = physical_shape(dims, graph_.layout);
    VP_RETURN_IF_ERROR(check_whole_literal(*input.tensor));
    if (plan_.holds_codes && input.weight != nullptr && find_code(*input.tensor, input.weight))
      return keep_codes(id, input, std::move(physical));
    VP_ASSIGN_OR_RETURN(std::vector<float> values, load_constant(input));
    const auto count = element_count(dims);
    if (!count || static_cast<std::size_t>(*count) != values.size()) {
      return fail(ErrorKind::Malformed, "constant \"{}\" has {} values for {}", input.tensor->name,
                  values.size(), to_string(input.tensor->shape));
    }
    if (orders_differ(physical, graph_.layout)) {
      std::vector<float> swapped(values.size());
      swap_layout(physical, values.data(), swapped.data(), false);
      values = std::move(swapped);
    }
    plan_.constants.push_back(std::move(values));
    set_dims(id, std::move(physical));
    place(id).constant = plan_.constants.back().data();
    return {};
  }

  // Keeps the codes of a constant in the place of floats.
  Result<void> keep_codes(TensorId id, const InputDesc& input, Shape dims) {
    VP_ASSIGN_OR_RETURN(const std::vector<std::uint8_t> codes, load_stored_codes(*input.weight));
    auto& values = plan_.constants.emplace_back(codes.size() / sizeof(float) + 1);
    std::memcpy(values.data(), codes.data(), codes.size());
    set_dims(id, std::move(dims));
    place(id).constant = values.data();
    return {};
  }

  InputDesc describe(TensorId id) {
    if (id == kNoTensor) return {};
    const Tensor& tensor = graph_.tensor(id);
    return {place(id).dims, &tensor, tensor.weight ? &graph_.weights[*tensor.weight] : nullptr,
            place(id).constant};
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

  BuildContext context_of(const Node& node, const std::vector<InputDesc>& inputs) const {
    BuildContext context = {inputs, node.outputs.size(), graph_.layout, options_.arithmetic,
                            plan_.threads};
    context.float_math = plan_.float_math;
    context.outputs = output_tensors_[static_cast<std::size_t>(&node - graph_.nodes.data())];
    return context;
  }

  Result<void> add_node(std::size_t index) {
    const Node& node = graph_.nodes[index];
    done_[index] = true;
    VP_ASSIGN_OR_RETURN(const std::vector<InputDesc> inputs, gather_inputs(node));
    const BuildContext context = context_of(node, inputs);
    VP_ASSIGN_OR_RETURN(const bool is_border, take_border(index, context));
    if (is_border) return {};
    ExecutionPlan::Step step;
    step.node = &node;
    step.outputs = node.outputs;
    step.is_whole = computes_whole_numbers(graph_, node);
    if (step.is_whole) VP_RETURN_IF_ERROR(check_whole_operator(graph_, node));
    const std::size_t values = takes_parameters(node.op) ? 1 : node.inputs.size();
    step.inputs.assign(node.inputs.begin(),
                       node.inputs.begin() + static_cast<std::ptrdiff_t>(values));
    const auto has_open_size = [](const InputDesc& input) { return is_open(input.dims); };
    if (std::any_of(inputs.begin(), inputs.end(), has_open_size))
      return add_late_step(std::move(step), context);
    // Each integer operator rounds to codes of its own, so none is fused.
    const bool fuses = !works_on_codes(context);
    const auto* conv = std::get_if<Conv2d>(&node.op);
    const auto* pair = std::get_if<Binary>(&node.op);
    if (conv != nullptr && fuses) {
      VP_ASSIGN_OR_RETURN(step.op, add_bordered_convolution(index, *conv, context, step));
    } else if (pair != nullptr && fuses) {
      VP_ASSIGN_OR_RETURN(step.op, add_pair(index, *pair, context, step));
    } else {
      VP_ASSIGN_OR_RETURN(step.op, make_operator(node.op, context));
    }
    return is_foldable(step) ? fold_step(step) : add_step(std::move(step));
  }

  // Whether the node is a border that the convolution behind it adds itself. Hybrid networks keep
  // their borders, since codes are rounded by a value's position in its tensor.
  Result<bool> take_border(std::size_t index, const BuildContext& context) {
    const Node& node = graph_.nodes[index];
    const auto border = find_border(graph_, readers_, index);
    if (!border || plan_.float_math != FloatMath::Plain || is_open(context.inputs[0].dims) ||
        place(node.inputs[0]).constant != nullptr) {
      return false;
    }
    VP_ASSIGN_OR_RETURN(std::vector<Shape> dims, operator_dims(node.op, context));
    VP_RETURN_IF_ERROR(check_output_count(node.outputs.size(), dims.size()));
    VP_RETURN_IF_ERROR(check_result_size(dims[0], false));
    set_dims(node.outputs[0], std::move(dims[0]));
    borders_.emplace(node.outputs[0], std::pair(node.inputs[0], *border));
    return true;
  }

  [[nodiscard]] bool is_foldable(const ExecutionPlan::Step& step) {
    const bool reads_sizes = std::holds_alternative<ShapeOf>(step.node->op);
    // A float16 run rounds to half between layers, so such a step cannot be folded. Computations
    // with sizes are not rounded.
    if (options_.arithmetic == Arithmetic::Float16 && !reads_sizes && !gives_whole_numbers(step))
      return false;
    // Values (16 MB); a step with a larger result is not folded.
    constexpr std::int64_t kLargest = 1 << 22;
    for (const Shape& dims : step.op->output_dims) {
      if (element_count(dims).value_or(kLargest + 1) > kLargest) return false;
    }
    return reads_sizes || std::all_of(step.inputs.begin(), step.inputs.end(), [this](TensorId id) {
             return place(id).constant != nullptr;
           });
  }

  [[nodiscard]] bool gives_whole_numbers(const ExecutionPlan::Step& step) const {
    return std::all_of(step.outputs.begin(), step.outputs.end(), [this](TensorId id) {
      const DType dtype = graph_.tensor(id).dtype;
      return dtype == DType::Int32 || dtype == DType::Int64;
    });
  }

  // Runs a step whose inputs are all constants now and keeps its results as constants.
  Result<void> fold_step(const ExecutionPlan::Step& step) {
    VP_RETURN_IF_ERROR(check_output_count(step.outputs.size(), step.op->output_dims.size()));
    RunReport report;
    std::vector<const float*> inputs;
    for (const TensorId id : step.inputs) inputs.push_back(place(id).constant);
    std::vector<std::vector<float>> values;
    std::vector<float*> results;
    for (std::size_t i = 0; i < step.outputs.size(); ++i) {
      const Shape& dims = step.op->output_dims[i];
      VP_RETURN_IF_ERROR(check_result_size(dims, step.op->counts(i)));
      // Never an empty vector, because a null address would mean that the tensor is not a constant.
      results.push_back(values.emplace_back(std::max<std::size_t>(1, count_of(dims))).data());
      report.counts.push_back(dims.empty() ? 1 : dims[0]);
    }
    const std::vector<std::optional<ActivationRange>> ranges(inputs.size());
    std::optional<ActivationRange> range;
    const AlignedBytes scratch = allocate_aligned(step.op->scratch_bytes);
    step.op->run({inputs, results, scratch.get(), ranges, &range, &report});
    VP_RETURN_IF_ERROR(std::move(report.status));
    if (step.is_whole) VP_RETURN_IF_ERROR(check_folded(step, values));
    for (std::size_t i = 0; i < step.outputs.size(); ++i) {
      Shape dims = step.op->output_dims[i];
      if (step.op->counts(i)) dims[0] = report.counts[i];
      set_dims(step.outputs[i], std::move(dims));
      place(step.outputs[i]).constant = results[i];
      plan_.constants.push_back(std::move(values[i]));
    }
    note_arithmetic(*step.op);
    return {};
  }

  void note_arithmetic(const Operator& op) {
    plan_.is_hybrid = plan_.is_hybrid || op.is_hybrid;
    plan_.is_winograd = plan_.is_winograd || op.is_winograd;
  }

  // Makes the checks that a run makes after each step, for a step that is run here.
  Result<void> check_folded(const ExecutionPlan::Step& step,
                            const std::vector<std::vector<float>>& results) {
    for (std::size_t i = 0; i < step.outputs.size(); ++i)
      VP_RETURN_IF_ERROR(check_whole_values(graph_.tensor(step.outputs[i]), results[i]));
    if (step.inputs.size() < 3 || !std::holds_alternative<Binary>(step.node->op)) return {};
    std::vector<std::span<const float>> operands;
    for (const TensorId id : step.inputs)
      operands.emplace_back(place(id).constant, count_of(place(id).dims));
    return check_whole_sum(operands);
  }

  Result<void> add_late_step(ExecutionPlan::Step step, BuildContext context) {
    context.may_be_empty = true;
    VP_ASSIGN_OR_RETURN(std::vector<Shape> dims, operator_dims(step.node->op, context));
    VP_RETURN_IF_ERROR(check_output_count(step.outputs.size(), dims.size()));
    for (std::size_t i = 0; i < dims.size(); ++i) {
      set_dims(step.outputs[i], std::move(dims[i]));
      place(step.outputs[i]).is_late = true;
    }
    plan_.steps.push_back(std::move(step));
    return {};
  }

  Result<void> add_step(ExecutionPlan::Step step) {
    VP_RETURN_IF_ERROR(check_output_count(step.outputs.size(), step.op->output_dims.size()));
    for (std::size_t i = 0; i < step.outputs.size(); ++i) {
      Shape dims = step.op->output_dims[i];
      VP_RETURN_IF_ERROR(check_result_size(dims, step.op->counts(i)));
      ExecutionPlan::Place& result = place(step.outputs[i]);
      result.capacity = count_of(dims);
      if (step.op->counts(i)) {
        dims[0] = -1;
        plan_.has_open_sizes = true;
      }
      set_dims(step.outputs[i], std::move(dims));
    }
    plan_.scratch_bytes = std::max(plan_.scratch_bytes, step.op->scratch_bytes);
    note_arithmetic(*step.op);
    plan_.steps.push_back(std::move(step));
    return {};
  }

  OperatorResult add_bordered_convolution(std::size_t index, const Conv2d& conv,
                                          const BuildContext& context, ExecutionPlan::Step& step) {
    const auto border = borders_.find(step.inputs[0]);
    if (border == borders_.end()) return add_convolution(index, conv, context, step.outputs);
    VP_ASSIGN_OR_RETURN(const ConvSpec spec, conv_spec(conv, context));
    step.inputs[0] = border->second.first;
    std::vector<InputDesc> inputs(context.inputs.begin(), context.inputs.end());
    inputs[0] = describe(step.inputs[0]);
    BuildContext bare = context;
    bare.inputs = inputs;
    return add_convolution(index, widen_padding(conv, spec, border->second.second), bare,
                           step.outputs);
  }

  OperatorResult add_convolution(std::size_t index, const Conv2d& conv, const BuildContext& context,
                                 std::vector<TensorId>& outputs) {
    const bool is_hybrid = conv.dynamic_range && context.follows_runtime();
    Fusion fusion;
    fusion.result = graph_.nodes[index].outputs[0];
    // Float16 rounds every activation to half, so none may disappear into a fused step.
    if (options_.arithmetic != Arithmetic::Float16) {
      VP_ASSIGN_OR_RETURN(const ConvSpec spec, conv_spec(conv, context));
      fusion = find_activation(graph_, readers_, index, takes_batch_norm(conv, context));
      if (fusion.batch_norm && !fold_batch_norm(spec, fusion))
        fusion = find_activation(graph_, readers_, index, false);
      const bool can_pool =
          is_hybrid ? can_pool_in_hybrid_conv2d(conv, context) : can_pool_in_conv2d(conv, context);
      if (can_pool) (void)add_max_pool(graph_, readers_, spec.out[0], spec.out[1], fusion);
    }
    for (const std::size_t node : fusion.absorbed) done_[node] = true;
    outputs = {fusion.result};
    return is_hybrid ? make_hybrid_conv2d(conv, fusion.epilogue, context)
                     : make_conv2d(conv, fusion.epilogue, context);
  }

  OperatorResult add_pair(std::size_t index, const Binary& pair, const BuildContext& context,
                          ExecutionPlan::Step& step) {
    const auto fused = find_pair_activation(graph_, readers_, index);
    if (!fused || step.is_whole || options_.arithmetic == Arithmetic::Float16)
      return make_operator(pair, context);
    Binary with_activation = pair;
    with_activation.activation = fused->activation;
    done_[fused->node] = true;
    step.outputs = graph_.nodes[fused->node].outputs;
    return make_operator(with_activation, context);
  }

  // A kernel times a scale rounds once more, which hybrid networks and `--arithmetic float` leave
  // out.
  [[nodiscard]] static bool takes_batch_norm(const Conv2d& conv, const BuildContext& context) {
    return context.arithmetic == Arithmetic::Runtime && context.float_math == FloatMath::Plain &&
           !conv.dynamic_range;
  }

  // returns: false where its constants are not known, do not fit, or would take values out of the
  // range of floats; it then stays a step of its own.
  bool fold_batch_norm(const ConvSpec& spec, Fusion& fusion) {
    const Node& node = graph_.nodes[*fusion.batch_norm];
    std::vector<InputDesc> inputs;
    for (const TensorId id : node.inputs) inputs.push_back(describe(id));
    inputs[0].dims = conv_output_dims(spec, {});
    for (std::size_t i = 1; i < inputs.size(); ++i) {
      if (inputs[i].weight == nullptr && inputs[i].values == nullptr &&
          (inputs[i].tensor == nullptr || !inputs[i].tensor->is_constant()))
        return false;
    }
    auto affine = load_affine(std::get<BatchNorm>(node.op), inputs);
    constexpr double kMost = 0x1p40;
    const auto is_odd = [](double factor) { return !(std::fabs(factor) < kMost); };
    if (!affine || std::ranges::any_of(affine->scale, is_odd) ||
        std::ranges::any_of(affine->shift, is_odd))
      return false;
    fusion.epilogue.batch_norm = std::move(*affine);
    return true;
  }

  // Assigns arena offsets by first fit in the order of the steps; a tensor's bytes are free again
  // after its last reader.
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
      if (place(id).is_late) return;
      const std::size_t bytes = align_up(place(id).capacity * sizeof(float));
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
    for (const TensorId id : graph_.inputs) put(id, 0);
    for (std::size_t s = 0; s < steps; ++s) {
      for (const TensorId id : plan_.steps[s].outputs) put(id, s + 1);
    }
  }

  const Graph& graph_;
  const ExecutorOptions& options_;
  Readers readers_;
  std::vector<bool> done_;
  std::vector<std::vector<const Tensor*>> output_tensors_ = {};  ///< by node
  /// By the tensor with its border, which is not written: the tensor without it.
  std::map<TensorId, std::pair<TensorId, ImageBorder>> borders_ = {};
  ExecutionPlan plan_ = {};
};

}  // namespace

Result<void> check_result_size(const Shape& dims, bool may_be_empty) {
  // values (1 GiB of floats); no image model has a larger tensor
  constexpr std::int64_t kLargest = std::int64_t{1} << 28;
  const auto count = element_count(dims);
  if (count && *count <= kLargest && (*count > 0 || may_be_empty)) return {};
  if (count && *count > kLargest) {
    return fail(ErrorKind::Unsupported, "result of shape {}: tensors of up to {} values are run",
                to_string(dims), kLargest);
  }
  return fail(ErrorKind::Malformed, "result of shape {}", to_string(dims));
}

Result<ExecutionPlan> make_execution_plan(const Graph& graph, const ExecutorOptions& options,
                                          const Shape& input, int threads) {
  return PlanBuilder(graph, options, input, threads).build();
}

}  // namespace visionpress
