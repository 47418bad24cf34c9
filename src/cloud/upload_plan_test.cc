#include "cloud/upload_plan.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "cloud/base64.h"
#include "cloud/custom_vision_images.h"

namespace visionpress {
namespace {

Bytes bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

/// A file that begins as a JPEG does; nothing here decodes it.
std::string write_image(const std::string& name, std::size_t bytes) {
  const std::string path = testing::TempDir() + "upload_plan_" + name;
  std::ofstream(path, std::ios::binary) << "\xFF\xD8\xFF" << std::string(bytes - 3, '.');
  return path;
}

DatasetImage make_image(const std::string& name, std::size_t boxes) {
  DatasetImage image;
  image.file_name = name;
  image.path = write_image(name, 100);
  image.width = 100;
  image.height = 50;
  for (std::size_t i = 0; i < boxes; ++i) {
    TruthBox box;
    box.width = 10;
    box.height = 5;
    image.truths.push_back(box);
  }
  return image;
}

Dataset make_dataset(std::vector<DatasetImage> images) {
  Dataset dataset;
  dataset.source = "data.json";
  dataset.tags = {"cat", "dog"};
  dataset.images = std::move(images);
  return dataset;
}

std::vector<UploadImage> make_images(std::size_t count, std::uint64_t bytes,
                                     std::size_t tags_in_all = 1) {
  std::vector<UploadImage> images(count);
  for (std::size_t i = 0; i < count; ++i) {
    images[i].bytes = bytes;
    images[i].tags = {static_cast<int>(i % tags_in_all)};
  }
  return images;
}

TEST(MakeBatches, TakesAtMost64Images) {
  const auto batches = make_batches(make_images(130, 10));
  ASSERT_EQ(batches.size(), 3U);
  EXPECT_EQ(batches[0].size(), 64U);
  EXPECT_EQ(batches[1].front(), 64U);
  EXPECT_EQ(batches[2].size(), 2U);
}

TEST(MakeBatches, TakesAtMost20Tags) {
  const auto batches = make_batches(make_images(42, 10, 21));
  ASSERT_EQ(batches.size(), 3U);
  EXPECT_EQ(batches[0].size(), 20U);
  EXPECT_EQ(batches[1].size(), 20U);
}

TEST(MakeBatches, TakesBoundedBytesAndAtLeastOneImage) {
  EXPECT_EQ(make_batches(make_images(5, 10'000'000)).size(), 3U);
  UploadLimits limits;
  limits.batch_bytes = 1;
  EXPECT_EQ(make_batches(make_images(3, 10), limits).size(), 3U);
  EXPECT_TRUE(make_batches({}).empty());
}

TEST(MakeRegion, DividesByTheFrame) {
  TruthBox box;
  box.x = 10;
  box.y = 10;
  box.width = 50;
  box.height = 20;
  UploadRegion region;
  EXPECT_FALSE(make_region(box, 100, 40, region));
  EXPECT_DOUBLE_EQ(region.left, 0.1);
  EXPECT_DOUBLE_EQ(region.top, 0.25);
  EXPECT_DOUBLE_EQ(region.width, 0.5);
  EXPECT_DOUBLE_EQ(region.height, 0.5);
}

TEST(MakeRegion, CutsWhatExceedsTheFrame) {
  TruthBox box;
  box.x = -5;
  box.y = 30;
  box.width = 200;
  box.height = 20;
  UploadRegion region;
  EXPECT_TRUE(make_region(box, 100, 40, region));
  EXPECT_DOUBLE_EQ(region.left, 0.0);
  EXPECT_DOUBLE_EQ(region.width, 1.0);
  EXPECT_DOUBLE_EQ(region.top + region.height, 1.0);
}

TEST(MakeRegion, NeverRoundsBeyondOne) {
  for (int x = 1; x < 997; ++x) {
    TruthBox box;
    box.x = x / 3.0;
    box.width = 997.0 - box.x;
    box.height = 1;
    UploadRegion region;
    make_region(box, 997, 1, region);
    EXPECT_LE(region.left + region.width, 1.0) << x;
  }
}

TEST(PlanUpload, RefusesWhatTheServiceWouldNotTakeByName) {
  DatasetImage large = make_image("large.jpg", 1);
  large.path = write_image("large.jpg", 6'000'001);
  DatasetImage text = make_image("text.jpg", 1);
  std::ofstream(text.path, std::ios::binary) << "not an image";
  const auto plan = plan_upload(
      make_dataset({make_image("ok.jpg", 300), make_image("many.jpg", 301), large, text}), {},
      ProjectKind::Detection);
  ASSERT_TRUE(plan);
  ASSERT_EQ(plan->images.size(), 1U);
  EXPECT_EQ(plan->images[0].regions.size(), 300U);
  ASSERT_EQ(plan->failures.size(), 3U);
  EXPECT_EQ(plan->failures[0].file, "many.jpg");
  EXPECT_EQ(plan->failures[0].reason, "301 boxes, and the service takes 300");
  EXPECT_EQ(plan->failures[1].reason, "6000001 bytes, and the service takes 6000000");
  EXPECT_EQ(plan->failures[2].reason, "neither JPEG, PNG, BMP nor GIF");
}

TEST(PlanUpload, LeavesOutImagesWithoutAChosenTagAndCrowds) {
  DatasetImage dog = make_image("dog.jpg", 1);
  dog.truths[0].tag = 1;
  DatasetImage crowd = make_image("crowd.jpg", 1);
  crowd.truths[0].crowd = true;
  const std::vector<std::string> only = {"cat"};
  const auto plan = plan_upload(make_dataset({make_image("cat.jpg", 2), dog, crowd}), only,
                                ProjectKind::Detection);
  ASSERT_TRUE(plan);
  ASSERT_EQ(plan->images.size(), 1U);
  EXPECT_EQ(plan->images[0].name, "cat.jpg");
  EXPECT_EQ(plan->left_out, 2U);
  EXPECT_EQ(plan->crowds, 1U);
}

TEST(PlanUpload, NamesTheTagsThereAre) {
  const std::vector<std::string> only = {"bird"};
  const auto plan = plan_upload(make_dataset({}), only, ProjectKind::Detection);
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().to_string(), "data.json: no tag \"bird\"; there are cat, dog");
}

TEST(PlanUpload, OfAClassifierTakesTheTagsOfTheBoxes) {
  DatasetImage both = make_image("both.jpg", 2);
  both.truths[1].tag = 1;
  const auto multilabel = plan_upload(make_dataset({both}), {}, ProjectKind::Multilabel);
  ASSERT_TRUE(multilabel);
  ASSERT_EQ(multilabel->images.size(), 1U);
  EXPECT_EQ(multilabel->images[0].tags, (std::vector<int>{0, 1}));
  EXPECT_TRUE(multilabel->images[0].regions.empty());
  const auto multiclass = plan_upload(make_dataset({both}), {}, ProjectKind::Multiclass);
  ASSERT_TRUE(multiclass);
  ASSERT_EQ(multiclass->failures.size(), 1U);
  EXPECT_EQ(multiclass->failures[0].reason, "2 tags, and a Multiclass project takes one");
}

TEST(PlanUpload, GivesImagesOfOneNameTwoNames) {
  const auto plan = plan_upload(make_dataset({make_image("a.jpg", 1), make_image("a.jpg", 1)}), {},
                                ProjectKind::Detection);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->images[0].name, "a.jpg");
  EXPECT_EQ(plan->images[1].name, "a.jpg#1");
}

