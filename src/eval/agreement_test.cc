#include "eval/agreement.h"

#include <gtest/gtest.h>

namespace visionpress {
namespace {

/// Tags without labels: agreement needs none.
Dataset make_dataset(std::size_t images) {
  Dataset dataset;
  dataset.tags = {"cat", "dog", "fish"};
  dataset.images.resize(images);
  return dataset;
}

Predictions boxes(std::vector<Detections> detections) {
  Predictions predictions;
  predictions.detections = std::move(detections);
  return predictions;
}

Predictions classes(std::vector<ClassSample> samples) {
  Predictions predictions;
  predictions.task = Task::Classification;
  predictions.classes = std::move(samples);
  return predictions;
}

/// -1: nothing.
double measure(const Predictions& original, const Predictions& other, const Dataset& dataset) {
  return measure_agreement(original, other, dataset).value_or(-1.0);
}

constexpr double kRounding = 1e-9;  // pycocotools adds an epsilon to what a precision is divided by

TEST(Agreement, OfBoxesIsTheMeanOverTheTagsThatTheOriginalHas) {
  const Dataset dataset = make_dataset(2);
  const Predictions original =
      boxes({{{0, 0.9, 10, 10, 20, 20}}, {{1, 0.31, 50, 50, 20, 20}, {2, 0.3, 0, 0, 9, 9}}});
  EXPECT_NEAR(measure(original, original, dataset), 1.0, kRounding);  // the fish is not above 0.3
  const Predictions no_dog = boxes({{{0, 0.006, 11, 10, 20, 20}}, {}});
  EXPECT_NEAR(measure(original, no_dog, dataset), 0.5, kRounding);
}

TEST(Agreement, OfBoxesCountsThoseAboveTheLeastScore) {
  const Dataset dataset = make_dataset(1);
  const Predictions original = boxes({{{0, 0.9, 10, 10, 20, 20}}});
  EXPECT_NEAR(measure(original, boxes({{{0, 0.004, 10, 10, 20, 20}}}), dataset), 0.0, kRounding);
  EXPECT_NEAR(measure(original, boxes({{{0, 0.006, 10, 10, 20, 20}}}), dataset), 1.0, kRounding);
  // A stronger wrong box halves the precision.
  const Predictions wrong = boxes({{{0, 0.9, 70, 70, 20, 20}, {0, 0.8, 10, 10, 20, 20}}});
  EXPECT_NEAR(measure(original, wrong, dataset), 0.5, kRounding);
}

TEST(Agreement, IsNothingWhereTheOriginalHasNoBox) {
  const Dataset dataset = make_dataset(1);
  const Predictions weak = boxes({{{0, 0.2, 10, 10, 20, 20}}});
  EXPECT_EQ(measure_agreement(weak, weak, dataset), std::nullopt);
}

TEST(Agreement, OfClassesCountsThoseThatAreNoTag) {
  const Dataset dataset = make_dataset(2);
  const Predictions original = classes({{.image = 0, .class_index = 700},
                                        {.image = 0, .class_index = 701},
                                        {.image = 1, .class_index = 702},
                                        {.image = 1, .class_index = 703}});
  Predictions other = original;
  EXPECT_NEAR(measure(original, other, dataset), 1.0, kRounding);
  other.classes[1].class_index = 5;  // neither is a tag, so `predicted` is -1 in both
  EXPECT_NEAR(measure(original, other, dataset), 0.75, kRounding);
}

TEST(Agreement, OfFilesOfPredictionsComparesTags) {
  const Dataset dataset = make_dataset(3);
  const Predictions original = classes({{.image = 0, .predicted = 1, .class_index = 9},
                                        {.image = 1, .predicted = 2, .class_index = 8},
                                        {.image = 2, .predicted = -1, .class_index = 7}});
  const Predictions file = classes({{.image = 0, .predicted = 1}, {.image = 1, .predicted = 0}});
  EXPECT_NEAR(measure(original, file, dataset), 0.5, kRounding);  // the third is not answered
}

TEST(Agreement, OfNaNIsNone) {
  const Dataset dataset = make_dataset(1);
  const Predictions broken = classes({{.image = 0}});
  EXPECT_NEAR(measure(broken, broken, dataset), 0.0, kRounding);
}

TEST(Agreement, OfADrawCountsImagesAsOftenAsTheyWereDrawn) {
  const Dataset dataset = make_dataset(2);
  const Predictions original = boxes({{{0, 0.9, 10, 10, 20, 20}}, {{0, 0.9, 10, 10, 20, 20}}});
  const AgreementMatches matches =
      match_answers(original, boxes({{{0, 0.9, 10, 10, 20, 20}}, {}}), dataset);
  Draws draws{{{2.0, 0.0}, {0.0, 2.0}}};  // the first draw is good, the second poor
  const DrawScores scores = draw_agreement(matches, draws);
  EXPECT_NEAR(scores[0].value_or(-1.0), 1.0, kRounding);
  EXPECT_NEAR(scores[1].value_or(-1.0), 0.0, kRounding);
  EXPECT_FALSE(scores[2]);  // draws neither image
}

}  // namespace
}  // namespace visionpress
