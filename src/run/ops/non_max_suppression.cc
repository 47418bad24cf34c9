#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "run/operator.h"

namespace visionpress {
namespace {

// source, for the order of operations and the empty boxes: tensorflow 2.18,
// tensorflow/core/kernels/image/non_max_suppression_op.cc, IOU.
float overlap(const float* a, const float* b) {
  const auto [a_top, a_bottom] = std::minmax(a[0], a[2]);
  const auto [a_left, a_right] = std::minmax(a[1], a[3]);
  const auto [b_top, b_bottom] = std::minmax(b[0], b[2]);
  const auto [b_left, b_right] = std::minmax(b[1], b[3]);
  const float a_area = (a_bottom - a_top) * (a_right - a_left);
  const float b_area = (b_bottom - b_top) * (b_right - b_left);
  if (a_area <= 0.0F || b_area <= 0.0F) return 0.0F;
  const float height = std::max(std::min(a_bottom, b_bottom) - std::max(a_top, b_top), 0.0F);
  const float width = std::max(std::min(a_right, b_right) - std::max(a_left, b_left), 0.0F);
  const float common = height * width;
  return common / (a_area + b_area - common);
}

class NonMaxSuppressionOperator final : public Operator {
 public:
  NonMaxSuppressionOperator(const NonMaxSuppression& op, std::size_t boxes, std::size_t outputs)
      : op_(op), boxes_(boxes) {
    const auto most =
        op.pad ? op.max_outputs : std::min(op.max_outputs, static_cast<std::int64_t>(boxes));
    output_dims = {{most}};
    if (outputs > 1) output_dims.push_back({});
    if (outputs > 2) output_dims.push_back({most});
    counted_outputs = {!op.pad, false, !op.pad};
  }

  void run(const RunContext& context) const override {
    const std::vector<std::size_t> chosen = choose(context.inputs[0], context.inputs[1]);
    const std::size_t room = count_of(output_dims[0]);
    for (std::size_t i = 0; i < room; ++i)
      context.outputs[0][i] = i < chosen.size() ? static_cast<float>(chosen[i]) : 0.0F;
    if (context.outputs.size() > 1) context.outputs[1][0] = static_cast<float>(chosen.size());
    if (context.outputs.size() > 2) {
      for (std::size_t i = 0; i < room; ++i)
        context.outputs[2][i] = i < chosen.size() ? context.inputs[1][chosen[i]] : 0.0F;
    }
    if (op_.pad) return;
    for (std::size_t i = 0; i < context.outputs.size(); ++i)
      if (counts(i)) context.report->counts[i] = static_cast<std::int64_t>(chosen.size());
  }

 private:
  [[nodiscard]] std::vector<std::size_t> choose(const float* boxes, const float* scores) const {
    const float least =
        op_.has_score_threshold ? op_.score_threshold : std::numeric_limits<float>::lowest();
    std::vector<std::size_t> candidates;
    for (std::size_t i = 0; i < boxes_; ++i) {
      if (scores[i] > least) candidates.push_back(i);
    }
    std::sort(candidates.begin(), candidates.end(), [scores](std::size_t a, std::size_t b) {
      return scores[a] > scores[b] || (scores[a] == scores[b] && a < b);
    });
    std::vector<std::size_t> chosen;
    for (const std::size_t candidate : candidates) {
      if (static_cast<std::int64_t>(chosen.size()) >= op_.max_outputs) break;
      const bool is_covered = std::any_of(chosen.begin(), chosen.end(), [&](std::size_t other) {
        return overlap(boxes + candidate * 4, boxes + other * 4) > op_.iou_threshold;
      });
      if (!is_covered) chosen.push_back(candidate);
    }
    return chosen;
  }

  NonMaxSuppression op_;
  std::size_t boxes_;
};

}  // namespace

OperatorResult build_operator(const NonMaxSuppression& op, const BuildContext& context) {
  return std::make_unique<NonMaxSuppressionOperator>(
      op, static_cast<std::size_t>(context.inputs[0].dims[0]), context.output_count);
}

}  // namespace visionpress
