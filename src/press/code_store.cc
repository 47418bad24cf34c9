#include "press/code_store.h"

#include "base/error.h"
#include "codecs/decode.h"
#include "codecs/family.h"
#include "model/kernel_axes.h"

namespace visionpress {
namespace {

/// How the channels of a weight meet the inputs of the first layer that has it as its kernel.
std::optional<ChannelTaps> find_taps(const Graph& graph, std::size_t index) {
  for (const Node& node : graph.nodes) {
    if (find_kernel(graph, node) != index) continue;
    const Weight& weight = graph.weights[index];
    return find_channel_taps(node.op, weight.stored.shape, weight.channel_axis);
  }
  return std::nullopt;
}

}  // namespace

Result<FloatView> CodeStore::view_values(std::size_t index) {
  const Weight& weight = graph_.weights[index];
  if (const auto view = view_weight(weight.stored)) return *view;
  const auto count = static_cast<std::size_t>(element_count(weight.stored.shape).value_or(0));
  // All weights share one buffer, so memory grows by the largest weight only.
  if (scratch_.size() < count) scratch_.resize(count);
  const std::span<float> values = std::span(scratch_).first(count);
  if (auto decoded = decode_weight(weight.stored, values, options_.threads); !decoded) {
    return fail(decoded.error().kind, "{}: {}", weight.path, decoded.error().message);
  }
  return FloatView(values);
}

Result<std::reference_wrapper<const CodedWeight>> CodeStore::encode(std::size_t index,
                                                                    const Form& form) {
  const auto known = encoded_.find({index, form});
  if (known != encoded_.end()) return std::cref(known->second);
  const Weight& weight = graph_.weights[index];
  const Family* family = find_family(form);
  if (family == nullptr) {
    return fail(ErrorKind::Internal, "{}: no codec encodes to {}", weight.path, name_of(form));
  }
  VP_ASSIGN_OR_RETURN(const FloatView values, view_values(index));
  CodedWeight coded;
  const EncodeOptions encode{.channel_axis = weight.channel_axis,
                             .ties_away = options_.ties_away,
                             .taps = find_taps(graph_, index),
                             .threads = options_.threads,
                             .error = &coded.error};
  auto codes = family->encode(values, weight.stored.shape, form, encode);
  if (codes) {
    coded.codes = std::make_shared<const EncodedWeight>(std::move(*codes));
  } else {
    // A refusal is stored too: encoding again would give the same answer.
    coded.refused = codes.error().message;
  }
  return std::cref(encoded_.emplace(std::pair(index, form), std::move(coded)).first->second);
}

}  // namespace visionpress
