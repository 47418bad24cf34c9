// The kernel for 8-bit integers of each kind of operator.

#include <type_traits>

#include "base/error.h"
#include "lower/graph_shapes.h"
#include "run/ops/integer_parts.h"

namespace visionpress {
namespace {

OperatorResult make_kind(const Conv2d& op, const BuildContext& context) {
  return make_integer_conv(op, context);
}
OperatorResult make_kind(const FullyConnected& op, const BuildContext& context) {
  return make_integer_matrix(op, context);
}
OperatorResult make_kind(const Pool2d& op, const BuildContext& context) {
  return make_integer_pool(op, context);
}
OperatorResult make_kind(const Unary& op, const BuildContext& context) {
  return make_integer_unary(op, context);
}
OperatorResult make_kind(const Binary& op, const BuildContext& context) {
  return make_integer_binary(op, context);
}
OperatorResult make_kind(const Softmax& op, const BuildContext& context) {
  return make_integer_softmax(op, context);
}
OperatorResult make_kind(const Requantize& op, const BuildContext& context) {
  return make_requantize(op, context);
}
OperatorResult make_kind(const Reduce& op, const BuildContext& context) {
  return make_integer_reduce(op, context);
}
OperatorResult make_kind(const Resize& op, const BuildContext& context) {
  return make_integer_resize(op, context);
}
OperatorResult make_kind(const Prelu& /*op*/, const BuildContext& context) {
  return make_integer_prelu(context);
}
OperatorResult make_kind(const BatchMatMul& op, const BuildContext& context) {
  return make_integer_batch_matmul(op, context);
}
OperatorResult make_kind(const CodedFunction& op, const BuildContext& context) {
  return make_integer_function(op, context);
}

template <typename Other>
OperatorResult make_kind(const Other& op, const BuildContext& context) {
  if (moves_values(op)) return make_integer_mover(op, context);
  return fail(ErrorKind::Unsupported, "it has no kernel for 8-bit integers");
}

}  // namespace

OperatorResult make_integer_operator(const Op& op, const BuildContext& context) {
  // Kernels and biases have scales of their own, which may be per channel.
  const std::size_t values = takes_parameters(op) ? 1 : context.inputs.size();
  for (const InputDesc& input : context.inputs.first(values)) {
    const bool is_byte = input.tensor != nullptr && (input.tensor->dtype == DType::Int8 ||
                                                     input.tensor->dtype == DType::UInt8);
    if (is_byte && !find_code(*input.tensor, input.weight)) {
      return fail(ErrorKind::Unsupported, "\"{}\" has no scale, or one per channel",
                  input.tensor->name);
    }
  }
  const bool casts =
      std::holds_alternative<Identity>(op) && !find_code(*context.outputs[0], nullptr);
  if (casts) return fail(ErrorKind::Unsupported, "it casts 8-bit integers");
  return std::visit([&](const auto& known) { return make_kind(known, context); }, op);
}

}  // namespace visionpress
