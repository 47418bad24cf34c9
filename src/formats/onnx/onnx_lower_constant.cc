// Constants: those that a node holds, and those that are computed from sizes.

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "base/error.h"
#include "formats/onnx/onnx_lowering.h"

namespace visionpress::onnx {
namespace {

/// The most values of a constant made here: 32 MiB, more than the grid of boxes of any detector.
constexpr std::int64_t kMostFilled = std::int64_t{1} << 22;

/// A Value of a tensor in an attribute.
Result<Value> read_tensor_value(NodeLowering& node, const ProtobufMessage& attribute) {
  VP_ASSIGN_OR_RETURN(auto message, attribute.read_message(attribute_field::kTensor));
  if (!message) return node.malformed("its tensor is absent");
  VP_ASSIGN_OR_RETURN(StoredTensor tensor,
                      read_tensor(std::move(*message), node.path(), node.lowering().external,
                                  node.lowering().model.pool));
  if (tensor.dtype == DataType::String) {
    Value value;
    value.dtype = DataType::String;
    value.shape = tensor.shape;
    VP_ASSIGN_OR_RETURN(value.texts, load_texts(tensor));
    return value;
  }
  StoredConstant constant;
  constant.dtype = tensor.dtype;
  constant.shape = tensor.shape;
  constant.payload = tensor.payload;
  constant.name = node.node().outputs.empty() ? node.node().name : node.node().outputs[0];
  constant.path = node.path();
  constant.slot.value_name = constant.name;
  return node.add_stored(std::move(constant));
}

std::vector<double> to_doubles(const auto& list) {
  std::vector<double> values;
  values.reserve(list.size());
  for (const auto number : list) values.push_back(static_cast<double>(number));
  return values;
}

/// The value of the attributes value_float, value_int and value_string, or of their plural forms;
/// nothing where there is none.
Result<std::optional<Value>> read_plain_value(NodeLowering& node, bool is_list) {
  const std::string suffix = is_list ? "s" : "";
  const auto shape = [&](std::size_t count) {
    return is_list ? Shape{static_cast<std::int64_t>(count)} : Shape{};
  };
  VP_ASSIGN_OR_RETURN(const ProtobufMessage* real, node.find_attribute("value_float" + suffix));
  if (real != nullptr) {
    VP_ASSIGN_OR_RETURN(const auto list, real->read_floats(is_list ? attribute_field::kFloats
                                                                   : attribute_field::kFloat));
    return make_known(shape(list.size()), to_doubles(list), DataType::Float);
  }
  VP_ASSIGN_OR_RETURN(const ProtobufMessage* whole, node.find_attribute("value_int" + suffix));
  if (whole != nullptr) {
    VP_ASSIGN_OR_RETURN(const auto list,
                        whole->read_ints(is_list ? attribute_field::kInts : attribute_field::kInt));
    return make_known(shape(list.size()), to_doubles(list), DataType::Int64);
  }
  VP_ASSIGN_OR_RETURN(const ProtobufMessage* text, node.find_attribute("value_string" + suffix));
  if (text == nullptr) return std::optional<Value>();
  Value value;
  value.dtype = DataType::String;
  VP_ASSIGN_OR_RETURN(value.texts, text->read_texts(is_list ? attribute_field::kStrings
                                                            : attribute_field::kString));
  value.shape = shape(value.texts.size());
  return value;
}

Result<void> lower_constant(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(0, 0));
  VP_ASSIGN_OR_RETURN(const ProtobufMessage* tensor, node.find_attribute("value"));
  if (tensor != nullptr) return node.finish(read_tensor_value(node, *tensor));
  for (const bool is_list : {false, true}) {
    VP_ASSIGN_OR_RETURN(const auto value, read_plain_value(node, is_list));
    if (value) return node.forward(*value);
  }
  return node.refuse("its value is of a kind that is not read");
}

/// errors: Malformed beyond kMostFilled elements, and of count_made.
Result<std::size_t> check_count(NodeLowering& node, const Shape& shape) {
  const auto count = element_count(shape);
  if (!count || *count > kMostFilled) {
    return node.malformed(
        fmt::format("it fills {}, at most {} values are made here", to_string(shape), kMostFilled));
  }
  VP_RETURN_IF_ERROR(node.count_made(*count));
  return static_cast<std::size_t>(*count);
}

Result<void> lower_constant_of_shape(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  const auto shape = node.find_integers(0);
  if (!shape) return node.refuse_computed(0, "its shape is computed");
  if (!are_sizes(*shape)) return node.malformed("it fills " + to_string(*shape));
  Value filled = make_known({1}, {0.0}, DataType::Float);
  VP_ASSIGN_OR_RETURN(const ProtobufMessage* attribute, node.find_attribute("value"));
  if (attribute != nullptr) {
    VP_ASSIGN_OR_RETURN(filled, read_tensor_value(node, *attribute));
  }
  const std::vector<double> values = load_all(node.lowering(), filled);
  if (values.size() != 1) return node.malformed("its value is not one number");
  VP_ASSIGN_OR_RETURN(const std::size_t count, check_count(node, *shape));
  return node.forward(make_known(*shape, std::vector<double>(count, values.front()), filled.dtype));
}

Result<void> lower_range(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(3, 3));
  std::array<double, 3> bounds = {};
  for (std::size_t i = 0; i < 3; ++i) {
    const auto value = node.find_number(i);
    if (!value || std::isnan(*value)) return node.refuse_computed(i, "its bounds are computed");
    bounds[i] = *value;
  }
  const auto [start, limit, step] = bounds;
  const double steps = step == 0.0 ? NAN : std::ceil((limit - start) / step);
  if (std::isnan(steps) || steps > static_cast<double>(kMostFilled)) {
    return node.malformed(
        fmt::format("a range of {}..{} in steps of {}, at most {} values are made", start, limit,
                    step, kMostFilled));
  }
  const auto count = static_cast<std::int64_t>(std::max(0.0, steps));
  VP_RETURN_IF_ERROR(node.count_made(count));
  std::vector<double> values;
  for (std::int64_t i = 0; i < count; ++i) values.push_back(start + static_cast<double>(i) * step);
  return node.forward(make_known({count}, std::move(values), node.input(0).dtype));
}

