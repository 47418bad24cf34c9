// BATCH_MATMUL of int8 codes; LiteRT has no kernel for uint8.
// source: EvalInt8Int8 in tflite/kernels/batch_matmul.cc; VisitBatchMatMulNode in
// tflite/delegates/xnnpack/xnnpack_delegate.cc, LiteRT 2.3.

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/parallel.h"
#include "run/ops/broadcast.h"
#include "run/ops/integer_parts.h"

namespace visionpress {
namespace {

struct CodeProduct {
  std::int64_t rows = 0;
  std::int64_t inner = 0;
  std::int64_t columns = 0;
  bool transpose_a = false;
  bool transpose_b = false;
  std::int32_t zero_a = 0;
  std::int32_t zero_b = 0;
};

Strides matrix_strides(const Shape& dims, const Shape& batch) {
  Strides strides =
      broadcast_strides(Shape(dims.begin(), dims.end() - 2), batch, Layout::ChannelsLast);
  for (std::int64_t& stride : strides) stride *= dims[dims.size() - 2] * dims.back();
  return strides;
}

class IntegerBatchMatMulOperator final : public Operator {
 public:
  IntegerBatchMatMulOperator(const CodeProduct& product, IntegerResult result,
                             const BuildContext& context)
      : product_(product),
        result_(std::move(result)),
        batch_(context.results[0].begin(), context.results[0].end() - 2),
        strides_a_(matrix_strides(context.inputs[0].dims, batch_)),
        strides_b_(matrix_strides(context.inputs[1].dims, batch_)) {
    output_dims = {context.results[0]};
    threads_ = threads_worth(count_of(output_dims[0]) * as_size(product.inner),
                             std::max(context.threads, 1));
    is_hybrid = true;
  }

  void run(const RunContext& context) const override {
    const std::size_t matrices = count_of(batch_);
    parallel_for(matrices * as_size(product_.rows), threads_, [&](std::size_t at) {
      run_row(context, static_cast<std::int64_t>(at) / product_.rows,
              static_cast<std::int64_t>(at) % product_.rows);
    });
  }

 private:
  void run_row(const RunContext& context, std::int64_t matrix, std::int64_t row) const {
    const std::uint8_t* a = codes_in(context.inputs[0]);
    const std::uint8_t* b = codes_in(context.inputs[1]);
    std::int64_t left = matrix;
    for (std::size_t axis = batch_.size(); axis-- > 0;) {
      a += left % batch_[axis] * strides_a_[axis];
      b += left % batch_[axis] * strides_b_[axis];
      left /= batch_[axis];
    }
    const CodeProduct& p = product_;
    a += row * (p.transpose_a ? 1 : p.inner);
    const std::int64_t step_a = p.transpose_a ? p.rows : 1;
    const std::int64_t step_b = p.transpose_b ? 1 : p.columns;
    std::uint8_t* y = codes_in(context.outputs[0]) + (matrix * p.rows + row) * p.columns;
    const SumsToCodes how = result_.view();
    for (std::int64_t column = 0; column < p.columns; ++column) {
      const std::uint8_t* from = b + column * (p.transpose_b ? p.inner : 1);
      std::int32_t sum = 0;
      for (std::int64_t i = 0; i < p.inner; ++i)
        sum += (a[i * step_a] - p.zero_a) * (from[i * step_b] - p.zero_b);
      y[column] = code_of_sum(sum, 0, how);
    }
  }

  CodeProduct product_;
  IntegerResult result_;
  Shape batch_;
  Strides strides_a_;
  Strides strides_b_;
  int threads_ = 1;
};

}  // namespace

OperatorResult make_integer_batch_matmul(const BatchMatMul& op, const BuildContext& context) {
  const TensorCode a = input_code(context, 0);
  const TensorCode b = input_code(context, 1);
  const TensorCode out = output_code(context);
  if (!a.is_signed || !b.is_signed || !out.is_signed)
    return fail(ErrorKind::Unsupported, "a product of two computed tensors of uint8");
  const Shape& dims = context.inputs[0].dims;
  const Shape& result_dims = context.results[0];
  CodeProduct product;
  product.rows = result_dims[result_dims.size() - 2];
  product.columns = result_dims.back();
  product.inner = dims[dims.size() - (op.transpose_a ? 2 : 1)];
  product.transpose_a = op.transpose_a;
  product.transpose_b = op.transpose_b;
  product.zero_a = a.zero_point;
  product.zero_b = b.zero_point;
  IntegerResult result;
  result.code = out;
  result.offsets = {0};
  if (is_xnnpack(context) && b.file_zero_point() == 0) {
    result.scales = {a.scale * b.scale / out.scale};
    VP_RETURN_IF_ERROR(check_xnnpack_scales(result.scales));
  } else {
    result.factors = {
        make_fixed_factor(static_cast<double>(a.scale * b.scale) / static_cast<double>(out.scale))};
  }
  return std::make_unique<IntegerBatchMatMulOperator>(product, std::move(result), context);
}

}  // namespace visionpress
