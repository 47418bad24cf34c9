// Replaces inputs by values that the user gives: "is_training=false".

#include <charconv>
#include <cmath>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "formats/graphdef/graphdef_lowering.h"

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

struct Range {
  double least = 0.0;
  double most = 0.0;
};

/// The range of an integer type, as far as a double holds it exactly; nothing for other types.
std::optional<Range> range_of(DataType dtype) {
  constexpr double kExact = 9007199254740992.0;  // 2^53
  switch (dtype) {
    case DataType::Int8:
      return Range{-128.0, 127.0};
    case DataType::UInt8:
      return Range{0.0, 255.0};
    case DataType::Int16:
      return Range{-32768.0, 32767.0};
    case DataType::Int32:
      return Range{-2147483648.0, 2147483647.0};
    case DataType::Int64:
      return Range{-kExact, kExact};
    default:
      return std::nullopt;
  }
}

/// Parses a value; nothing if the type does not have it.
std::optional<double> parse_value(std::string_view text, DataType dtype) {
  if (dtype == DataType::Bool) {
    if (text == "true" || text == "True" || text == "1") return 1.0;
    if (text == "false" || text == "False" || text == "0") return 0.0;
    return std::nullopt;
  }
  double value = 0.0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  if (parsed.ec != std::errc() || parsed.ptr != end || !std::isfinite(value)) return std::nullopt;
  if (const auto range = range_of(dtype)) {
    const bool fits = value == std::floor(value) && value >= range->least && value <= range->most;
    return fits ? std::optional<double>(value) : std::nullopt;
  }
  const auto single = static_cast<float>(value);
  return std::isfinite(single) ? std::optional<double>(single) : std::nullopt;
}

bool can_be_set(DataType dtype) {
  return dtype == DataType::Bool || dtype == DataType::Float || range_of(dtype).has_value();
}

Result<Value> read_setting(const GraphNode& node, const InputSetting& setting) {
  VP_ASSIGN_OR_RETURN(const DataType dtype, read_type_attr(node, "dtype", DataType::Float));
  VP_ASSIGN_OR_RETURN(const auto shape, read_shape_attr(node, "shape"));
  if ((shape && !shape->empty()) || !can_be_set(dtype)) {
    VP_ASSIGN_OR_RETURN(const std::string input, describe_input(node));
    return fail(ErrorKind::Usage,
                "input {} cannot be set: scalars of bool, whole numbers and float32 can", input);
  }
  const auto value = parse_value(setting.value, dtype);
  if (!value) {
    return fail(ErrorKind::Usage, "input \"{}\" is {}, which has no value \"{}\"{}", node.name,
                name_of(dtype), setting.value,
                dtype == DataType::Bool ? "; true and false are its values" : "");
  }
  return make_known({}, {*value}, dtype);
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
