#include "formats/tflite/tflite_on_xnnpack.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

namespace visionpress::tflite {
namespace {

using Code = tfl::BuiltinOperator;
using Type = tfl::TensorType;

/// The operators whose kernel and bias the delegate reads as halves.
bool reads_halves(Code code) {
  return code == Code::CONV_2D || code == Code::DEPTHWISE_CONV_2D || code == Code::FULLY_CONNECTED;
}

/// Follows the delegate's one walk over the graph in the order of the file.
class XnnpackWalk {
 public:
  explicit XnnpackWalk(const GraphFacts& graph) : graph_(graph), refusals_(graph.operators.size()) {
    unpacked_.is_unpacked.resize(graph.tensors.size());
    unpacked_.stays_half.resize(graph.tensors.size());
  }

  std::vector<std::string> list() {
    for (std::size_t i = 0; i < graph_.operators.size(); ++i) visit(i);
    // A variable is taken with the operators that read and write it.
    for (const auto& [tensor, handle] : handles_) {
      if (values_.contains(tensor)) refusals_[handle].clear();
    }
    return std::move(refusals_);
  }

 private:
  void visit(std::size_t index);
  bool unpacks(const OperatorFacts& op) const;
  bool stays_half(const OperatorFacts& op) const;
  std::string check_variable(const OperatorFacts& op);

  const GraphFacts& graph_;
  UnpackedTensors unpacked_ = {};
  std::map<int, std::size_t> producers_ = {};  ///< unpacked tensor -> its operator
  std::map<int, std::size_t> handles_ = {};    ///< resource tensor -> its VAR_HANDLE
  std::map<int, int> values_ = {};             ///< resource tensor -> the first value of it
  std::vector<std::string> refusals_ = {};
};

/// Whether the operator decodes a constant: then it is unpacked once and never runs.
bool XnnpackWalk::unpacks(const OperatorFacts& op) const {
  if (op.inputs.size() != 1 || op.outputs.size() != 1) return false;
  const TensorFacts* input = graph_.input(op, 0);
  const TensorFacts* output = graph_.output(op, 0);
  if (input == nullptr || output == nullptr) return false;
  if (op.code == Code::DEQUANTIZE) {
    const bool is_code = input->type == Type::INT8 && input->quantized != Quantized::No;
    const bool is_known =
        input->is_constant || unpacked_.is_unpacked[static_cast<std::size_t>(op.inputs[0])];
    return !input->is_sparse && is_known && (input->type == Type::FLOAT16 || is_code) &&
           output->type == Type::FLOAT32;
  }
  if (op.code != Code::DENSIFY) return false;
  const bool is_type =
      input->type == Type::FLOAT16 || input->type == Type::INT8 || input->type == Type::FLOAT32;
  return input->is_constant && input->is_sparse && is_type && output->type == input->type;
}

bool XnnpackWalk::stays_half(const OperatorFacts& op) const {
  const int output = op.outputs[0];
  if (graph_.input(op, 0)->type != Type::FLOAT16) return false;
  return std::ranges::all_of(graph_.readers[static_cast<std::size_t>(output)], [&](std::size_t r) {
    const OperatorFacts& reader = graph_.operators[r];
    return reads_halves(reader.code) && reader.inputs[0] != output;
  });
}

/// ASSIGN_VARIABLE and READ_VARIABLE: the values of one variable have one type and shape.
std::string XnnpackWalk::check_variable(const OperatorFacts& op) {
  const bool writes = op.code == Code::ASSIGN_VARIABLE;
  const int value = writes ? op.inputs[1] : op.outputs[0];
  const int resource = op.inputs[0];
  if (!handles_.contains(resource)) return "its variable has no VAR_HANDLE before it";
  const auto [first, is_new] = values_.emplace(resource, value);
  if (is_new) return {};
  const TensorFacts& one = graph_.tensors[static_cast<std::size_t>(first->second)];
  const TensorFacts& other = graph_.tensors[static_cast<std::size_t>(value)];
  if (one.type == other.type && one.shape == other.shape) return {};
  return "its variable has values of several types or shapes";
}

void XnnpackWalk::visit(std::size_t index) {
  const OperatorFacts& op = graph_.operators[index];
  if (unpacks(op)) {
    const auto output = static_cast<std::size_t>(op.outputs[0]);
    if (op.code == Code::DEQUANTIZE && stays_half(op)) unpacked_.stays_half[output] = true;
    unpacked_.is_unpacked[output] = true;
    producers_[op.outputs[0]] = index;
    return;
  }
  if (op.code == Code::VAR_HANDLE) {
    handles_[op.outputs.empty() ? -1 : op.outputs[0]] = index;
    refusals_[index] = "no operator that is taken uses the variable";
    return;
  }
  std::string& why = refusals_[index];
  why = check_xnnpack_rule(graph_, op, unpacked_);
  if (why.empty() && (op.code == Code::ASSIGN_VARIABLE || op.code == Code::READ_VARIABLE)) {
    why = check_variable(op);
  }
  if (why.empty()) return;
  for (const int id : op.inputs) {
    const auto producer = producers_.find(id);
    if (producer == producers_.end()) continue;
    refusals_[producer->second] =
        fmt::format("{}, which is not taken, reads the decoded constant", op.type);
  }
}

}  // namespace

std::vector<std::string> list_xnnpack_refusals(const GraphFacts& graph) {
  return XnnpackWalk(graph).list();
}

}  // namespace visionpress::tflite
