#include "run/fusion.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "codecs/decode.h"
#include "lower/axis_order.h"
#include "run/ops/elementwise.h"

namespace visionpress {
namespace {

std::optional<float> single_value(const Graph& graph, TensorId id) {
  const Tensor& tensor = graph.tensor(id);
  if (tensor.literal.size() == 1) return tensor.literal[0];
  if (!tensor.weight) return std::nullopt;
  const WeightRef& stored = graph.weights[*tensor.weight].stored;
  if (element_count(stored.shape) != 1) return std::nullopt;
  const auto values = load_weight(stored);
  if (!values) return std::nullopt;
  return values->front();
}

/// The ends of clamped values, in the order in which they follow from the input's.
struct Ends {
  float low = -std::numeric_limits<float>::infinity();
  float high = std::numeric_limits<float>::infinity();
};

/// What the operator makes of values between these ends; nothing for one that does more than clip
/// or negate.
std::optional<Ends> pass_ends(const Unary& unary, const Ends& ends) {
  const auto clamp = [&](float low, float high) {
    return Ends{std::clamp(ends.low, low, high), std::clamp(ends.high, low, high)};
  };
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  switch (unary.kind) {
    case UnaryKind::Relu:
      return clamp(0.0F, kInfinity);
    case UnaryKind::Relu6:
      return clamp(0.0F, 6.0F);
    case UnaryKind::ReluN1To1:
      return clamp(-1.0F, 1.0F);
    case UnaryKind::Threshold:
      if (std::isnan(unary.alpha)) return std::nullopt;
      return clamp(unary.alpha, kInfinity);
    case UnaryKind::Clip:
      if (!(unary.alpha <= unary.beta)) return std::nullopt;
      return clamp(unary.alpha, unary.beta);
    case UnaryKind::Negate:
      return Ends{-ends.low, -ends.high};
    case UnaryKind::Linear:
      if (unary.alpha != -1.0F || unary.beta != 0.0F) return std::nullopt;
      return Ends{-ends.low, -ends.high};
    default:
      return std::nullopt;
  }
}

/// Takes the longest chain of operators that is one clip.
void take_clips(const Graph& graph, const Readers& readers, std::size_t reader, Fusion& fusion) {
  Ends ends;
  bool is_negated = false;
  std::vector<std::size_t> chain;  // read, and not taken yet
  while (true) {
    const Node& node = graph.nodes[reader];
    const auto* unary = std::get_if<Unary>(&node.op);
    const auto passed = unary != nullptr ? pass_ends(*unary, ends) : std::nullopt;
    if (!passed) return;
    is_negated ^= unary->kind == UnaryKind::Negate || unary->kind == UnaryKind::Linear;
    ends = *passed;
    chain.push_back(reader);
    if (!is_negated) {
      const bool is_first = !fusion.epilogue.activation && chain.size() == 1;
      fusion.epilogue.activation = is_first ? *unary : Unary{UnaryKind::Clip, ends.low, ends.high};
      fusion.absorbed.insert(fusion.absorbed.end(), chain.begin(), chain.end());
      fusion.result = node.outputs[0];
      chain.clear();
    }
    const std::vector<std::size_t>& next = readers.of(node.outputs[0]);
    if (next.size() != 1 || readers.is_output(node.outputs[0])) return;
    reader = next[0];
  }
}

void take_unary(const Graph& graph, const Readers& readers, std::size_t reader, Fusion& fusion) {
  const Node& node = graph.nodes[reader];
  const auto* unary = std::get_if<Unary>(&node.op);
  if (unary == nullptr) return;
  if (unary->kind != UnaryKind::LeakyRelu) return take_clips(graph, readers, reader, fusion);
  fusion.epilogue.activation = *unary;
  fusion.absorbed.push_back(reader);
  fusion.result = node.outputs[0];
}

void take_batch_norm(const Graph& graph, const Readers& readers, Fusion& fusion) {
  const std::vector<std::size_t>& next = readers.of(fusion.result);
  if (next.size() != 1) return;
  const Node& node = graph.nodes[next[0]];
  if (!std::holds_alternative<BatchNorm>(node.op) || node.inputs.size() != 5) return;
  fusion.batch_norm = next[0];
  fusion.absorbed.push_back(next[0]);
  fusion.result = node.outputs[0];
}

const Binary* plain_binary(const Node& node, BinaryKind kind) {
  const auto* binary = std::get_if<Binary>(&node.op);
  const bool fits = binary != nullptr && binary->kind == kind && !is_fused(binary->activation) &&
                    node.inputs.size() == 2;
  return fits ? binary : nullptr;
}

// Recognises a leaky ReLU written as MUL and MAXIMUM: max(x, a * x) with 0 <= a <= 1.
void take_leaky_pair(const Graph& graph, const Readers& readers, std::size_t first,
                     std::size_t second, Fusion& fusion) {
  const Node& multiply = graph.nodes[first];
  const Node& maximum = graph.nodes[second];
  if (plain_binary(multiply, BinaryKind::Multiply) == nullptr ||
      plain_binary(maximum, BinaryKind::Maximum) == nullptr)
    return;
  const TensorId x = fusion.result;
  const TensorId scaled = multiply.outputs[0];
  const TensorId other = multiply.inputs[0] == x ? multiply.inputs[1] : multiply.inputs[0];
  const bool joins = (maximum.inputs[0] == x && maximum.inputs[1] == scaled) ||
                     (maximum.inputs[1] == x && maximum.inputs[0] == scaled);
  if (!joins || readers.of(scaled).size() != 1 || readers.is_output(scaled)) return;
  const auto slope = single_value(graph, other);
  if (!slope || *slope < 0.0F || *slope > 1.0F) return;
  fusion.epilogue.activation = Unary{UnaryKind::LeakyRelu, *slope, 0.0F};
  fusion.absorbed.insert(fusion.absorbed.end(), {first, second});
  fusion.result = maximum.outputs[0];
}

}  // namespace

Readers::Readers(const Graph& graph)
    : nodes_(graph.tensors.size()), outputs_(graph.tensors.size(), false) {
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    for (const TensorId id : graph.nodes[n].inputs) {
      if (id != kNoTensor) nodes_[static_cast<std::size_t>(id)].push_back(n);
    }
  }
  for (const TensorId id : graph.outputs) outputs_[static_cast<std::size_t>(id)] = true;
}

