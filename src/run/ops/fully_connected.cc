#include <utility>

#include "base/error.h"
#include "run/ops/conv_shape.h"
#include "run/ops/elementwise.h"
#include "run/ops/hybrid_parts.h"
#include "run/ops/ordered_conv.h"
#include "run/ops/strided.h"

namespace visionpress {
namespace {

class FullyConnectedOperator final : public Operator {
 public:
  FullyConnectedOperator(Convolution product, Shape dims, const std::optional<Unary>& activation)
      : product_(std::move(product)), activation_(activation) {
    output_dims = {std::move(dims)};
    scratch_bytes = product_.scratch_bytes();
  }
  void run(const RunContext& context) const override {
    product_.run(context.inputs[0], context.outputs[0], context.scratch);
    if (activation_) {
      apply_unary(*activation_, context.outputs[0], context.outputs[0], count_of(output_dims[0]));
    }
  }

 private:
  Convolution product_;
  std::optional<Unary> activation_;
};

// Reorders the kernel's columns from C,H,W to H,W,C, the physical order of the input.
void reorder_columns(std::vector<float>& kernel, const Shape& x, std::size_t out) {
  std::vector<float> ordered(kernel.size());
  const std::size_t inner = kernel.size() / out;
  for (std::size_t o = 0; o < out; ++o) {
    swap_layout({1, x[1], x[2], x[3]}, kernel.data() + o * inner, ordered.data() + o * inner,
                false);
  }
  kernel = std::move(ordered);
}

// The sizes of the product; the kernel is [columns, inner..] or [inner, columns].
Result<HybridRows> rows_of(const FullyConnected& op, const BuildContext& context) {
  VP_ASSIGN_OR_RETURN(const Shape k, kernel_shape(context));
  HybridRows rows;
  rows.columns = op.kernel_is_in_out ? k[1] : k[0];
  rows.inner = static_cast<std::int64_t>(count_of(k)) / rows.columns;
  rows.rows = static_cast<std::int64_t>(count_of(context.inputs[0].dims)) / rows.inner;
  if (is_fused(op.activation)) rows.activation = unary_of(op.activation);
  rows.output_dims = context.results[0];
  return rows;
}

OperatorResult make_float_rows(const FullyConnected& op, const HybridRows& rows,
                               const BuildContext& context) {
  const Shape& x = context.inputs[0].dims;
  VP_ASSIGN_OR_RETURN(std::vector<float> kernel, load_constant(context.inputs[1]));
  if (context.layout == Layout::ChannelsFirst && !op.keep_dims && x.size() == 4 &&
      x[1] * x[2] > 1) {
    if (op.kernel_is_in_out) {
      return fail(ErrorKind::Unsupported, "an [in, out] kernel over planes of {}", to_string(x));
    }
    reorder_columns(kernel, x, static_cast<std::size_t>(rows.columns));
  }
  VP_ASSIGN_OR_RETURN(const std::vector<float> bias, load_bias(context, rows.columns));
  ConvSpec spec = matrix_product_spec(rows.rows, rows.inner, rows.columns);
  if (op.kernel_is_in_out) spec.kernel_layout = KernelLayout::Hwio;
  if (is_summed_in_order(spec, context))
    return make_ordered_conv(spec, kernel, bias, rows.activation, rows.output_dims, context);
  VP_ASSIGN_OR_RETURN(
      Convolution product,
      Convolution::create(spec, kernel.data(), has_bias(context) ? bias.data() : nullptr,
                          context.threads));
  return std::make_unique<FullyConnectedOperator>(std::move(product), rows.output_dims,
                                                  rows.activation);
}

}  // namespace

OperatorResult build_operator(const FullyConnected& op, const BuildContext& context) {
  VP_ASSIGN_OR_RETURN(const HybridRows rows, rows_of(op, context));
  if (!op.dynamic_range || op.kernel_is_in_out || !context.follows_runtime())
    return make_float_rows(op, rows, context);
  const bool by_xnnpack = is_matrix_taken_by_xnnpack(context, rows.inner);
  const HybridRule builtin = builtin_matrix_rule(op, context, rows.inner);
  return make_hybrid_rows(rows, by_xnnpack ? HybridRule::Xnnpack : builtin, context);
}

}  // namespace visionpress
