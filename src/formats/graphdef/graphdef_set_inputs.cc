// Replaces inputs by values that the user gives: "is_training=false".

#include <string>
#include <utility>

#include "base/error.h"
#include "formats/graphdef/graphdef_lowering.h"
#include "formats/input_values.h"

namespace visionpress::graphdef {
namespace {

bool is_input(const GraphNode& node) {
  return is_placeholder(node) || node.op == "PlaceholderWithDefault";
}

/// "is_training" bool []
Result<std::string> describe_input(const GraphNode& node) {
  VP_ASSIGN_OR_RETURN(const DataType dtype, read_type_attr(node, "dtype", DataType::Float));
  VP_ASSIGN_OR_RETURN(const auto shape, read_shape_attr(node, "shape"));
  return fmt::format("\"{}\" {} {}", node.name, name_of(dtype), shape ? to_string(*shape) : "[?]");
}

Result<std::string> list_inputs(const NodeList& list) {
  std::string text;
  for (const std::size_t at : list.order) {
    if (!is_input(list.nodes[at])) continue;
    VP_ASSIGN_OR_RETURN(const std::string input, describe_input(list.nodes[at]));
    text += (text.empty() ? "" : ", ") + input;
  }
  return text.empty() ? std::string("the graph has no inputs") : "the graph's inputs: " + text;
}

Result<Value> read_setting(const GraphNode& node, const InputSetting& setting) {
  VP_ASSIGN_OR_RETURN(const DataType dtype, read_type_attr(node, "dtype", DataType::Float));
  VP_ASSIGN_OR_RETURN(const auto shape, read_shape_attr(node, "shape"));
  if (!can_be_set(dtype_of(dtype))) {
    VP_ASSIGN_OR_RETURN(const std::string input, describe_input(node));
    return fail(ErrorKind::Usage, "input {} cannot be set: bool, whole numbers and float32 can",
                input);
  }
  VP_ASSIGN_OR_RETURN(InputValues given, load_input_values(setting, dtype_of(dtype), shape));
  return make_known(std::move(given.shape), std::move(given.values), dtype);
}

}  // namespace

Result<void> set_inputs(const std::vector<InputSetting>& settings, Lowering& lowering) {
  const NodeList& list = lowering.nodes;
  for (const InputSetting& setting : settings) {
    const auto found = list.by_name.find(setting.name);
    if (found == list.by_name.end() || !is_input(list.nodes[found->second])) {
      VP_ASSIGN_OR_RETURN(const std::string inputs, list_inputs(list));
      return fail(ErrorKind::Usage, "no input \"{}\" to set; {}", setting.name, inputs);
    }
    VP_ASSIGN_OR_RETURN(Value value, read_setting(list.nodes[found->second], setting));
    if (!lowering.settings.emplace(found->second, std::move(value)).second) {
      return fail(ErrorKind::Usage, "input \"{}\" is set twice", setting.name);
    }
  }
  return {};
}

}  // namespace visionpress::graphdef
