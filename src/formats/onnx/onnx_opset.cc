#include "formats/onnx/onnx_opset.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "base/error.h"

namespace visionpress::onnx {
namespace {

/// How an operator of an older version is written in a newer one.
enum class Change : std::uint8_t {
  Refuse,        ///< it means something else
  AxesToInput,   ///< attribute `axes` becomes input 1
  SplitToInput,  ///< attribute `split` becomes input 1
  NumOutputs,    ///< without sizes, attribute `num_outputs` is needed
  OneAxis,       ///< a softmax over several axes is gone, and the default axis moved
  DropSpatial,   ///< attribute `spatial`, 1, is gone
  DropRatio,     ///< attribute `ratio` is gone; it means nothing in a run
};

struct ChangeRow {
  std::string_view op;
  std::int64_t version;  ///< the first opset with the change
  Change change;
};

/// source: onnx/onnx docs/Changelog.md. Operators that only gained types or attributes with the old
/// meaning as their default are not listed. A file below opset 7 is never raised.
constexpr std::array kChanges = std::to_array<ChangeRow>({
    {"BatchNormalization", 9, Change::DropSpatial},
    {"Upsample", 9, Change::Refuse},
    {"Scan", 9, Change::Refuse},
    {"Slice", 10, Change::Refuse},
    {"TopK", 10, Change::Refuse},
    {"Clip", 11, Change::Refuse},
    {"Pad", 11, Change::Refuse},
    {"Resize", 11, Change::Refuse},
    {"Scatter", 11, Change::Refuse},
    {"Dropout", 12, Change::DropRatio},
    {"Softmax", 13, Change::OneAxis},
    {"LogSoftmax", 13, Change::OneAxis},
    {"Hardmax", 13, Change::OneAxis},
    {"Squeeze", 13, Change::AxesToInput},
    {"Unsqueeze", 13, Change::AxesToInput},
    {"ReduceSum", 13, Change::AxesToInput},
    {"Split", 13, Change::SplitToInput},
    {"RoiAlign", 16, Change::Refuse},
    {"ReduceL1", 18, Change::AxesToInput},
    {"ReduceL2", 18, Change::AxesToInput},
    {"ReduceLogSum", 18, Change::AxesToInput},
    {"ReduceLogSumExp", 18, Change::AxesToInput},
    {"ReduceMax", 18, Change::AxesToInput},
    {"ReduceMean", 18, Change::AxesToInput},
    {"ReduceMin", 18, Change::AxesToInput},
    {"ReduceProd", 18, Change::AxesToInput},
    {"ReduceSumSquare", 18, Change::AxesToInput},
    {"Split", 18, Change::NumOutputs},
    {"GridSample", 20, Change::Refuse},
    {"DFT", 20, Change::Refuse},
    {"GroupNormalization", 21, Change::Refuse},
});

constexpr std::int64_t kOldestRaised = 7;

std::optional<std::vector<std::int64_t>> find_ints(const GraphNode& node, std::string_view name) {
  const auto found = node.attributes.find(name);
  if (found == node.attributes.end()) return std::nullopt;
  auto values = found->second.read_ints(attribute_field::kInts);
  return values ? std::optional(std::move(*values)) : std::nullopt;
}

std::int64_t find_int(const GraphNode& node, std::string_view name, std::int64_t fallback) {
  const auto found = node.attributes.find(name);
  if (found == node.attributes.end()) return fallback;
  return found->second.read_int(attribute_field::kInt, fallback).value_or(fallback);
}

/// Adds the change to the node's. returns: whether the node can be written in the newer version.
bool add_change(const ModelFile& model, const GraphNode& node, Change change, NodeChange& result) {
  switch (change) {
    case Change::Refuse:
      return false;
    case Change::AxesToInput:
    case Change::SplitToInput: {
      const std::string name = change == Change::AxesToInput ? "axes" : "split";
      if (!node.attributes.contains(name)) return true;
      const auto values = find_ints(node, name);
      if (!values || node.inputs.size() != 1) return false;
      result.dropped.push_back(name);
      result.inputs.emplace_back(name, *values);
      return true;
    }
    case Change::NumOutputs: {
      const bool has_sizes = node.inputs.size() > 1 || !result.inputs.empty();
      if (!has_sizes && !node.attributes.contains("num_outputs"))
        result.added.emplace_back("num_outputs", static_cast<std::int64_t>(node.outputs.size()));
      return true;
    }
    case Change::OneAxis:
      if (!model.one_axis_nodes.contains(node.message.offset())) return false;
      if (!node.attributes.contains("axis")) result.added.emplace_back("axis", 1);
      return true;
    case Change::DropSpatial:
      if (find_int(node, "spatial", 1) != 1) return false;
      if (node.attributes.contains("spatial")) result.dropped.emplace_back("spatial");
      return true;
    case Change::DropRatio:
      if (node.attributes.contains("ratio")) result.dropped.emplace_back("ratio");
      return true;
  }
  return false;
}

bool is_changed_op(std::string_view op, std::int64_t from, std::int64_t to) {
  return std::ranges::any_of(kChanges, [&](const ChangeRow& row) {
    return row.op == op && row.version > from && row.version <= to;
  });
}

}  // namespace

std::int64_t ir_version_of(std::int64_t opset) {
  struct Row {
    std::int64_t opset;
    std::int64_t ir;
  };
  constexpr std::array kRows = std::to_array<Row>({{25, 13},
                                                   {24, 12},
                                                   {23, 11},
                                                   {21, 10},
                                                   {19, 9},
                                                   {15, 8},
                                                   {12, 7},
                                                   {11, 6},
                                                   {10, 5},
                                                   {9, 4}});
  for (const Row& row : kRows)
    if (opset >= row.opset) return row.ir;
  return 3;
}

OpsetRaise plan_raise(const ModelFile& model, std::int64_t target) {
  OpsetRaise raise = {target};
  const auto own = model.opsets.find("");
  const std::int64_t from = own == model.opsets.end() ? 0 : own->second;
  if (from >= target) return raise;
  if (from < kOldestRaised) {
    raise.why_not = fmt::format("opset {} is not raised, {} and later are", from, kOldestRaised);
    return raise;
  }
  if (!model.functions.empty()) {
    raise.why_not = "the file defines functions, which have opsets of their own";
    return raise;
  }
  for (std::size_t i = 0; i < model.graph.nodes.size(); ++i) {
    const GraphNode& node = model.graph.nodes[i];
    if (!node.domain.empty()) continue;
    NodeChange change = {i};
    bool fits = true;
    for (const ChangeRow& row : kChanges) {
      const bool applies = row.op == node.op && row.version > from && row.version <= target;
      if (applies) fits = fits && add_change(model, node, row.change, change);
    }
    const bool has_graph = std::ranges::any_of(node.attributes, [](const auto& attribute) {
      return attribute.second.has(attribute_field::kGraph);
    });
    if (!fits || has_graph) {
      raise.why_not = fmt::format(
          "{} ({}) {} in opset {}", node.path, node.op,
          has_graph ? "has branches, which may mean something else" : "means something else",
          target);
      return raise;
    }
    if (is_changed_op(node.op, from, target)) raise.changes.push_back(std::move(change));
  }
  return raise;
}

}  // namespace visionpress::onnx
