#include <gtest/gtest.h>

#include "base/error.h"
#include "base/temporary_folder_testonly.h"
#include "eval/bad_images.h"
#include "eval/crop_boxes.h"
#include "eval/score_columns.h"

namespace visionpress {
namespace {

constexpr int kSide = 100;  // pixels

/// Images of one true box each.
Dataset make_dataset(std::size_t images) {
  Dataset dataset;
  dataset.tags = {"cat"};
  dataset.category_ids = {1};
  for (std::size_t i = 0; i < images; ++i) {
    DatasetImage image;
    image.id = static_cast<std::int64_t>(i) + 1;
    image.file_name = "image" + std::to_string(i) + ".jpg";
    image.width = image.height = kSide;
    image.truths.push_back({.id = image.id, .x = 10, .y = 10, .width = 50, .height = 50});
    image.truths.back().area = 2500;
    dataset.images.push_back(std::move(image));
  }
  return dataset;
}

/// A detector's column: one box for each image, where its true box is.
Column make_column(const Dataset& dataset, double score) {
  Column column;
  column.score.file = "model";
  for (std::size_t i = 0; i < dataset.images.size(); ++i) {
    column.predictions.detections.push_back({{0, score, 10, 10, 50, 50}});
  }
  return column;
}

EvaluateResult compare(std::vector<Column> columns, const Dataset& dataset,
                       const EvaluateOptions& options) {
  ComparableColumns comparable =
      make_comparable(std::move(columns), dataset, options, ImageNeed::Required);
  ScoredColumns scored =
      score_columns(std::move(comparable), dataset, options, {.metric = options.metric});
  return compare_columns(std::move(scored), dataset, options, {});
}

TEST(BadImages, AreLeftOutOfTheDataSetAndOfEveryColumn) {
  Dataset dataset = make_dataset(3);
  std::vector<Column> columns = {make_column(dataset, 0.9), Column()};
  columns[0].predictions.detections[2].clear();
  columns[1].predictions.task = Task::Classification;
  columns[1].predictions.classes = {{.image = 0}, {.image = 1}, {.image = 2}};
  const BadImages bad = {{1, fail_in("image1.jpg", ErrorKind::Malformed, "cut short").value()}};
  Diagnostics diagnostics;
  ASSERT_TRUE(leave_out(bad, dataset, columns, diagnostics));
  ASSERT_EQ(dataset.images.size(), 2U);
  EXPECT_EQ(dataset.images[1].file_name, "image2.jpg");
  EXPECT_EQ(dataset.left_out_names, std::vector<std::string>{"image1.jpg"});
  ASSERT_EQ(columns[0].predictions.detections.size(), 2U);
  EXPECT_TRUE(columns[0].predictions.detections[1].empty());
  ASSERT_EQ(columns[1].predictions.classes.size(), 2U);
  EXPECT_EQ(columns[1].predictions.classes[1].image, 1U);
  ASSERT_EQ(diagnostics.warnings().size(), 1U);
  EXPECT_EQ(diagnostics.warnings()[0],
            "1 of 3 images cannot be decoded and are left out, the first: image1.jpg: cut short");
}

TEST(BadImages, OfAWholeDataSetAreAnError) {
  Dataset dataset = make_dataset(1);
  std::vector<Column> none;
  Diagnostics diagnostics;
  const BadImages bad = {{0, fail(ErrorKind::Malformed, "cut short").value()}};
  const auto left = leave_out(bad, dataset, none, diagnostics);
  ASSERT_FALSE(left);
  EXPECT_EQ(left.error().message, "cut short");
}

TEST(BadImages, AreFoundByDecodingEach) {
  TemporaryFolder folder;
  Dataset dataset = make_dataset(2);
  dataset.images[0].path = VP_SOURCE_DIR "/demo/images/scene-01.jpg";
  dataset.images[1].path = folder.write("text.jpg", "not a picture");
  const BadImages bad = find_bad_images(dataset, 2, {});
  ASSERT_EQ(bad.size(), 1U);
  EXPECT_EQ(bad.begin()->first, 1U);
}

TEST(ComparableColumns, AreCutAtTheFrameIfOneSourceCuts) {
  const Dataset dataset = make_dataset(1);
  std::vector<Column> columns = {make_column(dataset, 0.9), make_column(dataset, 0.9)};
  columns[0].predictions.detections[0][0].width = 200;
  columns[1].ends_at_frame = true;
  const auto cut = make_comparable(columns, dataset, {}, ImageNeed::Required);
  EXPECT_EQ(cut.columns()[0].predictions.detections[0][0].width, kSide - 10);
  columns[1].ends_at_frame = false;
  const auto left = make_comparable(columns, dataset, {}, ImageNeed::Required);
  EXPECT_EQ(left.columns()[0].predictions.detections[0][0].width, 200);
}

TEST(ComparableColumns, TakeTheLimitOfAServiceThatReturnsNoWeakerBoxes) {
  const Dataset dataset = make_dataset(1);
  std::vector<Column> columns = {make_column(dataset, 0.007), make_column(dataset, 0.02)};
  columns[1].ends_at_frame = true;
  EXPECT_EQ(make_comparable(columns, dataset, {}, ImageNeed::Required).ap_limit(), 0.01F);
  // The service's answers hold weaker boxes, so it has no such limit.
  columns[1].predictions.detections[0][0].score = 0.006;
  EXPECT_EQ(make_comparable(columns, dataset, {}, ImageNeed::Required).ap_limit(), 0.005F);
  // The user's limit goes first.
  EvaluateOptions options;
  options.ap_probability = 0.3F;
  EXPECT_EQ(make_comparable(columns, dataset, options, ImageNeed::Required).ap_limit(), 0.3F);
}

TEST(ComparableColumns, OfPredictionFilesAloneCountEveryDetection) {
  EXPECT_FALSE(choose_ap_limit({}, ImageNeed::Optional));
  EXPECT_EQ(choose_ap_limit({}, ImageNeed::Required), 0.005F);
  EvaluateOptions options;
  options.ap_probability = 0.0F;
  EXPECT_EQ(choose_ap_limit(options, ImageNeed::Optional), 0.0F);
}

TEST(ComparableColumns, AreOfOneTask) {
  Column boxes;
  Column classes;
  classes.predictions.task = Task::Classification;
  EXPECT_TRUE(check_same_task("a", boxes, "b", boxes));
  const auto mixed = check_same_task("a", boxes, "b", classes);
  ASSERT_FALSE(mixed);
  EXPECT_EQ(mixed.error().message,
            "a and b do different things: one finds boxes, the other names classes");
}

TEST(ReadColumn, SeesThatASourceCutsItsBoxes) {
  TemporaryFolder folder;
  const Dataset dataset = make_dataset(2);
  Diagnostics diagnostics;
  const auto read = [&](const std::string& text) {
    return read_column(folder.write("p.json", text), dataset, PredictionSource::Ours, diagnostics);
  };
  const auto cut =
      read(R"([{"image_id": 1, "category_id": 1, "bbox": [60, 10, 40, 50], "score": 0.5}])");
  ASSERT_TRUE(cut) << cut.error().to_string();
  EXPECT_TRUE(cut->ends_at_frame);
  const auto beyond = read(
      R"([{"image_id": 1, "category_id": 1, "bbox": [60, 10, 40, 50], "score": 0.5},
          {"image_id": 2, "category_id": 1, "bbox": [60, 10, 45, 50], "score": 0.5}])");
  ASSERT_TRUE(beyond) << beyond.error().to_string();
  EXPECT_FALSE(beyond->ends_at_frame);
  EXPECT_EQ(beyond->score.format, "predictions");
}

TEST(ReadColumn, RefusesClassesOfADataSetOfBoxes) {
  TemporaryFolder folder;
  Diagnostics diagnostics;
  const auto classes =
      read_column(folder.write("p.json", R"([{"image_id": 1, "category_id": 1, "score": 0.5}])"),
                  make_dataset(1), PredictionSource::Ours, diagnostics);
  ASSERT_FALSE(classes);
  EXPECT_EQ(classes.error().message,
            "its predictions have no \"bbox\", and the data set is one of boxes");
}

TEST(ScoreColumns, DropsDetectionsThatApDoesNotUse) {
  const Dataset dataset = make_dataset(1);
  Column column = make_column(dataset, 0.9);
  column.predictions.detections[0].push_back({0, 0.004, 80, 80, 5, 5});
  ComparableColumns comparable = make_comparable({column}, dataset, {}, ImageNeed::Required);
  const ScoredColumns scored = score_columns(std::move(comparable), dataset, {}, {});
  EXPECT_EQ(scored.columns()[0].predictions.detections[0].size(), 1U);
  EXPECT_DOUBLE_EQ(scored.columns()[0].score.ap.value_or(0.0), 1.0);
}

TEST(CompareColumns, MeasuresDropsFromTheFirstColumnAndFromTheExport) {
  const Dataset dataset = make_dataset(4);
  std::vector<Column> columns(3, make_column(dataset, 0.9));
  for (std::size_t i = 0; i < 4; ++i) columns[1].predictions.detections[i].clear();
  const EvaluateOptions options = {.bootstrap_rounds = 0, .max_drop = 1.0};
  ComparableColumns comparable = make_comparable(columns, dataset, options, ImageNeed::Required);
  ScoredColumns scored = score_columns(std::move(comparable), dataset, options, {});
  const std::vector<std::size_t> exported = {0, 1, 1};
  const EvaluateResult result =
      compare_columns(std::move(scored), dataset, options, {.bad_images = 2, .exported = exported});
  ASSERT_EQ(result.models.size(), 3U);
  EXPECT_FALSE(result.models[0].ap_drop);
  EXPECT_DOUBLE_EQ(result.models[1].ap_drop->points, 100.0);
  EXPECT_FALSE(result.models[1].within_max_drop);
  EXPECT_FALSE(result.models[1].export_drop);
  EXPECT_DOUBLE_EQ(result.models[2].ap_drop->points, 0.0);
  EXPECT_TRUE(result.models[2].within_max_drop);
  EXPECT_DOUBLE_EQ(result.models[2].export_drop->points, -100.0);
  EXPECT_EQ(result.images, 4U);
  EXPECT_EQ(result.images_of, 6U);
}

TEST(CompareColumns, WarnsOfAFirstFileThatFindsNothing) {
  const Dataset dataset = make_dataset(2);
  std::vector<Column> columns(2, make_column(dataset, 0.9));
  for (Detections& of_image : columns[0].predictions.detections) of_image.clear();
  columns[0].score.file = "first";
  const EvaluateResult result =
      compare(columns, dataset, {.bootstrap_rounds = 0, .max_drop = 100.0});
  ASSERT_EQ(result.warnings.size(), 1U);
  EXPECT_EQ(result.warnings[0],
            "first: the first file finds nothing: mAP 0.0000; check its preprocessing and labels "
            "(--find-preprocessing, --labels)");
  EXPECT_FALSE(result.models[1].within_max_drop);  // a drop from nothing says nothing
}

TEST(CompareColumns, WarnsOfPredictionsForFewImagesAndOfGuessedColours) {
  const Dataset dataset = make_dataset(3);
  std::vector<Column> columns(2, make_column(dataset, 0.9));
  columns[0].score.format = "predictions";
  columns[0].predictions.detections[0].clear();
  columns[0].predictions.detections[1].clear();
  columns[0].color = ColorOrder::Rgb;
  columns[1].color = ColorOrder::Bgr;
  columns[1].color_is_guess = true;
  columns[1].score.file = "guess";
  const EvaluateResult result = compare(columns, dataset, {.bootstrap_rounds = 0});
  ASSERT_EQ(result.warnings.size(), 2U);
  EXPECT_TRUE(result.warnings[0].starts_with("guess does not say its order of colours"));
  EXPECT_EQ(result.warnings[1],
            "model: no prediction for 2 of 3 images, which count as missed (--max-images takes "
            "fewer)");
}

TEST(CropBoxes, AreScaledToThePictureAndAtLeastOnePixel) {
  Dataset dataset = make_dataset(1);
  dataset.images[0].truths.push_back({.x = 99.9, .y = 99.9, .width = 0.01, .height = 0.01});
  const Image pixels = make_image(2 * kSide, kSide);
  const auto parts = cut_boxes(dataset.images[0], pixels);
  ASSERT_EQ(parts.size(), 2U);
  EXPECT_EQ(parts[0].width, 100);  // 50 of 100 pixels, in a picture of twice the width
  EXPECT_EQ(parts[0].height, 50);
  EXPECT_EQ(parts[1].width, 1);
  EXPECT_EQ(parts[1].height, 1);
}

TEST(CropBoxes, OutsideOfTheirImageAreDropped) {
  Dataset dataset = make_dataset(1);
  dataset.images[0].truths.push_back({.x = 120, .y = 10, .width = 5, .height = 5});
  dataset.images[0].truths.push_back({.x = 10, .y = 10, .width = 0, .height = 5});
  Diagnostics diagnostics;
  drop_empty_crops(dataset, diagnostics);
  EXPECT_EQ(dataset.images[0].truths.size(), 1U);
  EXPECT_EQ(
      diagnostics.warnings(),
      std::vector<std::string>{"2 boxes have nothing of their image in them and give no crop"});
}

}  // namespace
}  // namespace visionpress
