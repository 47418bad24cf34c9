// Matrix products in which both operands may be computed during the run.

#include <algorithm>
#include <utility>

#include "base/parallel.h"
#include "run/onednn_adapter.h"
#include "run/operator.h"
#include "run/ops/broadcast.h"
#include "run/ops/strided.h"

namespace visionpress {
namespace {

/// The number of rows in one piece of a product. Fixed, so that sums do not depend on the number of
/// threads.
constexpr std::int64_t kPieceRows = 256;

/// Strides, in elements, from one matrix of an operand to the next along each axis of the result's
/// batch.
Strides batch_strides(const Shape& dims, const Shape& batch) {
  const std::int64_t size = dims[dims.size() - 2] * dims.back();
  Strides strides =
      broadcast_strides(Shape(dims.begin(), dims.end() - 2), batch, Layout::ChannelsLast);
  for (std::int64_t& stride : strides) stride *= size;
  return strides;
}

class BatchMatMulOperator final : public Operator {
 public:
  BatchMatMulOperator(const MatrixProduct& product, const Shape& a, const Shape& b, Shape out,
                      int threads)
      : product_(product), batch_(out.begin(), out.end() - 2), threads_(threads) {
    strides_a_ = batch_strides(a, batch_);
    strides_b_ = batch_strides(b, batch_);
    output_dims = {std::move(out)};
  }
  void run(const RunContext& context) const override {
    if (product_.inner == 0) {  // every sum is empty
      std::fill_n(context.outputs[0], count_of(output_dims[0]), 0.0F);
      return;
    }
    const std::int64_t pieces = (product_.rows + kPieceRows - 1) / kPieceRows;
    const std::size_t count = count_of(output_dims[0]) == 0 ? 0 : count_of(batch_);
    parallel_for(count * static_cast<std::size_t>(pieces), threads_, [&](std::size_t i) {
      const auto at = static_cast<std::int64_t>(i);
      run_piece(context, at / pieces, at % pieces * kPieceRows);
    });
  }

 private:
  void run_piece(const RunContext& context, std::int64_t matrix, std::int64_t row) const {
    const float* a = context.inputs[0];
    const float* b = context.inputs[1];
    std::int64_t left = matrix;
    for (std::size_t axis = batch_.size(); axis-- > 0;) {
      a += left % batch_[axis] * strides_a_[axis];
      b += left % batch_[axis] * strides_b_[axis];
      left /= batch_[axis];
    }
    MatrixProduct piece = product_;
    piece.rows = std::min(kPieceRows, product_.rows - row);
    a += row * (product_.transpose_a ? 1 : product_.inner);
    piece.stride_a = product_.transpose_a ? product_.rows : product_.inner;
    multiply_matrices(piece, a, b,
                      context.outputs[0] + (matrix * product_.rows + row) * product_.columns);
  }

  MatrixProduct product_;
  Shape batch_;
  Strides strides_a_ = {};
  Strides strides_b_ = {};
  int threads_;
};

}  // namespace

OperatorResult build_operator(const BatchMatMul& op, const BuildContext& context) {
  const Shape& a = context.inputs[0].dims;
  const Shape& out = context.results[0];
  MatrixProduct product;
  product.transpose_a = op.transpose_a;
  product.transpose_b = op.transpose_b;
  product.rows = out[out.size() - 2];
  product.inner = a[a.size() - (op.transpose_a ? 2 : 1)];
  product.columns = out.back();
  return std::make_unique<BatchMatMulOperator>(product, a, context.inputs[1].dims, out,
                                               context.threads);
}

}  // namespace visionpress
