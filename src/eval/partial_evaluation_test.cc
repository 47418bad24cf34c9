#include "eval/partial_evaluation.h"

#include <cmath>
#include <functional>
#include <limits>

#include <gtest/gtest.h>

#include "base/temporary_folder_testonly.h"
#include "eval/score_columns.h"

namespace visionpress {
namespace {

/// Values without a short decimal form, different for each seed.
double odd(std::size_t seed) { return std::sqrt(static_cast<double>(seed) + 2.0); }

Dataset make_dataset(std::size_t images) {
  Dataset dataset;
  dataset.tags = {"cat", "dog"};
  for (std::size_t i = 0; i < images; ++i) {
    DatasetImage image;
    image.id = static_cast<std::int64_t>(i) + 1;
    image.file_name = "image" + std::to_string(i) + ".jpg";
    image.width = image.height = 100;
    image.truths.push_back({.id = image.id,
                            .tag = static_cast<int>(i % 2),
                            .x = odd(i),
                            .y = 10,
                            .width = 50,
                            .height = odd(7 * i),
                            .area = 50 * odd(7 * i)});
    dataset.images.push_back(std::move(image));
  }
  return dataset;
}

Column make_column(const Dataset& dataset, double shift) {
  Column column;
  column.score.file = "model";
  column.score.format = "TFLite";
  for (std::size_t i = 0; i < dataset.images.size(); ++i) {
    const TruthBox& box = dataset.images[i].truths.front();
    column.predictions.detections.push_back(
        {{box.tag, 0.4 + odd(i) / 20, box.x + shift, box.y, box.width, box.height},
         {1 - box.tag, odd(i) / 30, box.x + 2 * shift, box.y, box.width, box.height}});
  }
  return column;
}

PartialEvaluation make_partial(const Dataset& whole, const Shard& shard) {
  PartialEvaluation partial;
  partial.program = "1";
  partial.shard = shard;
  partial.image_count = whole.images.size();
  partial.dataset = pick_shard(whole, shard);
  for (const double shift : {0.0, 6.5}) {
    PartialColumn part;
    part.column = make_column(whole, shift);
    part.column.predictions = pick_shard(part.column.predictions, shard);
    part.sha1 = std::to_string(shift);
    partial.columns.push_back(std::move(part));
  }
  return partial;
}

class PartialEvaluationTest : public testing::Test {
 protected:
  std::string save(const PartialEvaluation& partial, const std::string& name) {
    std::string path = folder_.write(name, "");
    EXPECT_TRUE(save_partial(partial, path, Overwrite::Allow));
    return path;
  }
  std::string save_shard(std::size_t index, std::size_t count) {
    return save(make_partial(whole_, {index, count}),
                std::to_string(index) + "-" + std::to_string(count));
  }
  static std::string refuse(const std::vector<std::string>& paths) {
    const auto merged = merge_partials(paths, "1", 1);
    return merged ? "merged" : merged.error().to_string();
  }

