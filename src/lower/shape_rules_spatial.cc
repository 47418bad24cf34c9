// Windows, matrix products, and pixels that move between space, depth and batch. Images are seen as
// [N,H,W,C], so that each rule serves both layouts.

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/bytes.h"
#include "base/error.h"
#include "lower/axis_order.h"
#include "lower/shape_rules_parts.h"
#include "lower/window.h"

namespace visionpress::shape_rules {
namespace {

/// The kernel's shape. errors: Unsupported when the kernel is computed.
Result<Shape> kernel_shape(const RuleContext& context) {
  if (context.inputs.size() < 2 || !context.inputs[1].is_constant)
    return fail(ErrorKind::Unsupported, "its kernel is not a constant");
  return context.inputs[1].shape;
}

std::vector<Shape> one_image(const RuleContext& context, const Shape& physical) {
  return {logical_shape(physical, context.layout)};
}

/// Elements of x per row of the product, and the number of rows; -1 where x has open sizes.
struct RowCount {
  std::int64_t inner = 0;
  std::int64_t columns = 0;
  std::int64_t rows = -1;
};

/// x: [.., channels]. errors: Malformed where x does not divide into rows of the kernel.
Result<RowCount> count_rows(const FullyConnected& op, const Shape& x, const Shape& kernel) {
  const auto count = element_count(kernel);
  if (kernel.size() < 2 || (op.kernel_is_in_out && kernel.size() > 2) || !count || *count <= 0)
    return fail(ErrorKind::Malformed, "kernel {} needs two axes", to_string(kernel));
  RowCount rows;
  rows.columns = op.kernel_is_in_out ? kernel[1] : kernel[0];
  rows.inner = *count / rows.columns;
  const auto total = element_count(x);
  if (!total && !is_open(x)) return fail(ErrorKind::Malformed, "input {}", to_string(x));
  if (total && *total % rows.inner != 0) {
    return fail(ErrorKind::Malformed, "input {} does not divide into rows of {} values",
                to_string(x), rows.inner);
  }
  if (total) rows.rows = *total / rows.inner;
  const std::int64_t row = op.keep_dims ? (x.empty() ? 0 : x.back()) : rows.inner;
  bool fits = row < 0 || row == rows.inner;
  if (op.keep_spatial) {
    const auto image =
        x.size() == 4 ? element_count({x[1], x[2], x[3]}) : std::optional<std::int64_t>(0);
    fits = fits && (!image || *image == rows.inner);
  }
  if (!fits) {
    return fail(ErrorKind::Malformed, "input {} has no rows of {} values", to_string(x),
                rows.inner);
  }
  return rows;
}

/// Rows and columns of one matrix operand, as it is multiplied.
std::pair<std::int64_t, std::int64_t> matrix_of(const Shape& shape, bool is_transposed) {
  const std::int64_t rows = shape[shape.size() - 2];
  return is_transposed ? std::pair(shape.back(), rows) : std::pair(rows, shape.back());
}

Shape batch_of(const Shape& shape) { return {shape.begin(), shape.end() - 2}; }

}  // namespace

Shapes infer(const Conv2d& op, const RuleContext& context) {
  VP_ASSIGN_OR_RETURN(const Shape kernel, kernel_shape(context));
  const Shape x = physical_shape(context.inputs[0].shape, context.layout);
  VP_ASSIGN_OR_RETURN(const ConvGeometry geometry, conv_geometry(op, x, kernel));
  return one_image(context, {x[0], geometry.out[0], geometry.out[1], geometry.out_channels});
}

Shapes infer(const FullyConnected& op, const RuleContext& context) {
  VP_ASSIGN_OR_RETURN(const Shape kernel, kernel_shape(context));
  const Shape x = physical_shape(context.inputs[0].shape, context.layout);
  VP_ASSIGN_OR_RETURN(const RowCount rows, count_rows(op, x, kernel));
  if (op.keep_spatial) return one_image(context, {rows.rows, 1, 1, rows.columns});
  if (!op.keep_dims) return std::vector<Shape>{{rows.rows, rows.columns}};
  Shape out = x;
  out.back() = rows.columns;
  return one_image(context, out);
}

Shapes infer(const BatchMatMul& op, const RuleContext& context) {
  if (context.inputs.size() != 2)
    return fail(ErrorKind::Malformed, "{} inputs where two are needed", context.inputs.size());
  const Shape& a = context.inputs[0].shape;
  const Shape& b = context.inputs[1].shape;
  const auto wrong = [&] {
    return fail(ErrorKind::Malformed, "product of {}{} and {}{}", to_string(a),
                op.transpose_a ? " transposed" : "", to_string(b),
                op.transpose_b ? " transposed" : "");
  };
  if (a.size() < 2 || b.size() < 2) return wrong();
  const auto [rows, inner] = matrix_of(a, op.transpose_a);
  const auto [inner_b, columns] = matrix_of(b, op.transpose_b);
  if (inner >= 0 && inner_b >= 0 && inner != inner_b) return wrong();
  VP_ASSIGN_OR_RETURN(Shape out, broadcast_shapes(batch_of(a), batch_of(b)));
  out.push_back(rows);
  out.push_back(columns);
  return std::vector<Shape>{std::move(out)};
}

Shapes infer(const Pool2d& op, const RuleContext& context) {
  Shape image = physical_shape(context.inputs[0].shape, context.layout);
  if (image.size() != 4)
    return fail(ErrorKind::Malformed, "pooling needs four axes, not {}", to_string(image));
  for (std::size_t a = 0; a < 2; ++a) {
    std::int64_t& size = image[a + 1];
    if (op.global && size != 0) {
      size = 1;
      continue;
    }
    VP_ASSIGN_OR_RETURN(
        const WindowGeometry window,
        window_geometry(size, op.global ? size : op.kernel[a], op.stride[a], op.padding, a));
    size = window.out;
  }
  return one_image(context, image);
}

Shapes infer(const Resize& op, const RuleContext& context) {
  const Shape in = physical_shape(context.inputs[0].shape, context.layout);
  if (in.size() != 4) return fail(ErrorKind::Malformed, "resize of {}", to_string(in));
  Shape out = in;
  for (std::size_t a = 0; a < 2; ++a) {
    constexpr double kLargest = 1 << 20;  // pixels along one axis
    if (op.size[a] == 0 && in[a + 1] < 0) continue;
    const double size =
        op.size[a] > 0
            ? static_cast<double>(op.size[a])
            : std::floor(static_cast<double>(in[a + 1]) * static_cast<double>(op.scale[a]));
    if (!(size >= 1.0 && size <= kLargest))
      return fail(ErrorKind::Malformed, "resize of {} to {}", to_string(in), size);
    out[a + 1] = static_cast<std::int64_t>(size);
  }
  return one_image(context, out);
}

Shapes infer(const SpaceDepth& op, const RuleContext& context) {
  Shape image = physical_shape(context.inputs[0].shape, context.layout);
  const bool to_depth = op.kind == SpaceDepthKind::SpaceToDepth;
  bool fits = image.size() == 4 && op.block > 0 && op.block < (1 << 15);
  for (std::size_t axis = 1; fits && axis < 4; ++axis) {
    std::int64_t& size = image[axis];
    if (size < 0) continue;
    const std::int64_t factor = axis == 3 ? op.block * op.block : op.block;
    const bool grows = (axis == 3) == to_depth;
    const auto product = checked_multiply(size, factor);
    fits = grows ? product.has_value() : size % factor == 0;
    size = grows ? product.value_or(0) : size / factor;
  }
  if (!fits) {
    return fail(ErrorKind::Malformed, "blocks of {} in {}", op.block,
                to_string(physical_shape(context.inputs[0].shape, context.layout)));
  }
  return one_image(context, image);
}

Shapes infer(const SpaceBatch& op, const RuleContext& context) {
  const Shape& in = context.inputs[0].shape;
  const auto is_size = [](std::int64_t size) { return size >= 0 && size <= kMostPixels; };
  const bool is_whole =
      !op.block.empty() && op.block.size() < in.size() && op.before.size() == op.block.size() &&
      op.after.size() == op.block.size() && std::ranges::all_of(op.before, is_size) &&
      std::ranges::all_of(op.after, is_size) && std::ranges::all_of(op.block, is_size) &&
      std::ranges::find(op.block, 0) == op.block.end();
  if (!is_whole) {
    return fail(ErrorKind::Malformed, "blocks of {} with {} before and {} after in {} axes",
                to_string(op.block), to_string(op.before), to_string(op.after), in.size());
  }
  const bool to_batch = op.kind == SpaceBatchKind::SpaceToBatch;
  Shape out = in;
  bool fits = true;
  for (std::size_t i = 0; i < op.block.size(); ++i) {
    std::int64_t& size = out[i + 1];
    if (size < 0) continue;
    if (to_batch) {
      const std::int64_t padded = checked_add(size, op.before[i] + op.after[i]).value_or(-1);
      fits = fits && padded % op.block[i] == 0;
      size = padded / op.block[i];
    } else {
      const auto whole = checked_multiply(size, op.block[i]);
      size = whole.value_or(0) - op.before[i] - op.after[i];
      fits = fits && whole.has_value() && size >= 0;
    }
  }
  const auto offsets = element_count(op.block);
  if (offsets && in[0] >= 0) {
    const auto batch = checked_multiply(in[0], *offsets);
    fits = fits && (to_batch ? batch.has_value() : in[0] % *offsets == 0);
    out[0] = to_batch ? batch.value_or(0) : in[0] / *offsets;
  }
  if (!fits || !offsets) {
    return fail(ErrorKind::Malformed, "blocks of {} with {} before and {} after in {}",
                to_string(op.block), to_string(op.before), to_string(op.after), to_string(in));
  }
  return std::vector<Shape>{std::move(out)};
}

}  // namespace visionpress::shape_rules