Fusion find_activation(const Graph& graph, const Readers& readers, std::size_t node,
                       bool takes_batch_norm) {
  Fusion fusion;
  fusion.result = graph.nodes[node].outputs[0];
  const auto* conv = std::get_if<Conv2d>(&graph.nodes[node].op);
  if (conv == nullptr || is_fused(conv->activation) || readers.is_output(fusion.result))
    return fusion;
  if (takes_batch_norm) take_batch_norm(graph, readers, fusion);
  if (readers.is_output(fusion.result)) return fusion;
  const std::vector<std::size_t>& next = readers.of(fusion.result);
  if (next.size() == 1) take_unary(graph, readers, next[0], fusion);
  if (next.size() == 2) take_leaky_pair(graph, readers, next[0], next[1], fusion);
  return fusion;
}

std::optional<FusedNode> find_pair_activation(const Graph& graph, const Readers& readers,
                                              std::size_t node) {
  const auto* pair = std::get_if<Binary>(&graph.nodes[node].op);
  const TensorId result = graph.nodes[node].outputs[0];
  if (pair == nullptr || is_fused(pair->activation) || readers.is_output(result) ||
      readers.of(result).size() != 1)
    return std::nullopt;
  const std::size_t reader = readers.of(result)[0];
  const auto* unary = std::get_if<Unary>(&graph.nodes[reader].op);
  if (unary == nullptr) return std::nullopt;
  switch (unary->kind) {
    case UnaryKind::Relu:
      return FusedNode{FusedActivation::Relu, reader};
    case UnaryKind::Relu6:
      return FusedNode{FusedActivation::Relu6, reader};
    case UnaryKind::ReluN1To1:
      return FusedNode{FusedActivation::ReluN1To1, reader};
    default:
      return std::nullopt;
  }
}

bool add_max_pool(const Graph& graph, const Readers& readers, std::int64_t height,
                  std::int64_t width, Fusion& fusion) {
  const std::vector<std::size_t>& next = readers.of(fusion.result);
  if (next.size() != 1 || readers.is_output(fusion.result)) return false;
  if (fusion.epilogue.activation && !is_monotone(*fusion.epilogue.activation)) return false;
  const Node& node = graph.nodes[next[0]];
  const auto* pool = std::get_if<Pool2d>(&node.op);
  constexpr std::array<std::int64_t, 2> kTwo = {2, 2};
  if (pool == nullptr || pool->kind != PoolKind::Max || pool->global || pool->kernel != kTwo ||
      pool->stride != kTwo || is_fused(pool->activation)) {
    return false;
  }
  // Whether the pool pads this axis: the blocks must tile the image without padding, whichever
  // padding rule the node names.
  const auto pads = [&](std::size_t axis, std::int64_t size) {
    if (pool->padding.rule == PadRule::Explicit)
      return pool->padding.before[axis] != 0 || pool->padding.after[axis] != 0;
    return size % 2 != 0 || pool->padding.before[axis] != 0 || pool->padding.after[axis] != 0;
  };
  if (pads(0, height) || pads(1, width) || height < 2 || width < 2) return false;
  fusion.epilogue.max_pool_2x2 = true;
  fusion.absorbed.push_back(next[0]);
  fusion.result = node.outputs[0];
  return true;
}

std::optional<ImageBorder> find_border(const Graph& graph, const Readers& readers,
                                       std::size_t node) {
  const auto* pad = std::get_if<Pad>(&graph.nodes[node].op);
  const TensorId result = graph.nodes[node].outputs[0];
  if (pad == nullptr || pad->mode != PadMode::Constant || pad->value != 0.0F ||
      pad->before.size() != 4 || pad->after.size() != 4 || readers.is_output(result) ||
      readers.of(result).size() != 1) {
    return std::nullopt;
  }
  const Node& reader = graph.nodes[readers.of(result)[0]];
  const auto* conv = std::get_if<Conv2d>(&reader.op);
  if (conv == nullptr || conv->transposed || conv->dynamic_range || reader.inputs[0] != result)
    return std::nullopt;
  const Shape before = physical_shape(pad->before, graph.layout);
  const Shape after = physical_shape(pad->after, graph.layout);
  if (before[0] != 0 || after[0] != 0 || before[3] != 0 || after[3] != 0) return std::nullopt;
  return ImageBorder{{before[1], before[2]}, {after[1], after[2]}};
}

Conv2d widen_padding(const Conv2d& conv, const ConvSpec& spec, const ImageBorder& border) {
  Conv2d wide = conv;
  wide.padding.rule = PadRule::Explicit;
  for (std::size_t a = 0; a < 2; ++a) {
    wide.padding.before[a] = spec.before[a] + border.before[a];
    // Fewer pixels than a stride may be left over, which the rule drops.
    wide.padding.after[a] = std::max<std::int64_t>(spec.after[a] + border.after[a], 0);
  }
  return wide;
}

}  // namespace visionpress
