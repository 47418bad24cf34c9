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
  EXPECT_EQ(
      error_of(R"([{"image_id":4,"category_id":17,"bbox":[1,2,3,4],"score":1}])"),
      "no image_id is one of the data set's or the name of one of its images (here 4, there 3, "
      "9): predictions of another set of images?");
  EXPECT_EQ(
      error_of(R"([{"image_id":3,"category_id":4,"bbox":[1,2,3,4],"score":1}])"),
      "no category_id is one of the data set's (here 4, there 17, 18): predictions of another set "
      "of categories?");
  EXPECT_EQ(error_of(R"([{"image_id":3,"category_id":17,"bbox":[1,2,3],"score":1}])"),
            "[0].bbox: expected 4 numbers, found 3");
  EXPECT_EQ(error_of(R"([{"image_id":3,"category_id":17,"bbox":[1,2,3,4]}])"),
            "[0]: \"score\" is missing");
  EXPECT_EQ(error_of(R"([{"image_id":3,"category_id":17,"bbox":[1,2,3,4],"score":1},
                         {"image_id":3,"category_id":17,"score":1}])"),
            "[1]: has no \"bbox\", unlike the rows before it");
  EXPECT_TRUE(
      error_of(R"({"images":[]})").starts_with("these are annotations, which --data takes"));
  EXPECT_TRUE(error_of(R"({"id":"","predictions":[]})").starts_with("this is a service's answer"));
  EXPECT_EQ(error_of(R"({"a":[]})"), "the root: expected an array of predictions");
}

TEST_F(PredictionsTest, RowsOfImagesThatWereLeftOutAreSkipped) {
  dataset_.left_out_ids = {"11"};
  const auto loaded = load(R"([{"image_id":11,"category_id":17,"bbox":[1,2,3,4],"score":1}])");
  ASSERT_TRUE(loaded) << loaded.error().to_string();
  EXPECT_TRUE(loaded->detections[0].empty());
}

TEST_F(PredictionsTest, WhatFitsInPartIsScoredWithAWarning) {
  const auto loaded = load(R"([{"image_id":3,"category_id":17,"bbox":[1,2,-3,4],"score":0.5},
                               {"image_id":4,"category_id":17,"bbox":[1,2,3,4],"score":0.5},
                               {"image_id":9,"category_id":5,"bbox":[1,2,3,4],"score":0.5},
                               {"image_id":9.0,"category_id":"18","bbox":[1,2,3,4],"score":"0.5"}])");
  ASSERT_TRUE(loaded) << loaded.error().to_string();
  EXPECT_EQ(loaded->detections[0].size(), 1U);
  EXPECT_EQ(loaded->detections[1].size(), 1U);
  const std::string name = path() + ": ";
  EXPECT_EQ(diagnostics_.warnings(),
            (std::vector<std::string>{
                name + "1 of 4 predictions are of images that the data set lacks, left out (the "
                       "first: image_id 4)",
                name + "1 of 4 predictions are of categories that the data set lacks",
                name + "1 of 4 predictions have a box of negative size, which finds nothing"}));
}

TEST_F(PredictionsTest, ImagesAreNamedByIdFileNameOrStem) {
  dataset_.images[0].file_name = "folder/000012.jpg";
  dataset_.images[1].file_name = "b.jpg";
  for (const char* ids : {"3 9", "\"3\" 9.0", "\"000012\" \"b\"", "12 \"b.jpg\"",
                          "\"folder/000012.jpg\" \"b\"", "\"000012.jpg\" \"b.jpg\""}) {
    const std::string text(ids);
    const std::size_t blank = text.find(' ');
    const auto row = [](const std::string& id) {
      return "{\"image_id\":" + id + ",\"category_id\":17,\"bbox\":[1,2,3,4],\"score\":0.5}";
    };
    const auto loaded =
        load("[" + row(text.substr(0, blank)) + "," + row(text.substr(blank + 1)) + "]");
    ASSERT_TRUE(loaded) << ids << loaded.error().to_string();
    EXPECT_EQ(loaded->detections[0].size(), 1U) << ids;
    EXPECT_EQ(loaded->detections[1].size(), 1U) << ids;
  }
}

TEST_F(PredictionsTest, IdsThatAreTextsAreWrittenAsTexts) {
  dataset_.images[0].id_text = "a \"b\"\n";
  dataset_.images[1].id_text = "9";
  dataset_.category_texts = {"cat", "dog"};
  Predictions saved;
  saved.detections = {{{1, 0.5, 1, 2, 3, 4}}, {{0, 0.5, 1, 2, 3, 4}}};
  ASSERT_TRUE(save_predictions(saved, dataset_, path(), Overwrite::Refuse));
  const auto loaded = load_predictions(path(), dataset_, diagnostics_);
  ASSERT_TRUE(loaded) << loaded.error().to_string();
  EXPECT_EQ(loaded->detections[0].at(0).tag, 1);
  EXPECT_EQ(loaded->detections[1].at(0).tag, 0);
}

