#include "run/operator_factory.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/error.h"
#include "run/ops/conv_shape.h"

namespace visionpress {
namespace {

struct OperatorMaker {
  const BuildContext& context;

  OperatorResult operator()(const Unsupported& op) const {
    return fail(ErrorKind::Unsupported, "{}", op.why);
  }
  OperatorResult operator()(const Conv2d& op) const {
    const bool is_hybrid = op.dynamic_range && context.follows_runtime();
    return is_hybrid ? make_hybrid_conv2d(op, {}, context) : make_conv2d(op, {}, context);
  }
  OperatorResult operator()(const Identity&) const {
    return make_unary({UnaryKind::Linear, 1.0F, 0.0F}, context);
  }
  OperatorResult operator()(const Prelu&) const { return make_prelu(context); }
  OperatorResult operator()(const FullyConnected& op) const {
    return make_fully_connected(op, context);
  }
  OperatorResult operator()(const BatchMatMul& op) const { return make_batch_matmul(op, context); }
  OperatorResult operator()(const Pool2d& op) const { return make_pool2d(op, context); }
  OperatorResult operator()(const Unary& op) const { return make_unary(op, context); }
  OperatorResult operator()(const Binary& op) const { return make_binary(op, context); }
  OperatorResult operator()(const BatchNorm& op) const { return make_batch_norm(op, context); }
  OperatorResult operator()(const InstanceNorm& op) const {
    return make_instance_norm(op, context);
  }
  OperatorResult operator()(const Softmax& op) const { return make_softmax(op, context); }
  OperatorResult operator()(const Concat& op) const { return make_concat(op, context); }
  OperatorResult operator()(const Reshape& op) const { return make_reshape(op, context); }
  OperatorResult operator()(const Squeeze& op) const { return make_squeeze(op, context); }
  OperatorResult operator()(const ExpandDims& op) const { return make_expand_dims(op, context); }
  OperatorResult operator()(const Transpose& op) const { return make_transpose(op, context); }
  OperatorResult operator()(const Pad& op) const { return make_pad(op, context); }
  OperatorResult operator()(const Slice& op) const { return make_slice(op, context); }
  OperatorResult operator()(const Split& op) const { return make_split(op, context); }
  OperatorResult operator()(const Resize& op) const { return make_resize(op, context); }
  OperatorResult operator()(const Reduce& op) const { return make_reduce(op, context); }
  OperatorResult operator()(const SpaceDepth& op) const { return make_space_depth(op, context); }
  OperatorResult operator()(const SpaceBatch& op) const { return make_space_batch(op, context); }
  OperatorResult operator()(const Gather& op) const { return make_gather(op, context); }
  OperatorResult operator()(const GatherNd&) const { return make_gather_nd(context); }
  OperatorResult operator()(const Select&) const { return make_select(context); }
  OperatorResult operator()(const Where&) const { return make_where(context); }
  OperatorResult operator()(const Tile& op) const { return make_tile(op, context); }
  OperatorResult operator()(const ShapeOf&) const { return make_shape_of(context); }
  OperatorResult operator()(const NonMaxSuppression& op) const {
    return make_non_max_suppression(op, context);
  }
  OperatorResult operator()(const TopK& op) const { return make_top_k(op, context); }
  OperatorResult operator()(const TakeRows&) const { return make_take_rows(context); }
};

// For inputs whose sizes are all known.
Result<std::vector<Shape>> known_dims(const Op& op, const BuildContext& context) {
  if (const auto* conv = std::get_if<Conv2d>(&op)) {
    VP_ASSIGN_OR_RETURN(const ConvSpec spec, conv_spec(*conv, context));
    return std::vector<Shape>{conv_output_dims(spec, {})};
  }
  if (const auto* connected = std::get_if<FullyConnected>(&op)) {
    VP_ASSIGN_OR_RETURN(Shape dims, fully_connected_dims(*connected, context));
    return std::vector<Shape>{std::move(dims)};
  }
  VP_ASSIGN_OR_RETURN(const auto built, make_operator(op, context));
  std::vector<Shape> dims = built->output_dims;
  for (std::size_t i = 0; i < dims.size(); ++i) {
    if (built->counts(i)) dims[i][0] = -1;
  }
  return dims;
}

// Sets the sizes that differ between two trials to -1. errors: Unsupported when the number of axes
// differs, too.
Result<void> open_what_differs(const std::vector<Shape>& trial, std::vector<Shape>& dims) {
  for (std::size_t i = 0; i < dims.size(); ++i) {
    if (i >= trial.size() || trial[i].size() != dims[i].size()) {
      return fail(ErrorKind::Unsupported,
                  "the number of axes of its result depends on sizes known only in the run");
    }
    for (std::size_t a = 0; a < dims[i].size(); ++a) {
      if (trial[i][a] != dims[i][a]) dims[i][a] = -1;
    }
  }
  return {};
}

}  // namespace

bool has_kernel(const Op& op) {
  return std::holds_alternative<Conv2d>(op) || std::holds_alternative<FullyConnected>(op);
}

bool takes_parameters(const Op& op) {
  return has_kernel(op) || std::holds_alternative<BatchNorm>(op) ||
         std::holds_alternative<InstanceNorm>(op) || std::holds_alternative<Prelu>(op);
}

OperatorResult make_operator(const Op& op, const BuildContext& context) {
  return std::visit(OperatorMaker{context}, op);
}

bool is_open(const Shape& dims) {
  return std::any_of(dims.begin(), dims.end(), [](std::int64_t size) { return size < 0; });
}

Result<std::vector<Shape>> operator_dims(const Op& op, const BuildContext& context) {
  const auto has_open_size = [](const InputDesc& input) { return is_open(input.dims); };
  if (std::none_of(context.inputs.begin(), context.inputs.end(), has_open_size))
    return known_dims(op, context);
  // A reshape to a fixed size would refuse every trial below.
  if (const auto* reshape = std::get_if<Reshape>(&op);
      reshape != nullptr && context.inputs.size() == 1)
    return std::vector<Shape>{physical_shape(reshape->target, context.layout)};
  // The builders themselves say which sizes follow from the open ones: those that differ between
  // trials. 0 and 1 are what slices and broadcasts can do; the large ones have every small divisor.
  constexpr std::int64_t kTrials[] = {0, 1, 5040, 10080};
  std::optional<std::vector<Shape>> dims;
  Error last = {};
  for (const std::int64_t size : kTrials) {
    std::vector<InputDesc> inputs(context.inputs.begin(), context.inputs.end());
    for (InputDesc& input : inputs) {
      std::replace(input.dims.begin(), input.dims.end(), std::int64_t{-1}, size);
    }
    BuildContext trial = context;
    trial.inputs = inputs;
    trial.may_be_empty = true;
    auto found = known_dims(op, trial);
    if (!found) {
      last = std::move(found).error();
      continue;
    }
    if (dims) {
      VP_RETURN_IF_ERROR(open_what_differs(*found, *dims));
    } else {
      dims = std::move(*found);
    }
  }
  if (!dims) return tl::unexpected<Error>(std::move(last));
  return std::move(*dims);
}

}  // namespace visionpress
