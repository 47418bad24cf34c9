#include "formats/tflite/tflite_node_builder.h"

#include "base/error.h"

namespace visionpress::tflite {

tfl::Activation activation_of(FusedActivation activation) {
  switch (activation) {
    case FusedActivation::None:
      return tfl::Activation::NONE;
    case FusedActivation::Relu:
      return tfl::Activation::RELU;
    case FusedActivation::Relu6:
      return tfl::Activation::RELU6;
    case FusedActivation::ReluN1To1:
      return tfl::Activation::RELU_N1_TO_1;
  }
  return tfl::Activation::NONE;
}

Result<void> NodeBuilder::build() {
  VP_RETURN_IF_ERROR(check_inputs(1));
  if (node_.outputs.empty()) return fail(ErrorKind::Malformed, "it has no output");
  return std::visit(*this, node_.op);
}

Result<void> NodeBuilder::check_inputs(std::size_t count) const {
  for (std::size_t slot = 0; slot < count; ++slot) {
    if (!has_input(slot)) return fail(ErrorKind::Malformed, "its input {} is missing", slot);
  }
  return {};
}

/// The type that an operand must be cast to: a graph may mix floats with truth values and integers,
/// but TFLite's operators need operands of one type.
tfl::TensorType NodeBuilder::wanted_type(std::size_t slot) const {
  const tfl::TensorType own = input_type(slot);
  const tfl::TensorType result = model_.type_of(node_.outputs[0]);
  if (const auto* binary = std::get_if<Binary>(&node_.op)) {
    if (binary->kind == BinaryKind::LogicalAnd || binary->kind == BinaryKind::LogicalOr)
      return tfl::TensorType::BOOL;
    if (result != tfl::TensorType::BOOL) return result;
    const tfl::TensorType other = input_type(slot == 0 ? 1 : 0);
    return own == other ? own : tfl::TensorType::FLOAT32;
  }
  if (const auto* unary = std::get_if<Unary>(&node_.op)) {
    if (unary->kind == UnaryKind::Truncate) return own;
    return unary->kind == UnaryKind::LogicalNot ? tfl::TensorType::BOOL : result;
  }
  if (const auto* reduce = std::get_if<Reduce>(&node_.op)) {
    const bool index = reduce->kind == ReduceKind::ArgMax || reduce->kind == ReduceKind::ArgMin;
    return index ? own : result;
  }
  const bool counts_in_second =
      std::holds_alternative<Gather>(node_.op) || std::holds_alternative<GatherNd>(node_.op) ||
      std::holds_alternative<ScatterNd>(node_.op) || std::holds_alternative<TakeRows>(node_.op);
  if (counts_in_second && slot == 1) {
    // SCATTER_ND takes indices of the type of its shape, which is int32 here.
    const bool is_fixed =
        own == tfl::TensorType::INT64 && !std::holds_alternative<ScatterNd>(node_.op);
    return is_fixed ? own : tfl::TensorType::INT32;
  }
  if (std::holds_alternative<Select>(node_.op) && slot == 0) return tfl::TensorType::BOOL;
  const bool of_another_kind = std::holds_alternative<Identity>(node_.op) ||
                               std::holds_alternative<Where>(node_.op) ||
                               std::holds_alternative<ShapeOf>(node_.op) ||
                               std::holds_alternative<NonMaxSuppression>(node_.op);
  return of_another_kind ? own : result;
}

FileTensor NodeBuilder::input(std::size_t slot) {
  const FileTensor stored = model_.file_tensor(node_.inputs[slot]);
  const tfl::TensorType wanted = wanted_type(slot);
  if (input_type(slot) == wanted) return stored;
  const FileTensor cast = model_.add_value(model_.graph().tensor(node_.inputs[slot]).name + "/cast",
                                           input_shape(slot), wanted);
  model_.add_operator(Code::CAST, 1, {stored}, {cast});
  return cast;
}

FileTensor NodeBuilder::intermediate(const char* suffix) {
  return intermediate(suffix, output_shape());
}

FileTensor NodeBuilder::intermediate(const char* suffix, const Shape& shape) {
  return model_.add_value(node_.name + "/" + suffix, shape, model_.type_of(node_.outputs[0]));
}

Result<void> NodeBuilder::operator()(const Unsupported& op) {
  return fail(ErrorKind::Unsupported, "{}", op.why);
}

/// TFLite has no copy operator. A change of type becomes a CAST, a plain copy a RESHAPE to the same
/// shape.
Result<void> NodeBuilder::operator()(const Identity& /*op*/) {
  if (model_.type_of(node_.inputs[0]) != model_.type_of(node_.outputs[0])) {
    model_.add_operator(Code::CAST, 1, {input(0)}, {output()});
  } else {
    add_reshape(input(0), output_shape(), output());
  }
  return {};
}

Result<void> NodeBuilder::operator()(const BatchNorm& /*op*/) {
  return fail(ErrorKind::Unsupported, "its parameters are computed");
}

Result<void> NodeBuilder::operator()(const DetectionPostprocess& /*op*/) {
  return fail(ErrorKind::Unsupported, "it is a custom operator");
}

Result<void> NodeBuilder::operator()(const Requantize& /*op*/) {
  return fail(ErrorKind::Unsupported, "it computes 8-bit integers");
}

Result<void> NodeBuilder::operator()(const CodedFunction& /*op*/) {
  return fail(ErrorKind::Unsupported, "it computes 8-bit integers");
}

Result<void> NodeBuilder::operator()(const InstanceNorm& /*op*/) {
  return fail(ErrorKind::Unsupported, "TFLite has no instance normalization");
}

}  // namespace visionpress::tflite
