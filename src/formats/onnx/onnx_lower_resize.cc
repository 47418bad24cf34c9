// Resize and Upsample. What the runner's Resize computes is run by it; every other rule as a
// gather (nearest) or a matrix product (linear, cubic) along each axis.

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "formats/onnx/onnx_gather.h"
#include "formats/onnx/onnx_lowering.h"
#include "formats/onnx/onnx_resize_weights.h"

namespace visionpress::onnx {
namespace {

using Sizes = std::vector<std::int64_t>;

/// A Resize with everything that its node says.
struct ResizePlan {
  ResizeRules rules = {};
  std::vector<ResizeAxis> axes = {};  ///< one per axis of x
  double outside = 0.0;               ///< extrapolation_value
};

Result<ResizeRules> read_resize_rules(NodeLowering& node) {
  ResizeRules rules;
  const bool is_old = node.node().op == "Upsample" || node.opset() < 11;
  VP_ASSIGN_OR_RETURN(const std::string mode, node.read_text("mode", "nearest"));
  if (mode == "linear" || mode == "bilinear") rules.mode = ResizeMode::Linear;
  if (mode == "cubic") rules.mode = ResizeMode::Cubic;
  VP_ASSIGN_OR_RETURN(rules.coordinates, node.read_text("coordinate_transformation_mode",
                                                        is_old ? "asymmetric" : "half_pixel"));
  VP_ASSIGN_OR_RETURN(rules.nearest,
                      node.read_text("nearest_mode", is_old ? "floor" : "round_prefer_floor"));
  VP_ASSIGN_OR_RETURN(const float cubic, node.read_float("cubic_coeff_a", -0.75F));
  VP_ASSIGN_OR_RETURN(const std::int64_t excludes, node.read_int("exclude_outside", 0));
  VP_ASSIGN_OR_RETURN(const std::int64_t antialiases, node.read_int("antialias", 0));
  rules.cubic = static_cast<double>(cubic);
  rules.excludes_outside = excludes != 0;
  rules.antialiases = antialiases != 0;
  const bool is_mode = mode == "nearest" || rules.mode != ResizeMode::Nearest;
  if (!is_mode || !knows_rules(rules)) {
    return node.malformed(fmt::format("mode {}, coordinate_transformation_mode {}, nearest_mode {}",
                                      quote(mode), quote(rules.coordinates), quote(rules.nearest)));
  }
  return rules;
}

/// Numbers of a constant input; nothing where it is absent or empty.
std::optional<std::vector<double>> find_list(NodeLowering& node, std::size_t input) {
  if (!node.has_input(input)) return std::nullopt;
  const std::vector<double>* known = load_known(node.lowering(), node.input(input));
  if (known == nullptr || known->empty()) return std::nullopt;
  return *known;
}

bool is_computed(NodeLowering& node, std::size_t input) {
  return node.has_input(input) && load_known(node.lowering(), node.input(input)) == nullptr;
}

/// Where the node's operands lie: opset 10 has no roi and no sizes.
struct Operands {
  std::optional<std::size_t> roi = std::nullopt;
  std::size_t scales = 1;
  std::optional<std::size_t> sizes = std::nullopt;
};

Operands operands_of(const NodeLowering& node) {
  if (node.node().op == "Upsample" || node.opset() < 11) return {};
  return {1, 2, 3};
}

/// Applies keep_aspect_ratio_policy: one scale for all resized axes.
void keep_aspect(const std::string& policy, const std::vector<std::size_t>& resized,
                 std::vector<ResizeAxis>& axes) {
  double scale = axes[resized.front()].scale;
  for (const std::size_t a : resized) {
    scale =
        policy == "not_larger" ? std::min(scale, axes[a].scale) : std::max(scale, axes[a].scale);
  }
  for (const std::size_t a : resized) {
    axes[a].scale = scale;
    axes[a].out =
        static_cast<std::int64_t>(std::floor(scale * static_cast<double>(axes[a].in) + 0.5));
  }
}

/// The axes that scales, sizes and roi speak of.
Result<std::vector<std::size_t>> list_axes(NodeLowering& node, std::size_t rank) {
  std::vector<std::size_t> resized;
  VP_ASSIGN_OR_RETURN(const auto named, node.read_ints("axes"));
  for (std::size_t i = 0; i < (named ? named->size() : rank); ++i) {
    int axis = static_cast<int>(i);
    if (named) {
      VP_ASSIGN_OR_RETURN(axis, node.check_axis((*named)[i], rank));
    }
    resized.push_back(static_cast<std::size_t>(axis));
  }
  return resized;
}

/// The scales that an Upsample has as attributes; nothing where it has none.
Result<std::optional<std::vector<double>>> read_upsample_scales(NodeLowering& node,
                                                                std::size_t axes) {
  std::optional<std::vector<double>> scales;
  VP_ASSIGN_OR_RETURN(const std::vector<float> list, node.read_floats("scales"));
  if (!list.empty()) scales.emplace(list.begin(), list.end());
  VP_ASSIGN_OR_RETURN(const float height, node.read_float("height_scale", 0.0F));
  VP_ASSIGN_OR_RETURN(const float width, node.read_float("width_scale", 0.0F));
  if (!scales && height > 0.0F && axes == 4)
    scales = {1.0, 1.0, static_cast<double>(height), static_cast<double>(width)};
  return scales;
}

/// Gives each resized axis its scale and its new size, from sizes or from scales.
/// returns: why it cannot be run.
Result<std::string> scale_axes(NodeLowering& node, const std::vector<std::size_t>& resized,
                               const std::vector<double>& numbers, bool are_sizes,
                               std::vector<ResizeAxis>& axes) {
  constexpr double kLargest = 1 << 20;  // pixels along one axis
  for (std::size_t i = 0; i < resized.size(); ++i) {
    ResizeAxis& axis = axes[resized[i]];
    const auto in = static_cast<double>(axis.in);
    const double given = numbers[i];
    const bool is_open = axis.in < 0;
    if (is_open && (are_sizes || given != 1.0)) return std::string("the size of its input is open");
    if (is_open) continue;
    axis.scale = are_sizes ? given / in : given;
    const double out = are_sizes ? given : std::floor(in * given);
    if (!(out >= 1.0 && out <= kLargest) || std::isnan(given)) {
      return node.malformed(fmt::format("it resizes {} elements to {}", axis.in, out));
    }
    axis.out = static_cast<std::int64_t>(out);
  }
  return std::string();
}

/// errors: Malformed for scales and sizes that do not fit. returns: why it cannot be run.
Result<std::string> read_scales(NodeLowering& node, const std::vector<std::size_t>& resized,
                                ResizePlan& plan) {
  const Operands operands = operands_of(node);
  if (is_computed(node, operands.scales)) return std::string("its scales are computed");
  if (operands.sizes && is_computed(node, *operands.sizes))
    return std::string("its size is computed");
  auto scales = find_list(node, operands.scales);
  if (node.node().op == "Upsample" && !scales) {
    VP_ASSIGN_OR_RETURN(scales, read_upsample_scales(node, resized.size()));
  }
  const auto sizes = operands.sizes ? find_list(node, *operands.sizes) : std::nullopt;
  const std::vector<double>* list = sizes ? &*sizes : scales ? &*scales : nullptr;
  if (list == nullptr || list->size() != resized.size())
    return node.malformed("neither its scales nor its sizes have one number per axis");
  VP_ASSIGN_OR_RETURN(std::string open,
                      scale_axes(node, resized, *list, sizes.has_value(), plan.axes));
  if (!open.empty()) return open;
  VP_ASSIGN_OR_RETURN(const std::string policy,
                      node.read_text("keep_aspect_ratio_policy", "stretch"));
  if (sizes && policy != "stretch") keep_aspect(policy, resized, plan.axes);
  return std::string();
}

/// roi: the starts of all axes, then their ends.
Result<std::string> read_roi(NodeLowering& node, const std::vector<std::size_t>& resized,
                             ResizePlan& plan) {
  if (plan.rules.coordinates != "tf_crop_and_resize") return std::string();
  const auto roi = find_list(node, 1);
  if (is_computed(node, 1)) return std::string("its region is computed");
  if (!roi || roi->size() != 2 * resized.size()) return node.malformed("its roi does not fit");
  for (std::size_t i = 0; i < resized.size(); ++i) {
    plan.axes[resized[i]].roi_start = (*roi)[i];
    plan.axes[resized[i]].roi_end = (*roi)[i + resized.size()];
  }
  return std::string();
}

/// The roi and the value outside of it. returns: why it cannot be run.
Result<std::string> read_roi_and_outside(NodeLowering& node,
                                         const std::vector<std::size_t>& resized,
                                         ResizePlan& plan) {
  VP_ASSIGN_OR_RETURN(std::string refused, read_roi(node, resized, plan));
  if (!refused.empty()) return refused;
  VP_ASSIGN_OR_RETURN(const float outside, node.read_float("extrapolation_value", 0.0F));
  plan.outside = static_cast<double>(outside);
  return std::string();
}

/// Whether line i of the result is line i * in / out of the input: the runner's nearest Resize.
bool repeats_lines(const ResizeRules& rules, const ResizeAxis& axis) {
  for (std::int64_t i = 0; i < axis.out; ++i) {
    const ResizeTaps taps = find_taps(rules, axis, i);
    if (taps.lines != Sizes{i * axis.in / axis.out}) return false;
  }
  return true;
}

/// The runner's Resize, where it computes the same.
std::optional<Resize> find_operator(const ResizePlan& plan) {
  if (plan.axes.size() != 4) return std::nullopt;
  Resize op;
  const ResizeRules& rules = plan.rules;
  const bool is_plain = !rules.antialiases && !rules.excludes_outside;
  for (std::size_t a = 0; a < 2; ++a) {
    const ResizeAxis& own = plan.axes[a + 2];
    if (plan.axes[a].in != plan.axes[a].out || own.in < 0) return std::nullopt;
    const auto ratio = static_cast<double>(own.out) / static_cast<double>(own.in);
    if (rules.mode == ResizeMode::Nearest) {
      op.scale[a] = static_cast<float>(ratio);
      const double reached =
          std::floor(static_cast<double>(own.in) * static_cast<double>(op.scale[a]));
      if (static_cast<std::int64_t>(reached) != own.out || !repeats_lines(rules, own))
        return std::nullopt;
      continue;
    }
    const bool is_exact = std::fabs(own.scale - ratio) <= 1e-9 * ratio;
    if (rules.mode != ResizeMode::Linear || !is_plain || !is_exact) return std::nullopt;
    op.size[a] = own.out;
    if (rules.coordinates == "pytorch_half_pixel" && own.out == 1) return std::nullopt;
  }
  if (rules.mode == ResizeMode::Nearest) return op;
  op.kind = ResizeKind::Bilinear;
  if (rules.coordinates == "align_corners") {
    op.grid = ResizeGrid::AlignCorners;
  } else if (rules.coordinates == "asymmetric") {
    op.grid = ResizeGrid::Corner;
  } else if (rules.coordinates == "tf_crop_and_resize") {
    return std::nullopt;
  } else {
    op.grid = ResizeGrid::HalfPixel;
  }
  return op;
}

/// One axis by a gather of lines.
Result<Value> gather_lines(NodeLowering& node, const ResizePlan& plan, Value& x, std::size_t axis) {
  Sizes lines;
  for (std::int64_t i = 0; i < plan.axes[axis].out; ++i) {
    const ResizeTaps taps = find_taps(plan.rules, plan.axes[axis], i);
    lines.push_back(taps.lines.empty() ? 0 : taps.lines.front());
  }
  Value indices = make_indices(lines);
  return gather_along(node, x, indices, static_cast<int>(axis));
}

/// The matrix [in, out] that blends the lines of an axis.
Result<Value> blend_matrix(NodeLowering& node, const ResizeRules& rules, const ResizeAxis& axis) {
  const auto count = checked_multiply(axis.in, axis.out);
  if (!count || *count > kMostFolded)
    return node.malformed(fmt::format("it resizes {} elements to {}", axis.in, axis.out));
  VP_RETURN_IF_ERROR(node.count_made(*count));
  std::vector<double> matrix(static_cast<std::size_t>(*count), 0.0);
  for (std::int64_t i = 0; i < axis.out; ++i) {
    const ResizeTaps taps = find_taps(rules, axis, i);
    for (std::size_t t = 0; t < taps.lines.size(); ++t)
      matrix[static_cast<std::size_t>(taps.lines[t] * axis.out + i)] += taps.weights[t];
  }
  return make_known({axis.in, axis.out}, std::move(matrix), DataType::Float);
}

/// The product of one axis with a matrix; a vector becomes a matrix of one row.
Result<Value> multiply_along(NodeLowering& node, Value value, Value& weights, std::size_t axis,
                             DataType type) {
  const std::size_t rank = value.shape->size();
  Transpose swap;
  for (std::size_t a = 0; a < rank; ++a) swap.permutation.push_back(static_cast<int>(a));
  std::swap(swap.permutation[axis], swap.permutation.back());
  const bool is_last = axis + 1 == rank;
  if (rank == 1) {
    VP_ASSIGN_OR_RETURN(value, node.view(ExpandDims{{0}}, value));
  }
  if (!is_last) {
    VP_ASSIGN_OR_RETURN(value, node.apply(swap, value));
  }
  VP_ASSIGN_OR_RETURN(value, node.apply(BatchMatMul{}, {&value, &weights}, type));
  if (!is_last) {
    VP_ASSIGN_OR_RETURN(value, node.apply(swap, value));
  }
  return value;
}

/// One axis by a product with a matrix [in, out].
Result<Value> blend_lines(NodeLowering& node, const ResizePlan& plan, Value& x, std::size_t axis) {
  VP_ASSIGN_OR_RETURN(Value weights, blend_matrix(node, plan.rules, plan.axes[axis]));
  bool added = false;
  VP_ASSIGN_OR_RETURN(Value value, leave_image_order(node, x, added));
  const bool is_vector = value.shape->size() == 1;
  const std::size_t place = axis + (added ? 1 : 0);
  VP_ASSIGN_OR_RETURN(value, multiply_along(node, std::move(value), weights, place, x.dtype));
  if (!is_vector && !added) return value;
  return node.view(Squeeze{{0}}, value);
}

/// Puts the extrapolation value where the region reaches beyond the input.
Result<Value> fill_outside(NodeLowering& node, const ResizePlan& plan, Value& x) {
  Value result = x;
  for (std::size_t axis = 0; axis < plan.axes.size(); ++axis) {
    std::vector<double> mask;
    bool any = false;
    for (std::int64_t i = 0; i < plan.axes[axis].out; ++i) {
      const bool is_outside = find_taps(plan.rules, plan.axes[axis], i).is_outside;
      any = any || is_outside;
      mask.push_back(is_outside ? 1.0 : 0.0);
    }
    if (!any) continue;
    Shape along(plan.axes.size(), 1);
    along[axis] = plan.axes[axis].out;
    Value outside = make_known(along, std::move(mask), DataType::Bool);
    Value value = make_known({}, {plan.outside}, DataType::Float);
    VP_ASSIGN_OR_RETURN(result, node.apply(Select{}, {&outside, &value, &result}, x.dtype));
  }
  return result;
}

/// The rules of the node, and axes that keep their sizes.
Result<ResizePlan> start_plan(NodeLowering& node, const Shape& shape) {
  ResizePlan plan;
  VP_ASSIGN_OR_RETURN(plan.rules, read_resize_rules(node));
  for (const std::int64_t size : shape) plan.axes.push_back({size, size});
  return plan;
}

/// Every axis by a gather or a product, where the runner has no such Resize.
Result<Value> resize_axes(NodeLowering& node, const ResizePlan& plan, Value& x) {
  Value result = x;
  for (std::size_t axis = 0; axis < plan.axes.size(); ++axis) {
    const ResizeAxis& own = plan.axes[axis];
    const bool is_still =
        own.in == own.out && own.roi_start == 0.0 && own.roi_end == 1.0 && own.scale == 1.0;
    if (own.in < 0 || is_still) continue;
    VP_ASSIGN_OR_RETURN(result, plan.rules.mode == ResizeMode::Nearest
                                    ? gather_lines(node, plan, result, axis)
                                    : blend_lines(node, plan, result, axis));
  }
  return fill_outside(node, plan, result);
}

Result<void> lower_resize(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(1, 4));
  Value& x = node.input(0);
  if (!x.shape) return node.refuse_computed(0, kUnknownRank);
  VP_ASSIGN_OR_RETURN(ResizePlan plan, start_plan(node, *x.shape));
  VP_ASSIGN_OR_RETURN(const std::vector<std::size_t> resized, list_axes(node, x.shape->size()));
  if (resized.empty()) return node.forward(x);
  VP_ASSIGN_OR_RETURN(const std::string refused, read_scales(node, resized, plan));
  if (!refused.empty()) return node.refuse_computed(0, refused);
  VP_ASSIGN_OR_RETURN(const std::string no_region, read_roi_and_outside(node, resized, plan));
  if (!no_region.empty()) return node.refuse(no_region);
  if (const auto op = find_operator(plan)) return node.finish(*op, x);
  return node.finish(resize_axes(node, plan, x));
}

constexpr std::array kResizeRows = std::to_array<OperatorRow>({
    {"Resize", lower_resize},
    {"Upsample", lower_resize},
});

}  // namespace

std::span<const OperatorRow> resize_rows() { return kResizeRows; }

}  // namespace visionpress::onnx
