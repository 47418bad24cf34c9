#include "formats/coreml/coreml_builder.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "formats/coreml/coreml_schema.h"

namespace visionpress::coreml {

Blob NetworkBuilder::read_blob(const std::string& name) {
  const auto found = blobs.find(name);
  if (found != blobs.end()) return found->second;
  Tensor tensor;
  tensor.name = name;
  const Blob blob{graph.add_tensor(std::move(tensor)), {}};
  blobs.emplace(name, blob);
  return blob;
}

TensorId NetworkBuilder::write_blob(const std::string& name, BlobAxes axes) {
  Tensor tensor;
  tensor.name = name;
  const TensorId id = graph.add_tensor(std::move(tensor));
  blobs.insert_or_assign(name, Blob{id, axes});
  return id;
}

TensorId NetworkBuilder::add_literal(std::string name, Shape shape, std::vector<float> values) {
  Tensor tensor;
  tensor.name = std::move(name);
  tensor.shape = std::move(shape);
  tensor.literal = std::move(values);
  return graph.add_tensor(std::move(tensor));
}

LayerBuilder::LayerBuilder(NetworkBuilder& network, const ProtobufMessage& params, Node origin,
                           std::size_t index)
    : network_(network), params_(params), origin_(std::move(origin)), index_(index) {}

void LayerBuilder::set_blobs(const std::vector<std::string>& inputs,
                             std::vector<std::string> outputs) {
  for (const std::string& name : inputs) inputs_.push_back(network_.read_blob(name));
  outputs_ = std::move(outputs);
}

void LayerBuilder::add_outputs(std::vector<std::string> names) {
  for (std::string& name : names) {
    const bool is_new = std::find(outputs_.begin(), outputs_.end(), name) == outputs_.end();
    if (is_new) outputs_.push_back(std::move(name));
  }
}

std::vector<TensorId> LayerBuilder::input_ids() const {
  std::vector<TensorId> ids;
  for (const Blob& blob : inputs_) ids.push_back(blob.id);
  return ids;
}

Result<void> LayerBuilder::expect_inputs(std::size_t least, std::size_t most) const {
  if (inputs_.size() >= least && inputs_.size() <= most) return {};
  return fail_at(ErrorKind::Malformed, params_.offset(), "{}: {} inputs, expected {}", path(),
                 inputs_.size(),
                 least == most ? std::to_string(least) : fmt::format("{}..{}", least, most));
}

Result<TensorId> LayerBuilder::add_weight(const WeightUse& use) {
  const std::string path = fmt::format("{}.{}.{}", origin_.path, origin_.source_type, use.suffix);
  const ProtobufMessage& message = use.message != nullptr ? *use.message : params_;
  const ProtobufField* field = nullptr;
  for (const ProtobufField& candidate : message.fields()) {
    if (candidate.number != use.field) continue;
    if (field != nullptr) {
      return fail_at(ErrorKind::Unsupported, candidate.tag_offset,
                     "{}: the message appears twice, expected once", path);
    }
    field = &candidate;
  }
  if (field == nullptr) {
    return fail_at(ErrorKind::Malformed, message.offset(), "{}: missing", path);
  }
  VP_ASSIGN_OR_RETURN(ParsedWeight parsed,
                      read_weight_params(message, *field, use.shape, path, network_.gathered));
  Weight weight;
  weight.name = fmt::format("{}:{}", origin_.name, use.suffix);
  if (!network_.weight_names.insert(weight.name).second) {
    weight.name = fmt::format("{}@{}:{}", origin_.name, index_, use.suffix);
    network_.weight_names.insert(weight.name);
  }
  weight.layer = origin_.name;
  weight.path = path;
  weight.role = use.role;
  weight.channel_axis = use.shape.channel_axis;
  weight.layer_group = index_;
  weight.fixed_because = use.fixed_because;
  if (updatable_ || parsed.updatable) {
    weight.fixed_because = "it can be trained on the device (isUpdatable), which takes floats only";
  }
  weight.stored = std::move(parsed.stored);
  Tensor tensor;
  tensor.name = weight.name;
  tensor.shape = use.view.empty() ? weight.stored.shape : use.view;
  tensor.weight = network_.graph.weights.size();
  network_.graph.weights.push_back(std::move(weight));
  network_.slots.push_back(std::move(parsed.slot));
  return network_.graph.add_tensor(std::move(tensor));
}

TensorId LayerBuilder::add_literal(Shape shape, std::vector<float> values) {
  return network_.add_literal(origin_.name + ":literal", std::move(shape), std::move(values));
}

TensorId LayerBuilder::add_inner_node(Op op, std::vector<TensorId> inputs) {
  return add_inner_nodes(std::move(op), std::move(inputs), 1)[0];
}

std::vector<TensorId> LayerBuilder::add_inner_nodes(Op op, std::vector<TensorId> inputs,
                                                    std::size_t count) {
  Node node = origin_;
  node.op = std::move(op);
  node.inputs = std::move(inputs);
  for (std::size_t i = 0; i < count; ++i) {
    Tensor tensor;
    tensor.name = origin_.name + ":inner";
    node.outputs.push_back(network_.graph.add_tensor(std::move(tensor)));
  }
  network_.graph.nodes.push_back(std::move(node));
  return network_.graph.nodes.back().outputs;
}

Result<void> LayerBuilder::finish(Op op, std::vector<TensorId> inputs) {
  BlobAxes axes = inputs_.empty() ? BlobAxes{} : inputs_[0].axes;
  for (const Blob& blob : inputs_) {
    axes.rank = std::max(axes.rank, blob.axes.rank);
    axes.kept = std::max(axes.kept, blob.axes.kept);
  }
  return finish(std::move(op), std::move(inputs), axes);
}

Result<void> LayerBuilder::finish(Op op, std::vector<TensorId> inputs, BlobAxes axes) {
  const bool many_outputs = std::holds_alternative<Split>(op) || std::holds_alternative<TopK>(op) ||
                            std::holds_alternative<Unsupported>(op);
  if (!many_outputs && outputs_.size() != 1) {
    return fail_at(ErrorKind::Malformed, params_.offset(), "{}: {} outputs, expected 1", path(),
                   outputs_.size());
  }
  Node node = std::move(origin_);
  node.op = std::move(op);
  node.inputs = std::move(inputs);
  for (const std::string& name : outputs_) {
    node.outputs.push_back(network_.write_blob(name, axes));
  }
  network_.graph.nodes.push_back(std::move(node));
  return {};
}

Result<void> LayerBuilder::finish_each(std::vector<Op> ops, TensorId input, BlobAxes axes) {
  const std::size_t count = ops.size();
  return finish_each_of(std::move(ops), std::vector<TensorId>(count, input), axes);
}

Result<void> LayerBuilder::finish_each_of(std::vector<Op> ops, const std::vector<TensorId>& inputs,
                                          BlobAxes axes) {
  if (ops.size() != outputs_.size()) {
    return fail_at(ErrorKind::Malformed, params_.offset(), "{}: {} outputs, expected {}", path(),
                   outputs_.size(), ops.size());
  }
  for (std::size_t i = 0; i < ops.size(); ++i) {
    Node node = origin_;
    node.op = std::move(ops[i]);
    node.inputs = {inputs[i]};
    node.outputs = {network_.write_blob(outputs_[i], axes)};
    network_.graph.nodes.push_back(std::move(node));
  }
  return {};
}

Result<void> LayerBuilder::refuse(std::string why) {
  BlobAxes axes = inputs_.empty() ? BlobAxes{} : inputs_[0].axes;
  VP_RETURN_IF_ERROR(finish(Unsupported{std::move(why)}, input_ids(), axes));
  for (std::size_t i = 0; i < outputs_.size() && i < stated_ranks_.size(); ++i) {
    network_.blobs.find(outputs_[i])->second.axes = axes_of_rank(stated_ranks_[i]);
  }
  return {};
}

}  // namespace visionpress::coreml