TEST(AppendBase64, PadsAsTheStandardSays) {
  // RFC 4648, section 10.
  const std::vector<std::pair<std::string, std::string>> pairs = {
      {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, encoded] : pairs) {
    std::string text;
    append_base64(bytes_of(plain), text);
    EXPECT_EQ(text, encoded);
  }
}

TEST(MakeBatchBody, HoldsNamesContentsAndRegions) {
  UploadImage image;
  image.name = "a \"b\".jpg";
  image.tags = {1};
  image.regions = {{1, 0.25, 0.5, 0.25, 0.125}};
  UploadImage plain;
  plain.name = "c.jpg";
  plain.tags = {0, 1};
  const std::vector<const UploadImage*> images = {&image, &plain};
  const std::vector<std::string> ids = {"id-cat", "id-dog"};
  const std::vector<Bytes> contents = {bytes_of("foo"), bytes_of("f")};
  const auto json = CloudJson::parse(make_batch_body(images, ids, contents));
  EXPECT_EQ(json, CloudJson::parse(R"({"images":[
      {"name":"a \"b\".jpg","contents":"Zm9v",
       "regions":[{"tagId":"id-dog","left":0.25,"top":0.5,"width":0.25,"height":0.125}]},
      {"name":"c.jpg","contents":"Zg==","tagIds":["id-cat","id-dog"]}]})"));
}

