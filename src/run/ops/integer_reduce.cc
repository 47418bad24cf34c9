// MEAN and SUM of codes.
// source: reshape_reduce_nd in XNNPACK's src/operators/reduce-nd.c; EvalMean and EvalSum in
// tflite/kernels/reduce.cc, LiteRT 2.3.

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "run/ops/integer_parts.h"

namespace visionpress {
namespace {

/// How a sum of `count` codes, as the file has them, becomes a code.
struct ReduceRule {
  enum class Kind : std::uint8_t { Xnnpack, Plane, FixedMean, FloatSum };
  Kind kind = Kind::Xnnpack;
  std::int64_t count = 1;
  float scale = 1.0F;
  float offset = 0.0F;
  FixedFactor factor = {};
  std::int32_t zero_in = 0;        ///< FixedMean
  std::int32_t zero_out = 0;       ///< of the file's codes; Plane: what else is added
  std::size_t upward_columns = 0;  ///< Plane: channels that round by multiply_upwards
  std::int32_t low = 0;            ///< the lowest of the file's codes

  [[nodiscard]] std::int32_t code_of(std::int32_t sum, std::size_t channel) const {
    std::int64_t code = 0;
    switch (kind) {
      case Kind::Xnnpack: {
        const float real = static_cast<float>(sum) * scale + offset;
        code = static_cast<std::int64_t>(std::nearbyint(std::clamp(real, -1e6F, 1e6F)));
        break;
      }
      case Kind::Plane:
        code =
            (channel < upward_columns ? multiply_upwards(sum, factor) : multiply_by(sum, factor)) +
            std::int64_t{zero_out};
        break;
      case Kind::FixedMean:
        code = multiply_by(static_cast<std::int32_t>(sum - zero_in * count), factor) +
               std::int64_t{zero_out};
        break;
      case Kind::FloatSum: {
        const float real = static_cast<float>(sum) * scale + offset;
        code = static_cast<std::int64_t>(std::round(std::clamp(real, -1e9F, 1e9F))) + zero_out;
        break;
      }
    }
    return static_cast<std::int32_t>(std::clamp<std::int64_t>(code, low, low + 255));
  }
};

ReduceRule xnnpack_rule(bool is_mean, std::int64_t count, const TensorCode& in,
                        const TensorCode& out) {
  ReduceRule rule;
  rule.scale = in.scale / out.scale;
  if (is_mean) rule.scale = rule.scale * (1.0F / static_cast<float>(count));
  const float zeros = static_cast<float>(count) * static_cast<float>(in.file_zero_point());
  rule.offset = static_cast<float>(out.file_zero_point()) - zeros * rule.scale;
  return rule;
}

// The mean of each channel of an image's plane.
ReduceRule plane_rule(std::int64_t count, std::int64_t channels, const TensorCode& in,
                      const TensorCode& out) {
  ReduceRule rule;
  rule.kind = ReduceRule::Kind::Plane;
  float zeros = static_cast<float>(in.file_zero_point()) * in.scale / out.scale;
  zeros = zeros > 0.0F ? zeros + 0.5F : zeros - 0.5F;
  rule.zero_out = out.file_zero_point() - static_cast<std::int32_t>(zeros);
  rule.factor =
      make_fixed_factor(static_cast<double>(in.scale / (static_cast<float>(count) * out.scale)));
  constexpr std::size_t kVector = 16;
  rule.upward_columns = as_size(channels) / kVector * kVector;
  return rule;
}

// The division is part of the factor.
ReduceRule mean_rule(std::int64_t count, const TensorCode& in, const TensorCode& out) {
  ReduceRule rule;
  rule.kind = ReduceRule::Kind::FixedMean;
  rule.factor = make_fixed_factor(static_cast<double>(in.scale) / static_cast<double>(out.scale));
  const int bits = 63 - std::countl_zero(static_cast<std::uint64_t>(count));
  const int shift = std::min(std::min(bits, 32), 31 + rule.factor.exponent);
  rule.factor.mantissa =
      static_cast<std::int32_t>((std::int64_t{rule.factor.mantissa} << shift) / count);
  rule.factor.exponent -= shift;
  rule.zero_in = in.file_zero_point();
  rule.zero_out = out.file_zero_point();
  return rule;
}

ReduceRule sum_rule(std::int64_t count, const TensorCode& in, const TensorCode& out) {
  ReduceRule rule;
  rule.kind = ReduceRule::Kind::FloatSum;
  rule.scale = in.scale / out.scale;
  rule.offset = static_cast<float>(-in.file_zero_point()) * rule.scale * static_cast<float>(count);
  rule.zero_out = out.file_zero_point();
  return rule;
}

class IntegerReduceOperator final : public Operator {
 public:
  IntegerReduceOperator(const Shape& dims, std::vector<bool> reduced, const ReduceRule& rule,
                        bool is_signed, const BuildContext& context)
      : dims_(dims), reduced_(std::move(reduced)), rule_(rule), shift_(is_signed ? 128 : 0) {
    output_dims = {context.results[0]};
    std::int64_t stride = 1;
    strides_.assign(dims_.size(), 0);
    for (std::size_t axis = dims_.size(); axis-- > 0;) {
      if (reduced_[axis]) continue;
      strides_[axis] = stride;
      stride *= dims_[axis];
    }
    sums_ = as_size(stride);
    scratch_bytes = align_up(sums_ * sizeof(std::int32_t));
  }

