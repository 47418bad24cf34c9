#include "eval/column_store.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/temporary_folder_testonly.h"
#include "eval/column_key.h"

namespace visionpress {
namespace {

using Json = nlohmann::ordered_json;

class ColumnStores : public testing::Test {
 protected:
  void SetUp() override {
    dataset_.tags = {"cat"};
    dataset_.category_ids = {1};
    dataset_.images.resize(1);
    dataset_.images[0].id = 1;
    column_.predictions.detections = {{{0, 0.5, 1, 2, 3, 4}}};
    column_.score.format = "TFLite";
    column_.score.bytes = 7;
    column_.score.run_time = RunTime{.median_ms = 2.0, .low_ms = 1.0, .high_ms = 3.0};
    auto store = ColumnStore::open(folder_.path("results"), "1.0");
    ASSERT_TRUE(store) << store.error().to_string();
    store_ = std::move(*store);
  }
  void save(const std::string& made = {}) {
    const auto saved = store_.save("c", {{"k", 1}}, made, column_, column_.score, dataset_);
    ASSERT_TRUE(saved) << saved.error().to_string();
  }
  [[nodiscard]] bool has(const Json& key, const std::string& made = {}) const {
    const auto found = store_.find("c", key, made);
    EXPECT_TRUE(found) << found.error().to_string();
    return found && *found;
  }

  TemporaryFolder folder_ = {};
  Dataset dataset_ = {};
  Column column_ = {};
  ColumnStore store_ = {};
};

TEST_F(ColumnStores, GiveBackTheFactsOfAColumnUnderItsKey) {
  EXPECT_FALSE(has({{"k", 1}}));
  save();
  const auto found = store_.find("c", {{"k", 1}}, "");
  ASSERT_TRUE(found && *found);
  EXPECT_EQ((*found)->format, "TFLite");
  EXPECT_EQ((*found)->bytes, 7U);
  EXPECT_EQ((*found)->run_time->median_ms, 2.0);
  EXPECT_FALSE(has({{"k", 2}}));
}

TEST_F(ColumnStores, DoNotUsePredictionsThatHaveChanged) {
  save();
  folder_.write("results/columns/c.predictions.json", "[]");
  EXPECT_FALSE(has({{"k", 1}}));
}

TEST_F(ColumnStores, DoNotUseAColumnWhoseModelHasChanged) {
  const std::string made = folder_.write("results/models/m.tflite", "model");
  save(made);
  EXPECT_TRUE(has({{"k", 1}}, made));
  folder_.write("results/models/m.tflite", "another");
  EXPECT_FALSE(has({{"k", 1}}, made));
}

TEST_F(ColumnStores, AreLockedWhileARunGoesOn) {
  const auto second = ColumnStore::open(folder_.path("results"), "1.0");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().message, "another run writes its results here");
}

TEST_F(ColumnStores, LeaveAFolderWithOtherContentsAlone) {
  folder_.write("mine/text.txt", "text");
  const auto store = ColumnStore::open(folder_.path("mine"), "1.0");
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().kind, ErrorKind::Output);
}

TEST(ColumnKey, ChangesWithTheOptionsThatDecideAnAnswer) {
  const EvaluateOptions options;
  EvaluateOptions other = options;
  other.threads = 7;  // the answers do not depend on it
  EXPECT_EQ(describe_run(other), describe_run(options));
  other.nms_iou = 0.9F;
  EXPECT_NE(describe_run(other), describe_run(options));
  EXPECT_FALSE(describe_run(options).contains("settings"));
}

TEST(ColumnKey, OfAnExportNamesItsModelAndOfAServiceItsIteration) {
  const ExportFacts facts = {.sha1 = "12ab"};
  PlannedColumn planned;
  planned.source = &facts;
  ExperimentOptions options;
  options.online = OnlineService{.project = "p", .iteration = "i"};
  const auto model = make_column_key(planned, options, "1.0", {});
  ASSERT_TRUE(model);
  EXPECT_EQ((*model)["model_sha1"], "12ab");
  planned.source = nullptr;
  const auto online = make_column_key(planned, options, "1.0", {});
  ASSERT_TRUE(online);
  EXPECT_EQ((*online)["iteration"], "i");
  EXPECT_FALSE(online->contains("model_sha1"));
}

}  // namespace
}  // namespace visionpress
