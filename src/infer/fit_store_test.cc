#include "infer/fit_store.h"

#include <filesystem>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/temporary_folder_testonly.h"

namespace visionpress {
namespace {

using Json = nlohmann::ordered_json;

class FitStoreTest : public testing::Test {
 protected:
  [[nodiscard]] Result<FitStore> open(const Json& key = {{"model", "a"}}) const {
    return FitStore::open(work(), key);
  }
  [[nodiscard]] std::string work() const { return folder_.path("work"); }

  static StoredCandidate make_candidate(const FitStore& store) {
    StoredCandidate candidate;
    candidate.choices = {"linear-4", "as it is"};
    candidate.file = std::filesystem::path(store.new_path(".mlmodel")).filename();
    candidate.measured.bytes = 123;
    candidate.measured.download_bytes = 99;
    candidate.measured.score.ap = 0.1 + 0.2;
    candidate.measured.score.agreement = 1.0 / 3.0;
    candidate.measured.score.ap_drop = Difference{.points = 0.7, .low = -0.1, .high = 1.1};
    candidate.measured.score.tags = {{.tag = "cat", .truth = 3, .ap = 0.25}};
    return candidate;
  }

  TemporaryFolder folder_ = {};
};

TEST_F(FitStoreTest, GivesBackWhatWasMeasuredAfterAnInterruption) {
  {
    auto store = open();
    ASSERT_TRUE(store) << store.error().to_string();
    EXPECT_TRUE(store->sensitivity().empty());
    ASSERT_TRUE(store->save_sensitivity({{.name = "w", .forms = {{"linear-4", 7, 5, 0.125}}}}));
    const StoredCandidate candidate = make_candidate(*store);
    folder_.write("work/" + candidate.file, "model");
    ASSERT_TRUE(store->save(candidate));
  }
  const auto store = open();
  ASSERT_TRUE(store) << store.error().to_string();
  const std::vector<WeightChange> weights = store->sensitivity();
  ASSERT_EQ(weights.size(), 1U);
  EXPECT_EQ(weights[0].forms[0].form, "linear-4");
  EXPECT_EQ(weights[0].forms[0].bytes, 7U);
  EXPECT_EQ(weights[0].forms[0].change, 0.125);
  EXPECT_FALSE(store->find({"linear-3", "as it is"}));
  const auto found = store->find({"linear-4", "as it is"});
  ASSERT_TRUE(found);
  EXPECT_EQ(found->measured.bytes, 123U);
  EXPECT_EQ(found->measured.score.ap, 0.1 + 0.2);
  EXPECT_EQ(found->measured.score.agreement, 1.0 / 3.0);
  EXPECT_EQ(found->measured.score.ap_drop->high, 1.1);
  EXPECT_EQ(found->measured.score.tags[0].truth, 3U);
  EXPECT_NE(store->new_path(".mlmodel"), store->path_of(*found));
}

TEST_F(FitStoreTest, ForgetsACandidateWhoseFileHasChanged) {
  auto store = open();
  ASSERT_TRUE(store);
  const StoredCandidate candidate = make_candidate(*store);
  folder_.write("work/" + candidate.file, "model");
  ASSERT_TRUE(store->save(candidate));
  folder_.write("work/" + candidate.file, "mode");
  EXPECT_FALSE(store->find(candidate.choices));
}

TEST_F(FitStoreTest, ForgetsWhatAnotherKeyMeasured) {
  {
    auto store = open();
    ASSERT_TRUE(store);
    ASSERT_TRUE(store->save_sensitivity({{.name = "w", .forms = {{"linear-4", 7, 5, 0.125}}}}));
  }
  const auto other = open({{"model", "b"}});
  ASSERT_TRUE(other);
  EXPECT_TRUE(other->sensitivity().empty());
}

TEST_F(FitStoreTest, StartsAgainWhereTheFileIsDamaged) {
  { ASSERT_TRUE(open()); }
  for (const char* text : {"", "{", "[]", R"({"key": {"model": "a"}, "candidates": 3})",
                           R"({"key": {"model": "a"}, "candidates": [7], "sensitivity": [{}]})"}) {
    folder_.write("work/fit.json", text);
    const auto store = open();
    ASSERT_TRUE(store) << text;
    EXPECT_TRUE(store->sensitivity().empty()) << text;
    EXPECT_FALSE(store->find({"linear-4"})) << text;
  }
}

TEST_F(FitStoreTest, RefusesAFolderOfOtherThingsAndASecondRun) {
  folder_.write("photo.jpg", "x");
  EXPECT_FALSE(FitStore::open(folder_.path(""), {}));
  const auto first = open();
  ASSERT_TRUE(first);
  const auto second = open();
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message.find("another run"), std::string::npos);
}

TEST_F(FitStoreTest, RemovesOnlyItsOwnFiles) {
  auto store = open();
  ASSERT_TRUE(store);
  const StoredCandidate candidate = make_candidate(*store);
  folder_.write("work/" + candidate.file, "model");
  ASSERT_TRUE(store->save(candidate));
  const std::string note = folder_.write("work/notes.txt", "mine");
  store->remove();
  EXPECT_TRUE(std::filesystem::exists(note));
  EXPECT_FALSE(std::filesystem::exists(store->path_of(candidate)));
  std::filesystem::remove(note);
  store->remove();
  EXPECT_FALSE(std::filesystem::exists(work()));
}

TEST_F(FitStoreTest, ReadsASensitivityReport) {
  const std::string good = folder_.write(
      "good.json",
      R"({"weights": [{"name": "w", "forms": [{"form": "linear-2", "bytes": 1, "download_bytes": 1, "change": null}]}]})");
  const auto read = read_sensitivity({good}, "");
  ASSERT_TRUE(read);
  EXPECT_TRUE(std::isinf(read->at(0).forms[0].change));
  for (
      const char* text :
      {"", "[]", R"({"weights": 3})", R"({"weights": [{"forms": []}]})",
       R"({"weights": [{"name": "w", "forms": [{"bytes": 1}]}]})",
       R"({"sha1": "x", "weights": []})",
       R"({"weights": [{"name": "w", "forms": [{"form": "fp16", "bytes": 1, "download_bytes": 1, "change": 0}]}]})",
       R"({"weights": [{"name": "w", "forms": [{"form": "linear-4", "bytes": -1, "download_bytes": 1, "change": 0}]}]})",
       R"({"weights": [{"name": "w", "forms": [{"form": "linear-4", "bytes": 1, "download_bytes": 1, "change": "x"}]}]})"}) {
    const auto bad = read_sensitivity({folder_.write("bad.json", text)}, "");
    ASSERT_FALSE(bad) << text;
    EXPECT_EQ(bad.error().kind, ErrorKind::Malformed);
  }
}

TEST_F(FitStoreTest, PutsTheShardsOfASensitivityTogether) {
  const auto write = [&](const std::string& name, const std::string& shard, int seed) {
    return folder_.write(
        name,
        fmt::format(R"({{"seed": {}, "shard": {}, "weights": [{{"name": "{}", "forms": []}}]}})",
                    seed, shard, name));
  };
  const std::string one = write("one", R"({"index": 1, "count": 3})", 1);
  const std::string two = write("two", R"({"index": 2, "count": 3})", 1);
  const std::string three = write("three", R"({"index": 3, "count": 3})", 1);
  const auto read = read_sensitivity({three, one, two}, "");
  ASSERT_TRUE(read) << read.error().to_string();
  std::vector<std::string> names;
  for (const WeightChange& weight : *read) names.push_back(weight.name);
  EXPECT_EQ(names, (std::vector<std::string>{"one", "two", "three"}));
  const std::vector<std::vector<std::string>> bad = {
      {one, three},
      {one, two, two},
      {one, two, write("other", R"({"index": 3, "count": 3})", 2)},
      {one, two, write("four", R"({"index": 3, "count": 4})", 1)},
      {write("zero", R"({"index": 0, "count": 3})", 1)},
      {write("text", R"("x")", 1)}};
  for (const auto& paths : bad) {
    const auto refused = read_sensitivity(paths, "");
    ASSERT_FALSE(refused) << paths.back();
    EXPECT_EQ(refused.error().kind, ErrorKind::Malformed);
  }
}

}  // namespace
}  // namespace visionpress