  void run(const RunContext& context) const override {
    auto* sums = view_as<std::int32_t>(context.scratch);
    std::fill_n(sums, sums_, 0);
    add_codes(codes_in(context.inputs[0]), sums);
    std::uint8_t* y = codes_in(context.outputs[0]);
    const auto zeros = static_cast<std::int32_t>(shift_ * rule_.count);
    const std::size_t channels = dims_.empty() ? 1 : as_size(dims_.back());
    for (std::size_t i = 0; i < sums_; ++i)
      y[i] = static_cast<std::uint8_t>(rule_.code_of(sums[i] - zeros, i % channels) + shift_);
  }

 private:
  // Line by line along the innermost axis.
  void add_codes(const std::uint8_t* x, std::int32_t* sums) const {
    const std::size_t rank = dims_.size();
    const std::size_t length = rank == 0 ? 1 : as_size(dims_[rank - 1]);
    const bool is_inner = rank > 0 && reduced_[rank - 1];
    Shape index(rank, 0);
    std::int64_t at = 0;
    for (std::size_t lines = count_of(dims_) / length; lines > 0; --lines, x += length) {
      std::int32_t* to = sums + at;
      if (is_inner) {
        *to += sum_of_codes(x, length);
      } else {
        for (std::size_t i = 0; i < length; ++i) to[i] += x[i];
      }
      for (std::size_t axis = rank == 0 ? 0 : rank - 1; axis-- > 0;) {
        at += strides_[axis];
        if (++index[axis] < dims_[axis]) break;
        at -= strides_[axis] * dims_[axis];
        index[axis] = 0;
      }
    }
  }

  Shape dims_;
  std::vector<bool> reduced_;
  ReduceRule rule_;
  std::int32_t shift_;
  std::vector<std::int64_t> strides_ = {};  ///< in the sums, by axis
  std::size_t sums_ = 0;
};

}  // namespace

OperatorResult make_integer_reduce(const Reduce& op, const BuildContext& context) {
  const bool is_mean = op.kind == ReduceKind::Mean;
  const bool compares = op.kind == ReduceKind::Maximum || op.kind == ReduceKind::Minimum ||
                        op.kind == ReduceKind::ArgMax || op.kind == ReduceKind::ArgMin;
  if (compares) return make_integer_mover(op, context);
  if (!is_mean && op.kind != ReduceKind::Sum)
    return fail(ErrorKind::Unsupported, "it has no kernel for 8-bit integers");
  const Shape& dims = context.inputs[0].dims;
  std::vector<bool> reduced(dims.size(), false);
  for (const int axis : op.axes) {
    VP_ASSIGN_OR_RETURN(const int physical, physical_axis(axis, dims.size(), context.layout));
    reduced[as_size(physical)] = true;
  }
  std::int64_t count = 1;
  for (std::size_t axis = 0; axis < dims.size(); ++axis) count *= reduced[axis] ? dims[axis] : 1;
  if (count == 0 || count_of(dims) == 0)
    return fail(ErrorKind::Unsupported, "it reduces 8-bit integers of shape {}", to_string(dims));
  const TensorCode in = input_code(context, 0);
  const TensorCode out = output_code(context);
  if (in.is_signed != out.is_signed)
    return fail(ErrorKind::Unsupported, "its operand and its result have different types");
  const bool is_plane = op.keep_dims && reduced == std::vector<bool>{false, true, true, false};
  ReduceRule rule;
  if (is_xnnpack(context)) {
    rule = xnnpack_rule(is_mean, count, in, out);
  } else if (!is_mean) {
    rule = sum_rule(count, in, out);
  } else {
    rule = is_plane ? plane_rule(count, dims[3], in, out) : mean_rule(count, in, out);
  }
  rule.count = count;
  rule.low = in.is_signed ? -128 : 0;
  return std::make_unique<IntegerReduceOperator>(dims, std::move(reduced), rule, in.is_signed,
                                                 context);
}

}  // namespace visionpress