Result<void> lower_eye_like(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 1));
  const Value& x = node.input(0);
  if (!x.shape || !element_count(*x.shape)) return node.refuse("its shape is not known");
  if (x.shape->size() != 2) return node.malformed("it has the shape " + to_string(*x.shape));
  VP_ASSIGN_OR_RETURN(const std::int64_t shift, node.read_int("k", 0));
  VP_ASSIGN_OR_RETURN(const std::int64_t dtype,
                      node.read_int("dtype", static_cast<std::int64_t>(x.dtype)));
  VP_ASSIGN_OR_RETURN(const std::size_t count, check_count(node, *x.shape));
  std::vector<double> values(count, 0.0);
  const std::int64_t columns = (*x.shape)[1];
  for (std::int64_t row = 0; row < (*x.shape)[0]; ++row) {
    const std::int64_t column = row + shift;
    if (column >= 0 && column < columns)
      values[static_cast<std::size_t>(row * columns + column)] = 1.0;
  }
  return node.forward(
      make_known(*x.shape, std::move(values), static_cast<DataType>(dtype & 0xffff)));
}

constexpr std::array kConstantRows = std::to_array<OperatorRow>({
    {"Constant", lower_constant},
    {"ConstantOfShape", lower_constant_of_shape},
    {"EyeLike", lower_eye_like},
    {"Range", lower_range},
});

}  // namespace

std::span<const OperatorRow> constant_rows() { return kConstantRows; }

}  // namespace visionpress::onnx