/// Twelve images of 640x480, each with a cat and a dog, and predictions that find all of them.
class PredictionDoubtsTest : public PredictionsTest {
 protected:
  void SetUp() override {
    PredictionsTest::SetUp();
    dataset_.category_ids = {1, 2};
    dataset_.images.clear();
    for (int i = 0; i < 12; ++i) {
      DatasetImage image;
      image.id = i + 1;
      image.file_name = std::to_string(image.id) + ".jpg";
      image.width = 640;
      image.height = 480;
      for (int tag = 0; tag < 2; ++tag) {
        TruthBox box;
        box.tag = tag;
        box.x = 40 + 12 * i + 200 * tag;
        box.y = 60 + 9 * i + 200 * (i % 2);  // apart from those of the images beside it
        box.width = 150 + 10 * i;
        box.height = 100 + 5 * tag;
        image.truths.push_back(box);
      }
      dataset_.images.push_back(image);
    }
  }

  struct Row {
    std::int64_t image = 0;
    std::int64_t category = 0;
    double box[4] = {};
    double score = 0.01;
  };

  /// The file of the rows that `change` makes of the right ones.
  template <typename Change>
  std::string write_rows(const Change& change) const {
    std::string text;
    for (const DatasetImage& image : dataset_.images) {
      for (const TruthBox& box : image.truths) {
        Row row{image.id, box.tag + 1, {box.x, box.y, box.width, box.height}};
        change(row);
        text += (text.empty() ? "[" : ",") + std::string("{\"image_id\":") +
                std::to_string(row.image) + ",\"category_id\":" + std::to_string(row.category) +
                ",\"bbox\":[" + std::to_string(row.box[0]) + "," + std::to_string(row.box[1]) +
                "," + std::to_string(row.box[2]) + "," + std::to_string(row.box[3]) +
                "],\"score\":" + std::to_string(row.score) + "}";
      }
    }
    return text + "]";
  }

  template <typename Change>
  std::string error_for(const Change& change) {
    return error_of(write_rows(change));
  }

  template <typename Change>
  std::string warning_for(const Change& change) {
    diagnostics_ = {};
    const auto loaded = load(write_rows(change));
    EXPECT_TRUE(loaded);
    if (!loaded) return loaded.error().to_string();
    return diagnostics_.warnings().empty() ? "" : diagnostics_.warnings().front();
  }
};

TEST_F(PredictionDoubtsTest, RowsThatFitAreNotDoubted) {
  EXPECT_EQ(warning_for([](Row&) {}), "");
  // A poor model: right tags, boxes that are off.
  EXPECT_EQ(warning_for([](Row& row) { row.box[0] += 90; }), "");
}

TEST_F(PredictionDoubtsTest, BoxesOfAnotherFormAreRefusedByName) {
  const auto to_corners = [](Row& row) {
    row.box[2] += row.box[0];
    row.box[3] += row.box[1];
  };
  const auto to_shares = [](Row& row) {
    for (int i = 0; i < 4; ++i) row.box[i] /= i % 2 == 0 ? 640 : 480;
  };
  const auto starts = [&](const auto& change, const std::string& with) {
    const std::string error = error_for(change);
    EXPECT_TRUE(error.starts_with(with)) << error;
    EXPECT_NE(error.find("24 of 24 true boxes"), std::string::npos) << error;
  };
  starts(to_corners, "its boxes look like corners (x1, y1, x2, y2): ");
  starts(to_shares, "its boxes are shares of the image (0 to 1): ");
  starts([&](Row& row) { to_corners(row), to_shares(row); },
         "its boxes are corners (x1, y1, x2, y2) in shares of the image: ");
  starts(
      [&](Row& row) {
        row.box[0] += row.box[2] / 2;
        row.box[1] += row.box[3] / 2;
        to_shares(row);
      },
      "its boxes are centre and size in shares of the image, as YOLO has them: ");
  starts(
      [&](Row& row) {
        to_corners(row), to_shares(row);
        std::swap(row.box[0], row.box[1]);
        std::swap(row.box[2], row.box[3]);
      },
      "its boxes are y1, x1, y2, x2 in shares of the image, as TensorFlow has them: ");
}

TEST_F(PredictionDoubtsTest, IdsThatAreOffByOneAreRefusedByName) {
  const std::string tags = error_for([](Row& row) { row.category -= 1; });
  EXPECT_TRUE(
      tags.starts_with("its categories look counted from 0 where the data set counts from 1: "
                       "read so, its rows find 24 of 24 true boxes, as written 0"))
      << tags;
  const std::string images = error_for([](Row& row) { row.image -= 1; });
  EXPECT_TRUE(images.starts_with("its image ids look one lower")) << images;
  dataset_.category_ids = {17, 18};
  const std::string places = error_for([](Row& row) { row.category -= 1; });
  EXPECT_TRUE(
      places.starts_with("its categories look like places in the data set's list, counted from 0"))
      << places;
}

TEST_F(PredictionDoubtsTest, RowsOfOtherImagesAreRefused) {
  const std::string error = error_for([](Row& row) {
    row.box[0] = 600;
    row.box[1] = 450;
    row.box[2] = 30;
    row.box[3] = 20;
  });
  EXPECT_TRUE(error.starts_with("none of its 24 boxes overlaps a true box")) << error;
}

TEST_F(PredictionDoubtsTest, AFileCutAtAScoreAndScoresAboveOneAreSaid) {
  EXPECT_TRUE(
      warning_for([](Row& row) { row.score = 0.3; })
          .ends_with("its weakest score is 0.3: it looks cut there, and AP counts detections "
                     "from 0.005 on, so it comes out lower than the model's"));
  EXPECT_NE(warning_for([](Row& row) { row.score = 97; }).find("its scores reach 97"),
            std::string::npos);
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
