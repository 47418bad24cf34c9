#include "eval/predictions.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

namespace visionpress {
namespace {

class PredictionsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "vp_predictions_XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    dataset_.tags = {"cat", "dog"};
    dataset_.category_ids = {17, 18};
    dataset_.images.resize(2);
    dataset_.images[0].id = 3;
    dataset_.images[1].id = 9;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::string path() const { return folder_ + "/p.json"; }

  Result<Predictions> load(const std::string& text) {
    std::ofstream(path()) << text;
    return load_predictions(path(), dataset_, diagnostics_);
  }

  std::string error_of(const std::string& text) {
    const auto predictions = load(text);
    if (predictions) return "loaded";
    return predictions.error().to_string().substr(path().size() + 2);
  }

  std::string folder_;
  Dataset dataset_;
  Diagnostics diagnostics_;
};

TEST_F(PredictionsTest, NumbersReadBackToTheSameBits) {
  Predictions saved;
  saved.detections = {{}, {{1, 1.0 / 3, 0.1, 1e-17, 123456.789, 5}, {0, 0.2, -3, 4, 5, 6}}};
  ASSERT_TRUE(save_predictions(saved, dataset_, path(), Overwrite::Refuse));
  const auto loaded = load_predictions(path(), dataset_, diagnostics_);
  ASSERT_TRUE(loaded) << loaded.error().to_string();
  EXPECT_EQ(loaded->task, Task::Detection);
  ASSERT_EQ(loaded->detections[1].size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    const Detection& a = saved.detections[1][i];
    const Detection& b = loaded->detections[1][i];
    EXPECT_EQ(a.tag, b.tag);
    EXPECT_EQ(a.score, b.score);
    EXPECT_EQ(a.x, b.x);
    EXPECT_EQ(a.y, b.y);
    EXPECT_EQ(a.width, b.width);
  }
  EXPECT_FALSE(save_predictions(saved, dataset_, path(), Overwrite::Refuse));
}

TEST_F(PredictionsTest, RowsWithoutBoxesAreAClassifiersAnswers) {
  const auto loaded = load(R"([{"image_id":9,"category_id":17,"score":0.2},
                               {"image_id":9,"category_id":18,"score":0.7},
                               {"image_id":3,"category_id":5,"score":1}])");
  ASSERT_TRUE(loaded) << loaded.error().to_string();
  EXPECT_EQ(loaded->task, Task::Classification);
  ASSERT_EQ(loaded->classes.size(), 2U);
  EXPECT_EQ(loaded->classes[0].predicted, 1);
  EXPECT_EQ(loaded->classes[1].predicted, -1);
  EXPECT_EQ(diagnostics_.warnings().size(), 1U);
}

TEST_F(PredictionsTest, BrokenRowsAreRefusedWithTheirPlace) {
  EXPECT_EQ(error_of(R"([{"image_id":4,"category_id":17,"bbox":[1,2,3,4],"score":1}])"),
            "[0].image_id: the data set has no image with id 4");
  EXPECT_EQ(error_of(R"([{"image_id":3,"category_id":17,"bbox":[1,2,3],"score":1}])"),
            "[0].bbox: expected 4 numbers, found 3");
  EXPECT_EQ(error_of(R"([{"image_id":3,"category_id":17,"bbox":[1,2,-3,4],"score":1}])"),
            "[0].bbox: the box is -3 wide and 4 high");
  EXPECT_EQ(error_of(R"([{"image_id":3,"category_id":17,"bbox":[1,2,3,4]}])"),
            "[0]: \"score\" is missing");
  EXPECT_EQ(error_of(R"([{"image_id":3,"category_id":17,"bbox":[1,2,3,4],"score":1},
                         {"image_id":3,"category_id":17,"score":1}])"),
            "[1]: has no \"bbox\", unlike the rows before it");
  EXPECT_NE(error_of(R"({"images":[]})"), "loaded");
}

TEST_F(PredictionsTest, RowsOfImagesThatWereLeftOutAreSkipped) {
  dataset_.left_out_ids = {11};
  const auto loaded = load(R"([{"image_id":11,"category_id":17,"bbox":[1,2,3,4],"score":1}])");
  ASSERT_TRUE(loaded) << loaded.error().to_string();
  EXPECT_TRUE(loaded->detections[0].empty());
}

TEST_F(PredictionsTest, EveryTruncationIsAnError) {
  const std::string text = R"([{"image_id":3,"category_id":17,"bbox":[1,2,3,4],"score":0.5}])";
  for (std::size_t size = 0; size < text.size(); ++size) {
    EXPECT_FALSE(load(text.substr(0, size))) << size;
  }
  EXPECT_TRUE(load(text));
}

}  // namespace
}  // namespace visionpress
