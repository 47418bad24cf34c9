// TensorFlow's detection head for mobile runtimes: boxes decoded from anchors, overlaps dropped.
// source: tflite/kernels/detection_postprocess.cc, LiteRT 2.3.

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <span>
#include <vector>

#include "base/error.h"
#include "run/operator.h"

namespace visionpress {
namespace {

constexpr std::size_t kCorners = 4;

struct Box {
  float top = 0.0F;
  float left = 0.0F;
  float bottom = 0.0F;
  float right = 0.0F;
};

// In double, then rounded to float, as the runtime does.
float centre_of(float coded, float scale, float anchor_size, float anchor) {
  return static_cast<float>(static_cast<double>(coded) / static_cast<double>(scale) *
                                static_cast<double>(anchor_size) +
                            static_cast<double>(anchor));
}

float half_size_of(float coded, float scale, float anchor_size) {
  return static_cast<float>(0.5 *
                            std::exp(static_cast<double>(coded) / static_cast<double>(scale)) *
                            static_cast<double>(anchor_size));
}

float overlap(const Box& a, const Box& b) {
  const float area_a = (a.bottom - a.top) * (a.right - a.left);
  const float area_b = (b.bottom - b.top) * (b.right - b.left);
  if (area_a <= 0.0F || area_b <= 0.0F) return 0.0F;
  const float height = std::max(std::min(a.bottom, b.bottom) - std::max(a.top, b.top), 0.0F);
  const float width = std::max(std::min(a.right, b.right) - std::max(a.left, b.left), 0.0F);
  const float common = height * width;
  return common / (area_a + area_b - common);
}

class DetectionPostprocessOperator final : public Operator {
 public:
  DetectionPostprocessOperator(const DetectionPostprocess& op, const BuildContext& context)
      : op_(op),
        boxes_(static_cast<std::size_t>(context.inputs[0].dims[1])),
        box_values_(static_cast<std::size_t>(context.inputs[0].dims[2])),
        columns_(static_cast<std::size_t>(context.inputs[1].dims[2])) {
    output_dims.assign(context.results.begin(), context.results.end());
  }

  void run(const RunContext& context) const override {
    for (std::size_t i = 0; i < output_dims.size(); ++i)
      std::fill_n(context.outputs[i], count_of(output_dims[i]), 0.0F);
    const std::vector<Box> boxes = decode(context.inputs[0], context.inputs[2]);
    const bool is_valid = std::ranges::all_of(
        boxes, [](const Box& box) { return box.top <= box.bottom && box.left <= box.right; });
    if (!is_valid) {
      context.report->status =
          fail(ErrorKind::Malformed, "a box that ends before it begins, or is not a number");
      return;
    }
    if (op_.per_class) {
      write_per_class(boxes, context);
    } else {
      write_best(boxes, context);
    }
  }

 private:
  [[nodiscard]] std::vector<Box> decode(const float* coded, const float* anchors) const {
    std::vector<Box> boxes;
    for (std::size_t i = 0; i < boxes_; ++i) {
      const float* v = coded + i * box_values_;
      const float* anchor = anchors + i * kCorners;
      const float y = centre_of(v[0], op_.scales[0], anchor[2], anchor[0]);
      const float x = centre_of(v[1], op_.scales[1], anchor[3], anchor[1]);
      const float half_height = half_size_of(v[2], op_.scales[2], anchor[2]);
      const float half_width = half_size_of(v[3], op_.scales[3], anchor[3]);
      boxes.push_back({y - half_height, x - half_width, y + half_height, x + half_width});
    }
    return boxes;
  }

  // Indices of the boxes that are kept, best first; of equal scores the lower index first.
  [[nodiscard]] std::vector<std::size_t> suppress(const std::vector<Box>& boxes,
                                                  const std::vector<float>& scores,
                                                  std::size_t most) const {
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < scores.size(); ++i)
      if (scores[i] >= op_.score_threshold) order.push_back(i);
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
    std::vector<std::size_t> kept;
    for (const std::size_t i : order) {
      if (kept.size() >= most) break;
      const bool is_hidden = std::ranges::any_of(
          kept, [&](std::size_t k) { return overlap(boxes[k], boxes[i]) > op_.iou_threshold; });
      if (!is_hidden) kept.push_back(i);
    }
    return kept;
  }

  [[nodiscard]] std::size_t background() const {
    return columns_ - static_cast<std::size_t>(op_.classes);
  }

  void write(const RunContext& context, std::size_t at, const Box& box, std::size_t label,
             float score) const {
    const std::array<float, kCorners> corners = {box.top, box.left, box.bottom, box.right};
    std::copy(corners.begin(), corners.end(), context.outputs[0] + at * kCorners);
    context.outputs[1][at] = static_cast<float>(label);
    context.outputs[2][at] = score;
  }

  // One suppression over all boxes by their best class; each kept box with its best classes.
  void write_best(const std::vector<Box>& boxes, const RunContext& context) const {
    const auto classes = static_cast<std::size_t>(op_.classes);
    const auto slots = static_cast<std::size_t>(op_.classes_per_box);
    std::vector<float> best;
    for (std::size_t i = 0; i < boxes_; ++i) {
      const float* scores = context.inputs[1] + i * columns_ + background();
      best.push_back(*std::max_element(scores, scores + classes));
    }
    const auto kept = suppress(boxes, best, static_cast<std::size_t>(op_.max_boxes));
    std::vector<std::size_t> labels(classes);
    for (std::size_t k = 0; k < kept.size(); ++k) {
      const float* scores = context.inputs[1] + kept[k] * columns_ + background();
      std::iota(labels.begin(), labels.end(), 0U);
      std::stable_sort(labels.begin(), labels.end(),
                       [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
      for (std::size_t c = 0; c < std::min(slots, classes); ++c)
        write(context, k * slots + c, boxes[kept[k]], labels[c], scores[labels[c]]);
    }
    context.outputs[3][0] = static_cast<float>(kept.size());
  }

  struct Found {
    std::size_t box = 0;
    std::size_t label = 0;
    float score = 0.0F;
  };

  // A suppression per class, then the best of all classes.
  void write_per_class(const std::vector<Box>& boxes, const RunContext& context) const {
    const auto most = static_cast<std::size_t>(op_.max_boxes);
    const std::size_t per_class = std::min(static_cast<std::size_t>(op_.boxes_per_class), most);
    std::vector<Found> found;
    std::vector<float> scores(boxes_);
    for (std::size_t label = 0; label < static_cast<std::size_t>(op_.classes); ++label) {
      for (std::size_t i = 0; i < boxes_; ++i)
        scores[i] = context.inputs[1][i * columns_ + background() + label];
      for (const std::size_t i : suppress(boxes, scores, per_class))
        found.push_back({i, label, scores[i]});
      std::stable_sort(found.begin(), found.end(),
                       [](const Found& a, const Found& b) { return a.score > b.score; });
      if (found.size() > most) found.resize(most);
    }
    for (std::size_t k = 0; k < found.size(); ++k)
      write(context, k, boxes[found[k].box], found[k].label, found[k].score);
    context.outputs[3][0] = static_cast<float>(found.size());
  }

  DetectionPostprocess op_;
  std::size_t boxes_;
  std::size_t box_values_;
  std::size_t columns_;
};

}  // namespace

OperatorResult build_operator(const DetectionPostprocess& op, const BuildContext& context) {
  return std::make_unique<DetectionPostprocessOperator>(op, context);
}

}  // namespace visionpress
