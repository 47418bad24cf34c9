// NonMaxSuppression: one of the runner's for each class of each image.

#include <algorithm>
#include <array>
#include <optional>

#include "base/error.h"
#include "formats/onnx/onnx_lowering.h"

namespace visionpress::onnx {
namespace {

/// The most classes, over all images, of one NonMaxSuppression.
constexpr std::int64_t kMostClasses = 4096;

/// Element `at` of axis `axis`, without that axis.
Result<Value> take_one(NodeLowering& node, Value& x, std::size_t axis, std::int64_t at) {
  const std::size_t rank = x.shape->size();
  Slice slice = {std::vector<std::int64_t>(rank, 0),
                 std::vector<std::int64_t>(rank, kLargestSize),
                 std::vector<std::int64_t>(rank, 1),
                 {}};
  slice.begin[axis] = at;
  slice.end[axis] = at + 1;
  VP_ASSIGN_OR_RETURN(Value part, node.apply(std::move(slice), x));
  return node.view(Squeeze{{static_cast<int>(axis)}}, part);
}

/// Boxes [N,4] of centre and size as y1, x1, y2, x2.
Result<Value> find_corners(NodeLowering& node, Value& boxes) {
  std::array<Value, 4> sides;  // x, y, width, height
  for (std::size_t i = 0; i < 4; ++i) {
    Slice slice = {{0, static_cast<std::int64_t>(i)},
                   {kLargestSize, static_cast<std::int64_t>(i) + 1},
                   {1, 1},
                   {}};
    VP_ASSIGN_OR_RETURN(sides[i], node.apply(std::move(slice), boxes));
  }
  std::vector<Value> corners;
  for (const BinaryKind kind : {BinaryKind::Subtract, BinaryKind::Add}) {
    for (const std::size_t axis : {1U, 0U}) {
      VP_ASSIGN_OR_RETURN(Value half, node.unary(UnaryKind::Linear, sides[axis + 2], 0.5F, 0.0F));
      VP_ASSIGN_OR_RETURN(Value corner, node.binary(kind, sides[axis], half));
      corners.push_back(std::move(corner));
    }
  }
  return node.apply(Concat{1}, {&corners[0], &corners[1], &corners[2], &corners[3]}, boxes.dtype);
}

/// The chosen indices as rows [image, class, index].
Result<Value> make_rows(NodeLowering& node, Value& chosen, std::int64_t image,
                        std::int64_t class_index) {
  VP_ASSIGN_OR_RETURN(Value indices, node.apply(ExpandDims{{1}}, chosen));
  const auto fill = [&](std::int64_t number) -> Result<Value> {
    VP_ASSIGN_OR_RETURN(Value zeros, node.binary(BinaryKind::Multiply, indices, 0.0));
    return node.binary(BinaryKind::Add, zeros, static_cast<double>(number));
  };
  VP_ASSIGN_OR_RETURN(Value images, fill(image));
  VP_ASSIGN_OR_RETURN(Value classes, fill(class_index));
  return node.apply(Concat{1}, {&images, &classes, &indices}, DataType::Int64);
}

/// The limits of one class: the most boxes, the overlap, the score. Inputs 2, 3 and 4.
struct BoxLimits {
  std::array<double, 3> values = {0.0, 0.0, 0.0};
  std::optional<std::size_t> computed = std::nullopt;  ///< the input that is not known
};

BoxLimits read_limits(NodeLowering& node) {
  BoxLimits limits;
  for (std::size_t i = 0; i < 3; ++i) {
    if (!node.has_input(i + 2)) continue;
    const auto limit = node.find_number(i + 2);
    if (!limit) limits.computed = i + 2;
    limits.values[i] = limit.value_or(0.0);
  }
  return limits;
}

/// Adds the chosen boxes of each class of one image.
Result<void> choose_boxes(NodeLowering& node, const NonMaxSuppression& op, std::int64_t image,
                          std::vector<Value>& rows) {
  VP_ASSIGN_OR_RETURN(const std::int64_t is_centre, node.read_int("center_point_box", 0));
  VP_ASSIGN_OR_RETURN(Value boxes, take_one(node, node.input(0), 0, image));
  if (is_centre != 0) {
    VP_ASSIGN_OR_RETURN(boxes, find_corners(node, boxes));
  }
  VP_ASSIGN_OR_RETURN(Value scores, take_one(node, node.input(1), 0, image));
  const std::int64_t classes = scores.shape->front();
  for (std::int64_t c = 0; c < classes; ++c) {
    VP_ASSIGN_OR_RETURN(Value one, take_one(node, scores, 0, c));
    VP_ASSIGN_OR_RETURN(Value chosen, node.apply(op, {&boxes, &one}, DataType::Int64));
    VP_ASSIGN_OR_RETURN(Value row, make_rows(node, chosen, image, c));
    rows.push_back(std::move(row));
  }
  return {};
}

/// inputs: boxes [images, N, 4], scores [images, classes, N], and the limits.
Result<void> lower_suppression(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(2, 5));
  const auto& boxes = node.input(0).shape;
  const auto& scores = node.input(1).shape;
  const bool is_ranked = boxes && scores && boxes->size() == 3 && scores->size() == 3 &&
                         (*scores)[0] >= 1 && (*scores)[1] >= 1;
  if (!is_ranked) return node.refuse_computed(1, "how many images and classes it has is computed");
  const BoxLimits limits = read_limits(node);
  if (limits.computed) return node.refuse_computed(*limits.computed, "its limits are computed");
  if (!(limits.values[0] >= 1.0)) return node.refuse("it keeps no box");
  NonMaxSuppression op;
  op.max_outputs = static_cast<std::int64_t>(std::min(limits.values[0], 1e9));
  op.iou_threshold = static_cast<float>(limits.values[1]);
  op.score_threshold = static_cast<float>(limits.values[2]);
  op.has_score_threshold = node.has_input(4);
  const std::int64_t images = (*scores)[0];
  const std::int64_t classes = (*scores)[1];
  if (images > kMostClasses || classes > kMostClasses / images)
    return node.refuse(fmt::format("{} images of {} classes", images, classes));
  std::vector<Value> rows;
  for (std::int64_t image = 0; image < images; ++image)
    VP_RETURN_IF_ERROR(choose_boxes(node, op, image, rows));
  if (rows.size() == 1) return node.finish(std::move(rows.front()));
  std::vector<Value*> operands;
  operands.reserve(rows.size());
  for (Value& row : rows) operands.push_back(&row);
  return node.finish(Concat{0}, operands, DataType::Int64);
}

constexpr std::array kBoxesRows = std::to_array<OperatorRow>({
    {"NonMaxSuppression", lower_suppression},
});

}  // namespace

std::span<const OperatorRow> boxes_rows() { return kBoxesRows; }

}  // namespace visionpress::onnx
