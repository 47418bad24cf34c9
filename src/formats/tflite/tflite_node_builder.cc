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
    case FusedActivation::Tanh:
      return tfl::Activation::TANH;
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

FileTensor NodeBuilder::intermediate(const char* suffix) {
  return intermediate(suffix, output_shape());
}

FileTensor NodeBuilder::intermediate(const char* suffix, const Shape& shape) {
  return model_.add_value(node_.name + "/" + suffix, shape, model_.type_of(node_.outputs[0]));
}

Result<void> NodeBuilder::operator()(const Unsupported& op) {
  return fail(ErrorKind::Unsupported, "{}", op.why);
}

/// TFLite has no copy: a change of type is a CAST, anything else a RESHAPE to the same shape.
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

Result<void> NodeBuilder::operator()(const InstanceNorm& /*op*/) {
  return fail(ErrorKind::Unsupported, "TFLite has no instance normalization");
}

}  // namespace visionpress::tflite