  TemporaryFolder folder_ = {};
  Dataset whole_ = make_dataset(14);
};

TEST_F(PartialEvaluationTest, MergedHasTheBitsOfOneRun) {
  const auto merged =
      merge_partials({save_shard(2, 3), save_shard(1, 3), save_shard(3, 3)}, "1", 2);
  ASSERT_TRUE(merged) << merged.error().to_string();
  const EvaluateOptions options;
  std::vector<Column> columns = {make_column(whole_, 0.0), make_column(whole_, 6.5)};
  ComparableColumns comparable =
      make_comparable(std::move(columns), whole_, options, ImageNeed::Required);
  const EvaluateResult one = compare_columns(
      score_columns(std::move(comparable), whole_, options, {}), whole_, options, {});
  ASSERT_EQ(merged->models.size(), 2U);
  const ModelScore& ours = merged->models[1];
  const ModelScore& theirs = one.models[1];
  EXPECT_EQ(merged->images, 14U);
  EXPECT_EQ(ours.ap, theirs.ap);
  EXPECT_EQ(ours.ap_drop->points, theirs.ap_drop->points);
  EXPECT_EQ(ours.ap_drop->low, theirs.ap_drop->low);
  EXPECT_EQ(ours.ap_drop->high, theirs.ap_drop->high);
  EXPECT_EQ(ours.agreement, theirs.agreement);
  EXPECT_EQ(ours.agreement_low, theirs.agreement_low);
  ASSERT_TRUE(theirs.ap_drop->low);
  EXPECT_LT(*theirs.ap, *one.models[0].ap);  // the data tells the columns apart
}

TEST_F(PartialEvaluationTest, NumbersReadBackToTheSameBits) {
  PartialEvaluation partial = make_partial(whole_, {1, 1});
  const double infinity = std::numeric_limits<double>::infinity();
  partial.columns[0].column.predictions.detections[0] = {
      {0, 0.1, -0.0, 5e-324, infinity, -infinity}, {1, 1.0 / 3.0, 1e300, NAN, 0.3, 2.0}};
  partial.options.probability = 0.1F;
  partial.options.seed = 0xfedcba9876543210U;
  partial.options.fast_decode = true;
  partial.bad.emplace(3, Error{ErrorKind::Malformed, "cut short", "a.jpg", 17});
  const auto loaded = load_partial(save(partial, "p"));
  ASSERT_TRUE(loaded) << loaded.error().to_string();
  const Detections& read = loaded->columns[0].column.predictions.detections[0];
  ASSERT_EQ(read.size(), 2U);
  EXPECT_TRUE(std::signbit(read[0].x));
  EXPECT_EQ(read[0].y, 5e-324);
  EXPECT_EQ(read[0].width, infinity);
  EXPECT_EQ(read[0].height, -infinity);
  EXPECT_EQ(read[1].score, 1.0 / 3.0);
  EXPECT_TRUE(std::isnan(read[1].y));
  EXPECT_EQ(loaded->options.probability, 0.1F);
  EXPECT_EQ(loaded->options.seed, 0xfedcba9876543210U);
  EXPECT_TRUE(loaded->options.fast_decode);
  EXPECT_EQ(loaded->bad.at(3).to_string(), partial.bad.at(3).to_string());
}

TEST_F(PartialEvaluationTest, ShardsThatAreMissingOrThereTwiceAreNamed) {
  const std::string first = save_shard(1, 3);
  const std::string second = save_shard(2, 3);
  EXPECT_EQ(refuse({first, second}), first + ": one of 3 shards; missing: 3");
  const std::string again = save(make_partial(whole_, {2, 3}), "again");
  EXPECT_EQ(refuse({first, second, again}), again + ": shard 2/3, as " + second + " is");
  EXPECT_EQ(refuse({second, save_shard(1, 4)}), folder_.path() +
                                                    "/1-4: of another evaluation than " + second +
                                                    ": another number of shards (4)");
}

TEST_F(PartialEvaluationTest, PartsOfOtherEvaluationsAreNamed) {
  const std::string first = save_shard(1, 2);
  const auto refuse_changed = [&](const std::function<void(PartialEvaluation&)>& change) {
    PartialEvaluation partial = make_partial(whole_, {2, 2});
    change(partial);
    const std::string message = refuse({first, save(partial, "other")});
    const std::string begin =
        folder_.path() + "/other: of another evaluation than " + first + ": another ";
    return message.starts_with(begin) ? message.substr(begin.size()) : message;
  };
  EXPECT_EQ(refuse_changed([](PartialEvaluation& p) { p.columns[1].sha1 = "x"; }), "file 2");
  EXPECT_EQ(refuse_changed([](PartialEvaluation& p) { p.identity.pictures_sha1 = "x"; }),
            "data set");
  EXPECT_EQ(refuse_changed([](PartialEvaluation& p) { p.options.nms_iou = 0.5F; }),
            "option nms_iou (0.5)");
  EXPECT_EQ(refuse_changed([](PartialEvaluation& p) { p.columns[0].column.labels_sha1 = "x"; }),
            "labels of file 1");
  EXPECT_EQ(refuse_changed([](PartialEvaluation& p) { p.program = "2"; }),
            folder_.path() + "/other: made by version 2, and this is 1");
}

TEST_F(PartialEvaluationTest, OtherFilesAreRefused) {
  const std::string none = folder_.write("none.json", R"([{"image_id": 1}])");
  EXPECT_EQ(refuse({none}), none + ": not a file that evaluate --save-partial wrote, or cut short");
  PartialEvaluation beyond = make_partial(whole_, {1, 2});
  beyond.columns[0].column.predictions.detections[0][0].tag = 2;
  const std::string path = save(beyond, "beyond");
  EXPECT_EQ(refuse({path}), path + ": its numbers of images and tags do not fit together");
}

TEST_F(PartialEvaluationTest, DamagedNumbersAreRefused) {
  PartialEvaluation odd = make_partial(whole_, {1, 2});
  odd.options.metric = static_cast<Metric>(77);
  std::string path = save(odd, "odd");
  EXPECT_EQ(refuse({path}), path + ": not as evaluate --save-partial writes it: choice 77 of 3");
  PartialEvaluation many = make_partial(whole_, {1, 1000000000000});
  many.image_count = 1000000000000;
  path = save(many, "many");
  EXPECT_EQ(refuse({path}), path + ": one of 1000000000000 shards, and there are 1 files");
}

TEST(Shards, AreAnEvenInterleave) {
  const Dataset whole = make_dataset(5);
  const Dataset part = pick_shard(whole, {2, 3});
  ASSERT_EQ(part.images.size(), 2U);
  EXPECT_EQ(part.images[0].file_name, "image1.jpg");
  EXPECT_EQ(part.images[1].file_name, "image4.jpg");
  Predictions classes;
  classes.task = Task::Classification;
  classes.classes = {{.image = 0}, {.image = 1}, {.image = 4}, {.image = 4}};
  const Predictions picked = pick_shard(classes, {2, 3});
  ASSERT_EQ(picked.classes.size(), 3U);
  EXPECT_EQ(picked.classes[0].image, 0U);
  EXPECT_EQ(picked.classes[2].image, 1U);
  EXPECT_TRUE(check_shard({5, 5}, 5));
  EXPECT_FALSE(check_shard({1, 6}, 5));
  EXPECT_FALSE(check_shard({0, 5}, 5));
}

}  // namespace
}  // namespace visionpress
