#include "formats/tflite/tflite_runtime_facts.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "base/ascii.h"

namespace visionpress::tflite {
namespace {

void read_scales(const tfl::QuantizationParameters& stored, TensorFacts& tensor) {
  tensor.axis = stored.quantized_dimension();
  if (const auto* blocks = stored.details_as_BlockwiseQuantization()) {
    tensor.quantized = Quantized::Blockwise;
    tensor.block_size = blocks->block_size();
    tensor.block_scales = blocks->scales();
    return;
  }
  if (stored.details_as_MultiAxisQuantization() != nullptr) {
    tensor.quantized = Quantized::Other;
    return;
  }
  if (size_of(stored.scale()) == 0) return;
  tensor.quantized = Quantized::Affine;
  tensor.scales.assign(stored.scale()->begin(), stored.scale()->end());
  if (size_of(stored.zero_point()) == 0) return;
  // The verifier does not check their alignment, so they are copied as bytes.
  tensor.zero_points.resize(stored.zero_point()->size());
  std::memcpy(tensor.zero_points.data(), stored.zero_point()->Data(),
              tensor.zero_points.size() * sizeof(std::int64_t));
}

TensorFacts read_tensor(const TfliteModel& model, const tfl::Tensor& stored) {
  TensorFacts tensor;
  if (stored.name() != nullptr) tensor.name = stored.name()->str();
  tensor.type = stored.type();
  if (stored.shape() != nullptr)
    tensor.shape.assign(stored.shape()->begin(), stored.shape()->end());
  if (stored.buffer() != 0 && stored.buffer() < size_of(model.root.buffers())) {
    tensor.payload = view_payload(model.file, at_index(*model.root.buffers(), stored.buffer()));
    tensor.is_constant = !tensor.payload.empty();
  }
  tensor.is_variable = stored.is_variable();
  tensor.is_sparse = stored.sparsity() != nullptr;
  if (stored.quantization() != nullptr) read_scales(*stored.quantization(), tensor);
  return tensor;
}

void read_ids(const flatbuffers::Vector<std::int32_t>* ids, std::vector<int>& into) {
  if (ids != nullptr) into.assign(ids->begin(), ids->end());
}

OperatorFacts read_operator(const TfliteModel& model, const tfl::Operator& stored) {
  OperatorFacts op;
  const auto& code = at_index(*model.root.operator_codes(), stored.opcode_index());
  op.code = builtin_code(code);
  op.version = code.version();
  op.type = tfl::EnumNameBuiltinOperator(op.code);
  if (op.type.empty()) op.type = fmt::format("operator {}", static_cast<int>(op.code));
  if (op.code == tfl::BuiltinOperator::CUSTOM && code.custom_code() != nullptr) {
    op.type = code.custom_code()->str();
  }
  read_ids(stored.inputs(), op.inputs);
  read_ids(stored.outputs(), op.outputs);
  op.table = &stored;
  op.custom_options = view_options(model.file, stored);
  return op;
}

}  // namespace

std::int64_t TensorFacts::elements() const {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) count = checked_multiply(count, size).value_or(0);
  return count;
}

std::optional<std::vector<std::int64_t>> TensorFacts::integers() const {
  if (!is_constant) return std::nullopt;
  std::vector<std::int64_t> values;
  if (type == tfl::TensorType::INT32) {
    for (std::size_t at = 0; at + sizeof(std::int32_t) <= payload.size();
         at += sizeof(std::int32_t)) {
      values.push_back(load_le<std::int32_t>(payload, at));
    }
    return values;
  }
  if (type != tfl::TensorType::INT64) return std::nullopt;
  for (std::size_t at = 0; at + sizeof(std::int64_t) <= payload.size();
       at += sizeof(std::int64_t)) {
    values.push_back(load_le<std::int64_t>(payload, at));
  }
  return values;
}

const TensorFacts* GraphFacts::input(const OperatorFacts& op, std::size_t slot) const {
  if (slot >= op.inputs.size() || op.inputs[slot] < 0) return nullptr;
  return &tensors[static_cast<std::size_t>(op.inputs[slot])];
}

const TensorFacts* GraphFacts::output(const OperatorFacts& op, std::size_t slot) const {
  if (slot >= op.outputs.size() || op.outputs[slot] < 0) return nullptr;
  return &tensors[static_cast<std::size_t>(op.outputs[slot])];
}

GraphFacts read_facts(const TfliteModel& model) {
  GraphFacts graph;
  const tfl::SubGraph& subgraph = at_index(*model.root.subgraphs(), 0);
  const std::size_t tensor_count = size_of(subgraph.tensors());
  graph.tensors.reserve(tensor_count);
  for (std::size_t i = 0; i < tensor_count; ++i) {
    graph.tensors.push_back(read_tensor(model, at_index(*subgraph.tensors(), i)));
  }
  read_ids(subgraph.outputs(), graph.outputs);
  graph.readers.resize(tensor_count);
  graph.writers.resize(tensor_count);
  const std::size_t count = size_of(subgraph.operators());
  graph.operators.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    OperatorFacts op = read_operator(model, at_index(*subgraph.operators(), i));
    const auto note = [i](const std::vector<int>& ids, auto& uses) {
      for (const int id : ids) {
        if (id >= 0) uses[static_cast<std::size_t>(id)].push_back(i);
      }
    };
    note(op.inputs, graph.readers);
    note(op.outputs, graph.writers);
    if (!op.outputs.empty() && op.outputs[0] >= 0) {
      op.name = graph.tensors[static_cast<std::size_t>(op.outputs[0])].name;
    }
    graph.operators.push_back(std::move(op));
  }
  return graph;
}

std::string name_of_type(tfl::TensorType type) {
  const std::string name = tfl::EnumNameTensorType(type);
  return name.empty() ? fmt::format("type {}", static_cast<int>(type)) : ascii_lower(name);
}

std::size_t count_partitions(const GraphFacts& graph, const std::vector<bool>& takes) {
  const std::size_t count = graph.operators.size();
  std::vector<bool> ready(graph.tensors.size());
  for (std::size_t t = 0; t < ready.size(); ++t) ready[t] = graph.writers[t].empty();
  const auto is_ready = [&](const OperatorFacts& op) {
    return std::ranges::all_of(
        op.inputs, [&](int id) { return id < 0 || ready[static_cast<std::size_t>(id)]; });
  };
  std::vector<bool> done(count);
  std::size_t left = count;
  std::size_t partitions = 0;
  while (left > 0) {
    // The first operator that can run decides which kind the next group has.
    std::optional<bool> kind;
    const std::size_t before = left;
    for (bool moved = true; moved;) {
      moved = false;
      for (std::size_t i = 0; i < count; ++i) {
        const OperatorFacts& op = graph.operators[i];
        if (done[i] || !is_ready(op)) continue;
        if (!kind) kind = takes[i];
        if (*kind != takes[i]) continue;
        done[i] = true;
        moved = true;
        --left;
        for (const int id : op.outputs) {
          if (id >= 0) ready[static_cast<std::size_t>(id)] = true;
        }
      }
    }
    if (left == before) return partitions;  // no order runs the rest
    if (*kind) ++partitions;
  }
  return partitions;
}

}  // namespace visionpress::tflite
