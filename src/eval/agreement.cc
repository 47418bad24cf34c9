#include "eval/agreement.h"

#include <algorithm>

namespace visionpress {
namespace {

/// The original's boxes as the labels of the same images.
Dataset make_truth(const std::vector<Detections>& detections, const Dataset& dataset) {
  Dataset truth;
  truth.tags = dataset.tags;
  truth.images.resize(dataset.images.size());
  for (std::size_t i = 0; i < truth.images.size(); ++i) {
    for (const Detection& d : detections[i]) {
      // A box that was cut to nothing at the frame cannot be found.
      if (!(d.score > kAgreementTruth) || !(d.width > 0.0) || !(d.height > 0.0)) continue;
      truth.images[i].truths.push_back({.tag = d.tag,
                                        .x = d.x,
                                        .y = d.y,
                                        .width = d.width,
                                        .height = d.height,
                                        .area = d.width * d.height});
    }
  }
  return truth;
}

std::vector<Detections> keep_counted(std::vector<Detections> detections) {
  for (Detections& of_image : detections) {
    std::erase_if(of_image, [](const Detection& d) { return !(d.score > kAgreementLeast); });
  }
  return detections;
}

bool is_same(const ClassSample& a, const ClassSample& b) {
  if (a.class_index >= 0 && b.class_index >= 0) return a.class_index == b.class_index;
  return a.predicted >= 0 && a.predicted == b.predicted;
}

/// The answers for each image, in their order.
std::vector<std::vector<const ClassSample*>> group_by_image(const Predictions& predictions,
                                                            std::size_t image_count) {
  std::vector<std::vector<const ClassSample*>> groups(image_count);
  for (const ClassSample& sample : predictions.classes) groups[sample.image].push_back(&sample);
  return groups;
}

}  // namespace

AgreementMatches match_answers(const Predictions& original, const Predictions& other,
                               const Dataset& dataset, int threads) {
  AgreementMatches matches;
  if (original.task == Task::Detection) {
    matches.boxes = match_for_ap(make_truth(original.detections, dataset),
                                 keep_counted(other.detections), kMaxPerTag, threads);
    return matches;
  }
  const auto originals = group_by_image(original, dataset.images.size());
  const auto others = group_by_image(other, dataset.images.size());
  for (std::size_t i = 0; i < originals.size(); ++i) {
    for (std::size_t k = 0; k < std::min(originals[i].size(), others[i].size()); ++k) {
      matches.answers.push_back(
          {static_cast<std::uint32_t>(i), is_same(*originals[i][k], *others[i][k])});
    }
  }
  return matches;
}

DrawScores draw_agreement(const AgreementMatches& matches, const Draws& draws) {
  if (!matches.boxes.empty()) return draw_mean_ap50(matches.boxes, draws);
  DrawnShare share;
  for (const AgreementMatches::Answer& answer : matches.answers) {
    share.add(draws.weights[answer.image], answer.is_same);
  }
  return share.scores();
}

std::optional<double> measure_agreement(const Predictions& original, const Predictions& other,
                                        const Dataset& dataset) {
  return draw_agreement(match_answers(original, other, dataset),
                        take_each_once(dataset.images.size()))
      .front();
}

}  // namespace visionpress
