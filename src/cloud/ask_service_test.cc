#include "cloud/ask_service.h"

#include <gtest/gtest.h>

namespace visionpress {
namespace {

Dataset make_dataset() {
  Dataset dataset;
  dataset.tags = {"cat", "dog"};
  dataset.images.resize(2);
  for (DatasetImage& image : dataset.images) {
    image.width = 200;
    image.height = 100;
    image.class_tag = 1;
  }
  return dataset;
}

TEST(MakePredictions, BoxesAreInPixelsOfTheirImagesAndUnknownTagsAreLeftOut) {
  Diagnostics diagnostics;
  const Answers answers = {{{"dog", 0.9, 0.25, 0.5, 0.5, 0.25}, {"bird", 0.8}}, {}};
  const auto predictions = make_predictions(make_dataset(), Task::Detection, answers, diagnostics);
  ASSERT_TRUE(predictions) << predictions.error().to_string();
  ASSERT_EQ(predictions->detections.size(), 2U);
  ASSERT_EQ(predictions->detections[0].size(), 1U);
  const Detection& box = predictions->detections[0][0];
  EXPECT_EQ(box.tag, 1);
  EXPECT_EQ(box.x, 50.0);
  EXPECT_EQ(box.y, 50.0);
  EXPECT_EQ(box.width, 100.0);
  EXPECT_EQ(box.height, 25.0);
  EXPECT_TRUE(predictions->detections[1].empty());
}

TEST(MakePredictions, AClassIsTheMostProbableTag) {
  Diagnostics diagnostics;
  const Answers answers = {{{"cat", 0.3}, {"dog", 0.6}, {"bird", 0.1}}, {}};
  const auto predictions =
      make_predictions(make_dataset(), Task::Classification, answers, diagnostics);
  ASSERT_TRUE(predictions) << predictions.error().to_string();
  ASSERT_EQ(predictions->classes.size(), 1U);  // the second image has no answer
  EXPECT_EQ(predictions->classes[0].predicted, 1);
  EXPECT_EQ(predictions->classes[0].truth, 1);
  EXPECT_EQ(predictions->classes[0].score, 0.6);
}

TEST(AskService, RefusesWhatCannotBeAsked) {
  const auto message = [](const std::vector<std::string>& images,
                          const CloudPredictOptions& options) {
    const auto asked = ask_service({}, images, options, {});
    return asked ? std::string("asked") : asked.error().message;
  };
  EXPECT_EQ(message({}, {}), "no project: give --project ID");
  EXPECT_EQ(message({}, {.project = "p"}), "no image to predict");
  EXPECT_EQ(message({"a.jpg"}, {.project = "p", .data = "d.json"}),
            "images and --data: give one of them");
  EXPECT_EQ(message({"a.jpg"}, {.project = "p", .published_name = "n", .iteration = "i"}),
            "a published name (API 3) and an iteration's id (API 2): give one of them");
}

}  // namespace
}  // namespace visionpress
