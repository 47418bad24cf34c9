#include "formats/onnx/onnx_graph.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/error.h"

namespace visionpress::onnx {
namespace {

tl::unexpected<Error> at_place(Error error, const std::string& place) {
  error.message = fmt::format("{}: {}", place, error.message);
  return tl::unexpected<Error>(std::move(error));
}

/// The sizes of a TensorShapeProto: -1 for a named or absent one.
Result<Shape> read_shape(const ProtobufMessage& message) {
  VP_ASSIGN_OR_RETURN(const auto dims, message.read_messages(value_info_field::kDim));
  constexpr std::size_t kMostAxes = 64;
  if (dims.size() > kMostAxes) {
    return fail_at(ErrorKind::Malformed, message.offset(),
                   "a shape of {} axes, at most {} are read", dims.size(), kMostAxes);
  }
  Shape shape;
  for (const ProtobufMessage& dim : dims) {
    VP_ASSIGN_OR_RETURN(std::int64_t size, dim.read_int(value_info_field::kDimValue, -1));
    // Exporters write 0 and -1 for a size that a run decides.
    constexpr std::int64_t kLargest = std::int64_t{1} << 40;
    if (size <= 0) size = -1;
    if (size > kLargest) {
      return fail_at(ErrorKind::Malformed, dim.offset(), "a size of {}, at most {} is read", size,
                     kLargest);
    }
    shape.push_back(size);
  }
  return shape;
}

Result<ValueInfo> read_value_info(ProtobufMessage message) {
  ValueInfo info;
  VP_ASSIGN_OR_RETURN(info.name, message.read_text(value_info_field::kName));
  VP_ASSIGN_OR_RETURN(const auto type, message.read_message(value_info_field::kType));
  if (type) {
    VP_ASSIGN_OR_RETURN(info.denotation, type->read_text(value_info_field::kDenotation));
    VP_ASSIGN_OR_RETURN(const auto tensor, type->read_message(value_info_field::kTensorType));
    info.is_tensor = tensor.has_value();
    if (tensor) {
      VP_ASSIGN_OR_RETURN(const std::uint64_t dtype,
                          tensor->read_uint(value_info_field::kElementType));
      info.dtype = static_cast<DataType>(dtype > 0xffff ? 0xffff : dtype);
      VP_ASSIGN_OR_RETURN(const auto shape, tensor->read_message(value_info_field::kShape));
      if (shape) {
        VP_ASSIGN_OR_RETURN(info.shape, read_shape(*shape));
      }
    }
  }
  info.message = std::move(message);
  return info;
}

Result<std::vector<ValueInfo>> read_value_infos(const ProtobufMessage& graph, std::uint32_t field,
                                                const std::string& place) {
  std::vector<ValueInfo> infos;
  for (const ProtobufField& found : graph.fields()) {
    if (found.number != field) continue;
    const std::string path = fmt::format("{}[{}]", place, infos.size());
    auto message = graph.open(found);
    if (!message) return at_place(message.error(), path);
    auto info = read_value_info(std::move(*message));
    if (!info) return at_place(info.error(), path);
    infos.push_back(std::move(*info));
  }
  return infos;
}

Result<void> read_initializers(const ProtobufMessage& message, const std::string& path,
                               ExternalFiles& external, PayloadPool& pool, GraphBody& graph) {
  std::set<std::string, std::less<>> names;
  for (const ProtobufField& field : message.fields()) {
    if (field.number != graph_field::kInitializer) continue;
    std::string place = fmt::format("{}initializer[{}]", path, graph.initializers.size());
    auto tensor = message.open(field);
    if (!tensor) return at_place(tensor.error(), place);
    if (auto name = tensor->read_text(tensor_field::kName); name && !name->empty()) {
      place += " " + quote(*name);
    }
    VP_ASSIGN_OR_RETURN(StoredTensor stored,
                        read_tensor(std::move(*tensor), place, external, pool));
    if (stored.name.empty() || !names.insert(stored.name).second) {
      return fail_at(ErrorKind::Malformed, field.tag_offset, "{}: {}", place,
                     stored.name.empty() ? "it has no name" : "another has this name");
    }
    graph.initializers.push_back(std::move(stored));
  }
  return {};
}

Result<std::vector<GraphNode>> read_nodes(const ProtobufMessage& message, std::uint32_t number,
                                          const std::string& path) {
  std::vector<GraphNode> nodes;
  for (const ProtobufField& field : message.fields()) {
    if (field.number != number) continue;
    VP_ASSIGN_OR_RETURN(GraphNode node,
                        read_node(message, field, fmt::format("{}node[{}]", path, nodes.size())));
    nodes.push_back(std::move(node));
  }
  return nodes;
}

/// The names that exist before the first node. errors: Malformed for an input that appears twice.
Result<std::vector<std::string>> list_given(const GraphBody& graph, const std::string& path) {
  std::vector<std::string> given;
  std::set<std::string, std::less<>> inputs;
  for (std::size_t i = 0; i < graph.inputs.size(); ++i) {
    const ValueInfo& input = graph.inputs[i];
    if (!inputs.insert(input.name).second) {
      return fail_at(ErrorKind::Malformed, input.message.offset(),
                     "{}input[{}]: another has the name {}", path, i, quote(input.name));
    }
    given.push_back(input.name);
  }
  for (const StoredTensor& tensor : graph.initializers) given.push_back(tensor.name);
  return given;
}

Result<Opsets> read_opsets(const ProtobufMessage& message, std::uint32_t field) {
  Opsets opsets;
  VP_ASSIGN_OR_RETURN(const auto entries, message.read_messages(field));
  for (const ProtobufMessage& entry : entries) {
    VP_ASSIGN_OR_RETURN(std::string domain, entry.read_text(opset_field::kDomain));
    VP_ASSIGN_OR_RETURN(const std::int64_t version, entry.read_int(opset_field::kVersion));
    if (domain == "ai.onnx") domain.clear();
    std::int64_t& known = opsets[domain];
    known = std::max(known, version);
  }
  return opsets;
}

Result<Function> read_function(const ProtobufMessage& message, const std::string& place) {
  Function function;
  VP_ASSIGN_OR_RETURN(function.name, message.read_text(function_field::kName));
  VP_ASSIGN_OR_RETURN(function.domain, message.read_text(function_field::kDomain));
  VP_ASSIGN_OR_RETURN(function.overload, message.read_text(function_field::kOverload));
  VP_ASSIGN_OR_RETURN(function.inputs, message.read_texts(function_field::kInput));
  VP_ASSIGN_OR_RETURN(function.outputs, message.read_texts(function_field::kOutput));
  VP_ASSIGN_OR_RETURN(function.opsets, read_opsets(message, function_field::kOpsetImport));
  VP_ASSIGN_OR_RETURN(auto defaults, message.read_messages(function_field::kAttributeProto));
  for (ProtobufMessage& attribute : defaults) {
    VP_ASSIGN_OR_RETURN(const std::string name, attribute.read_text(attribute_field::kName));
    function.defaults.emplace(name, std::move(attribute));
  }
  VP_ASSIGN_OR_RETURN(function.nodes, read_nodes(message, function_field::kNode, place + "."));
  if (function.domain == "ai.onnx") function.domain.clear();
  VP_RETURN_IF_ERROR(sort_nodes(function.nodes, function.inputs));
  return function;
}

Result<void> read_functions(ModelFile& model) {
  for (const ProtobufField& field : model.message.fields()) {
    if (field.number != model_field::kFunctions) continue;
    std::string place = fmt::format("functions[{}]", model.functions.size());
    auto message = model.message.open(field);
    if (!message) return at_place(message.error(), place);
    if (auto name = message->read_text(function_field::kName)) place += " " + quote(*name);
    VP_ASSIGN_OR_RETURN(Function function, read_function(*message, place));
    model.functions.push_back(std::move(function));
  }
  return {};
}

Result<void> read_texts(ModelFile& model) {
  VP_ASSIGN_OR_RETURN(model.producer, model.message.read_text(model_field::kProducerName));
  VP_ASSIGN_OR_RETURN(const std::string version,
                      model.message.read_text(model_field::kProducerVersion));
  if (!version.empty()) model.producer += (model.producer.empty() ? "" : " ") + version;
  VP_ASSIGN_OR_RETURN(const auto entries, model.message.read_messages(model_field::kMetadataProps));
  for (const ProtobufMessage& entry : entries) {
    VP_ASSIGN_OR_RETURN(std::string key, entry.read_text(entry_field::kKey));
    VP_ASSIGN_OR_RETURN(std::string value, entry.read_text(entry_field::kValue));
    model.metadata[std::move(key)] = std::move(value);
  }
  return {};
}

Result<void> check_versions(const ModelFile& model, Diagnostics& diagnostics) {
  if (model.ir_version < kOldestIr) {
    return fail(ErrorKind::Unsupported, "IR version {} is not read, expected {} to {}",
                model.ir_version, kOldestIr, kNewestIr);
  }
  const auto own = model.opsets.find("");
  if (own == model.opsets.end()) {
    // A model of custom or ai.onnx.ml operators alone may name no other.
    return model.opsets.empty()
               ? fail(ErrorKind::Malformed, "the file names no opset (opset_import)")
               : Result<void>();
  }
  if (own->second < 1) {
    return fail(ErrorKind::Malformed, "opset {}, expected 1 to {}", own->second, kNewestOpset);
  }
  if (own->second > kNewestOpset || model.ir_version > kNewestIr) {
    diagnostics.warn(fmt::format(
        "the file has opset {} and IR version {}, newer than those that are known here ({} and "
        "{}); its operators are read as in those",
        own->second, model.ir_version, kNewestOpset, kNewestIr));
  }
  return {};
}

}  // namespace

Result<GraphBody> read_graph_body(ProtobufMessage message, const std::string& path,
                                  ExternalFiles& external, PayloadPool& pool) {
  GraphBody graph;
  VP_ASSIGN_OR_RETURN(graph.name, message.read_text(graph_field::kName));
  if (message.has(graph_field::kSparseInitializer)) {
    return fail_at(ErrorKind::Unsupported, message.offset(), "{}sparse_initializer is not read",
                   path);
  }
  VP_RETURN_IF_ERROR(read_initializers(message, path, external, pool, graph));
  VP_ASSIGN_OR_RETURN(graph.inputs, read_value_infos(message, graph_field::kInput, path + "input"));
  VP_ASSIGN_OR_RETURN(graph.outputs,
                      read_value_infos(message, graph_field::kOutput, path + "output"));
  VP_ASSIGN_OR_RETURN(graph.nodes, read_nodes(message, graph_field::kNode, path));
  VP_ASSIGN_OR_RETURN(const std::vector<std::string> given, list_given(graph, path));
  VP_RETURN_IF_ERROR(sort_nodes(graph.nodes, given));
  graph.message = std::move(message);
  return graph;
}

Result<ModelFile> read_model_file(Bytes file, ExternalFiles& external, Diagnostics& diagnostics) {
  ModelFile model;
  VP_ASSIGN_OR_RETURN(model.message, ProtobufMessage::read_file(file));
  VP_ASSIGN_OR_RETURN(model.ir_version, model.message.read_int(model_field::kIrVersion));
  VP_ASSIGN_OR_RETURN(model.opsets, read_opsets(model.message, model_field::kOpsetImport));
  VP_RETURN_IF_ERROR(check_versions(model, diagnostics));
  VP_RETURN_IF_ERROR(read_texts(model));
  VP_RETURN_IF_ERROR(read_functions(model));
  VP_ASSIGN_OR_RETURN(auto graph, model.message.read_message(model_field::kGraph));
  if (!graph) return fail(ErrorKind::Malformed, "the model has no graph");
  VP_ASSIGN_OR_RETURN(model.graph, read_graph_body(std::move(*graph), "", external, model.pool));
  return model;
}

}  // namespace visionpress::onnx