class JournalTest : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::remove_all(folder_); }
  static constexpr const char* kFirst = "00000000-0000-0000-0000-000000000001";
  static constexpr const char* kSecond = "00000000-0000-0000-0000-000000000002";
  std::string folder_ = testing::TempDir() + "upload_journal_test";
};

TEST_F(JournalTest, RemembersWhatWasAcknowledged) {
  {
    auto journal = UploadJournal::open(folder_, kFirst);
    ASSERT_TRUE(journal);
    EXPECT_FALSE(journal->has("a.jpg", "1"));
    ASSERT_TRUE(journal->add("a.jpg", "1", "id"));
  }
  const auto journal = UploadJournal::open(folder_, kFirst);
  ASSERT_TRUE(journal);
  EXPECT_TRUE(journal->has("a.jpg", "1"));
  EXPECT_FALSE(journal->has("a.jpg", "2")) << "its content has changed";
  const auto other = UploadJournal::open(folder_, kSecond);
  ASSERT_TRUE(other);
  EXPECT_FALSE(other->has("a.jpg", "1")) << "another project";
}

TEST_F(JournalTest, GoesOnAfterALineThatWasCutOff) {
  {
    auto journal = UploadJournal::open(folder_, kFirst);
    ASSERT_TRUE(journal && journal->add("a.jpg", "1", "id"));
  }
  std::ofstream(folder_ + "/upload-" + kFirst + ".jsonl", std::ios::app)
      << R"({"file":"b.jpg","cont)";
  {
    auto journal = UploadJournal::open(folder_, kFirst);
    ASSERT_TRUE(journal);
    EXPECT_FALSE(journal->has("b.jpg", ""));
    ASSERT_TRUE(journal->add("c.jpg", "3", "id"));
  }
  const auto journal = UploadJournal::open(folder_, kFirst);
  ASSERT_TRUE(journal);
  EXPECT_TRUE(journal->has("a.jpg", "1"));
  EXPECT_TRUE(journal->has("c.jpg", "3"));
}

TEST_F(JournalTest, OfAnOlderReleaseHasNoHead) {
  std::filesystem::create_directories(folder_);
  std::ofstream(folder_ + "/upload-" + kFirst + ".jsonl")
      << R"({"file":"a.jpg","content":"1","id":"id"})"
      << "\n";
  auto journal = UploadJournal::open(folder_, kFirst);
  ASSERT_TRUE(journal && journal->add("b.jpg", "2", "id"));
  journal = UploadJournal();  // lets go of the file
  journal = UploadJournal::open(folder_, kFirst);
  ASSERT_TRUE(journal);
  EXPECT_TRUE(journal->has("a.jpg", "1") && journal->has("b.jpg", "2"));
}

TEST_F(JournalTest, IsNotNamedByAnIdThatLeavesItsFolder) {
  EXPECT_EQ(UploadJournal::open(folder_, "../../evil").error().message,
            "the project: the service gives it the id \"../../evil\", expected 8-4-4-4-12 "
            "hexadecimal digits");
  EXPECT_FALSE(std::filesystem::exists(folder_));
}

TEST_F(JournalTest, WithoutAFolderKeepsNothing) {
  auto journal = UploadJournal::open("", kFirst);
  ASSERT_TRUE(journal && journal->add("a.jpg", "1", "id"));
  EXPECT_FALSE(journal->has("a.jpg", "1"));
}

}  // namespace
}  // namespace visionpress
