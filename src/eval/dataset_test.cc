#include "eval/dataset.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "base/shared_testonly.h"
#include "eval/image.h"

namespace visionpress {
namespace {

namespace fs = std::filesystem;

class DatasetTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "vp_dataset_XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }

  [[nodiscard]] std::string path(const std::string& name) const { return folder_ + "/" + name; }

  void write_image(const std::string& name, int width = 40, int height = 20) const {
    fs::create_directories(fs::path(path(name)).parent_path());
    ASSERT_TRUE(save_image(make_image(width, height), path(name), Overwrite::Allow));
  }

  void write(const std::string& name, const std::string& text) const {
    std::ofstream(path(name)) << text;
  }

  Result<Dataset> load(const std::string& text, double min_box = 0.0) {
    write("data.json", text);
    DatasetOptions options;
    options.data = path("data.json");
    options.min_box = min_box;
    return load_dataset(options, diagnostics_);
  }

  /// The message without the folder, which has a new name each time.
  std::string error_of(const std::string& text) {
    const Result<Dataset> dataset = load(text);
    if (dataset) return "loaded";
    std::string message = dataset.error().to_string();
    for (std::size_t at = 0; (at = message.find(folder_)) != std::string::npos;) {
      message.replace(at, folder_.size(), "DIR");
    }
    return message;
  }

  std::string coco(const std::string& annotations) {
    return R"({"images":[{"id":7,"file_name":"b.png","width":40,"height":20},
                         {"id":3,"file_name":"a.png","width":40,"height":20}],
               "annotations":[)" +
           annotations + R"(],"categories":[{"id":18,"name":"dog"},{"id":17,"name":"cat"}]})";
  }

  void write_two_images() const {
    write_image("a.png");
    write_image("b.png");
  }

  std::string folder_;
  Diagnostics diagnostics_;
};

TEST_F(DatasetTest, CocoIsOrderedByIdsWhateverTheFilesOrder) {
  write_two_images();
  const auto data = load(coco(
      R"({"id":5,"image_id":7,"category_id":18,"bbox":[1,2,3.5,4],"area":9,"iscrowd":1,"segmentation":{"counts":[1]}})"));
  ASSERT_TRUE(data) << data.error().to_string();
  EXPECT_EQ(data->tags, (std::vector<std::string>{"cat", "dog"}));
  EXPECT_EQ(data->category_ids, (std::vector<std::int64_t>{17, 18}));
  ASSERT_EQ(data->images.size(), 2U);
  EXPECT_EQ(data->images[0].file_name, "a.png");
  ASSERT_EQ(data->images[1].truths.size(), 1U);
  const TruthBox& box = data->images[1].truths[0];
  EXPECT_EQ(box.id, 5);
  EXPECT_EQ(box.tag, 1);
  EXPECT_EQ(box.width, 3.5);
  EXPECT_EQ(box.area, 9.0);
  EXPECT_TRUE(box.crowd);
}

TEST_F(DatasetTest, CocoCategoriesMayStandBehindTheAnnotations) {
  write_image("a.png");
  const auto data = load(
      R"({"annotations":[{"image_id":1,"category_id":4,"bbox":[0,0,2,3]}],
          "images":[{"id":1,"file_name":"a.png"}],"categories":[{"id":4,"name":"x"}]})");
  ASSERT_TRUE(data) << data.error().to_string();
  EXPECT_EQ(data->images[0].width, 40);  // read from the picture
  EXPECT_EQ(data->images[0].truths[0].area, 6.0);
  EXPECT_EQ(data->images[0].truths[0].id, 1);
}

TEST_F(DatasetTest, BoxesThatExceedTheFrameAreCutAndCounted) {
  write_two_images();
  const auto data = load(coco(R"({"id":1,"image_id":3,"category_id":17,"bbox":[-1,2,4,30]},
                                 {"id":2,"image_id":3,"category_id":17,"bbox":[0,0,40,20]})"));
  ASSERT_TRUE(data) << data.error().to_string();
  EXPECT_EQ(data->clamped_boxes, 1U);
  const TruthBox& box = data->images[0].truths[0];
  EXPECT_EQ(box.x, 0.0);
  EXPECT_EQ(box.width, 3.0);
  EXPECT_EQ(box.height, 18.0);
}

TEST_F(DatasetTest, SmallBoxesAreLeftOutWhenEitherSideIsBelowTheShare) {
  write_two_images();
  const auto data = load(coco(R"({"id":1,"image_id":3,"category_id":17,"bbox":[0,0,3.9,20]},
                                 {"id":2,"image_id":3,"category_id":17,"bbox":[0,0,40,1.9]},
                                 {"id":3,"image_id":3,"category_id":17,"bbox":[0,0,4,2]})"),
                         0.1);
  ASSERT_TRUE(data) << data.error().to_string();
  ASSERT_EQ(data->images[0].truths.size(), 1U);
  EXPECT_EQ(data->images[0].truths[0].id, 3);
}

TEST_F(DatasetTest, BrokenCocoIsRefusedWithItsPlace) {
  write_two_images();
  EXPECT_EQ(error_of(coco(R"({"id":1,"image_id":3,"category_id":17,"bbox":[0,0,-4,2]})")),
            "DIR/data.json: annotations[0].bbox: the box is -4 wide and 2 high");
  EXPECT_EQ(error_of(coco(R"({"id":1,"image_id":9,"category_id":17,"bbox":[0,0,4,2]})")),
            "DIR/data.json: annotations[0].image_id: no image has id 9");
  EXPECT_EQ(error_of(coco(R"({"id":1,"image_id":3,"category_id":9,"bbox":[0,0,4,2]})")),
            "DIR/data.json: annotations[0].category_id: no category has id 9");
  EXPECT_EQ(error_of(coco(R"({"id":1,"image_id":3,"category_id":17,"bbox":[0,0,4]})")),
            "DIR/data.json: annotations[0].bbox: expected 4 numbers, found 3");
  EXPECT_EQ(error_of(coco(R"({"id":1,"image_id":3,"category_id":17})")),
            "DIR/data.json: annotations[0]: \"bbox\" is missing");
  EXPECT_EQ(error_of(coco(R"({"id":1,"image_id":3,"category_id":17,"bbox":[90,0,4,2]})")),
            "DIR/data.json: annotations[0].bbox: the box from (90, 0) to (94, 2) is outside of its "
            "40x20 image");
  EXPECT_EQ(error_of(coco(R"({"id":1,"image_id":3,"category_id":17,"bbox":[0,0,4,2]},
                             {"id":1,"image_id":3,"category_id":17,"bbox":[0,0,4,2]})")),
            "DIR/data.json: annotations[1]: id 1 is that of annotations[0] too");
  EXPECT_EQ(error_of(R"({"images":[{"id":1,"file_name":"a.png"},{"id":1,"file_name":"b.png"}],
                         "annotations":[],"categories":[]})"),
            "DIR/data.json: images: id 1 is there twice");
  EXPECT_EQ(error_of(R"({"images":[],"categories":[]})"),
            "DIR/data.json: the root: \"annotations\" is missing");
}

TEST_F(DatasetTest, WhatIsNoNumberIsNamedWithItsElement) {
  write_two_images();
  EXPECT_TRUE(error_of(coco(R"({"id":1,"image_id":3,"category_id":17,"bbox":[0,"x",4,2]})"))
                  .starts_with("DIR/data.json: annotations[0].bbox[1]: expected a number"));
  EXPECT_TRUE(error_of(coco(R"({"id":1,"image_id":3,"category_id":17,"bbox":[0,1e999,4,2]})"))
                  .starts_with("DIR/data.json: annotations[0].bbox[1]: "));
  EXPECT_TRUE(error_of(coco(R"({"id":1,"image_id":"3","category_id":17,"bbox":[0,0,4,2]})"))
                  .starts_with("DIR/data.json: annotations[0].image_id: expected a whole number"));
}

TEST_F(DatasetTest, EveryTruncationIsAnError) {
  write_two_images();
  const std::string text =
      coco(R"({"id":1,"image_id":3,"category_id":17,"bbox":[0,0,4,2],"area":8,"iscrowd":0})");
  for (std::size_t size = 0; size < text.size(); ++size) {
    EXPECT_FALSE(load(text.substr(0, size))) << size;
  }
  EXPECT_TRUE(load(text));
}

TEST_F(DatasetTest, AMissingImageNamesTheAnnotationFileAndWhereItWasLookedFor) {
  write_image("a.png");
  EXPECT_EQ(error_of(coco("")),
            "DIR/data.json: image \"b.png\" is not there; looked in DIR, DIR/images");
  DatasetOptions options;
  options.data = path("data.json");
  options.images = path("elsewhere");
  EXPECT_EQ(load_dataset(options, diagnostics_).error().kind, ErrorKind::Io);
  options.image_need = ImageNeed::Optional;
  EXPECT_TRUE(load_dataset(options, diagnostics_));
}

TEST_F(DatasetTest, ImagesAreFoundBesideInAFolderBesideOrWhereSaid) {
  write_image("images/a.png");
  write_image("b.png");
  const auto data = load(coco(""));
  ASSERT_TRUE(data) << data.error().to_string();
  EXPECT_EQ(data->images[0].path, path("images/a.png"));
  write_image("there/a.png");
  write_image("there/b.png");
  DatasetOptions options;
  options.data = path("data.json");
  options.images = path("there");
  EXPECT_EQ(load_dataset(options, diagnostics_)->images[0].path, path("there/a.png"));
}

TEST_F(DatasetTest, VottKeepsEmptyFramesAndScalesToTheRealPicture) {
  write_image("b.png", 40, 20);
  write_image("a.png", 40, 20);
  const auto data = load(
      R"({"frames":{"b.png":[{"x1":20,"y1":10,"x2":60,"y2":41,"width":80,"height":40,"tags":["dog"]}],
          "a.png":[]},"framerate":"1","inputTags":"cat,dog","scd":false})");
  ASSERT_TRUE(data) << data.error().to_string();
  EXPECT_EQ(data->kind, DatasetKind::Vott);
  EXPECT_EQ(data->tags, (std::vector<std::string>{"cat", "dog"}));
  ASSERT_EQ(data->images.size(), 2U);
  EXPECT_EQ(data->images[0].file_name, "a.png");
  EXPECT_EQ(data->images[1].id, 2);
  const TruthBox& box = data->images[1].truths.at(0);
  EXPECT_EQ(box.x, 10.0);
  EXPECT_EQ(box.width, 20.0);
  EXPECT_EQ(box.height, 15.0);  // cut at 20
  EXPECT_EQ(data->clamped_boxes, 1U);
}

TEST_F(DatasetTest, ImagesBeyondTheLimitAreNamedAsLeftOut) {
  write_two_images();
  write("data.json", coco(R"({"id":1,"image_id":7,"category_id":17,"bbox":[0,0,4,2]})"));
  DatasetOptions options;
  options.data = path("data.json");
  options.max_images = 1;
  const auto data = load_dataset(options, diagnostics_);
  ASSERT_TRUE(data) << data.error().to_string();
  EXPECT_EQ(data->images.size(), 1U);
  EXPECT_EQ(data->left_out_ids, (std::vector<std::int64_t>{7}));
}

TEST_F(DatasetTest, BrokenVottIsRefusedWithItsPlace) {
  write_image("a.png");
  EXPECT_EQ(error_of(R"({"frames":{"a.png":[{"x1":5,"y1":1,"x2":2,"y2":2,"tags":["x"]}]}})"),
            "DIR/data.json: frames[\"a.png\"][0]: the box is -3 wide and 1 high");
  EXPECT_EQ(error_of(R"({"frames":{"a.png":[{"x1":5,"y1":1,"x2":2,"tags":["x"]}]}})"),
            "DIR/data.json: frames[\"a.png\"][0]: one of x1, y1, x2, y2 is missing");
  EXPECT_EQ(error_of(R"({"frames":{"a.png":[],"a.png":[]}})"),
            "DIR/data.json: frames[\"a.png\"]: the frame is there twice");
  EXPECT_EQ(error_of(R"({"name":"p","assets":{}})"),
            "DIR/data.json: a VoTT version 2 project; COCO and VoTT version 1 files are read");
  EXPECT_EQ(error_of(R"({"a":1})"),
            "DIR/data.json: the root: found none of \"images\" (COCO) and \"frames\" (VoTT version "
            "1)");
}

TEST_F(DatasetTest, VottTagsThatAreNotListedAreAddedWithAWarning) {
  write_image("a.png");
  const auto data = load(
      R"({"frames":{"a.png":[{"x1":1,"y1":1,"x2":2,"y2":2,"tags":["x","cat"]}]},"inputTags":"cat"})");
  ASSERT_TRUE(data) << data.error().to_string();
  EXPECT_EQ(data->tags, (std::vector<std::string>{"cat", "x"}));
  EXPECT_EQ(data->images[0].truths.size(), 2U);
  EXPECT_EQ(diagnostics_.warnings().size(), 1U);
}

TEST_F(DatasetTest, AFolderATagIsSortedByName) {
  write_image("set/dog/2.png");
  write_image("set/dog/1.PNG");
  write_image("set/cat/9.png");
  write("set/dog/notes.txt", "no image");
  fs::create_directories(path("set/empty"));
  DatasetOptions options;
  options.data = path("set");
  const auto data = load_dataset(options, diagnostics_);
  ASSERT_TRUE(data) << data.error().to_string();
  EXPECT_EQ(data->tags, (std::vector<std::string>{"cat", "dog"}));
  ASSERT_EQ(data->images.size(), 3U);
  EXPECT_EQ(data->images[1].file_name, "dog/1.PNG");
  EXPECT_EQ(data->images[1].class_tag, 1);
  EXPECT_EQ(diagnostics_.warnings().size(), 1U);
  options.data = path("set/cat");
  EXPECT_FALSE(load_dataset(options, diagnostics_));
}

TEST_F(DatasetTest, RealCocoAndVottFilesAreReadWhole) {
  VP_SKIP_WITHOUT_SHARED();
  DatasetOptions options;
  options.data = find_shared_folder() + "/data/pets/instances_val2017_cat_dog.json";
  auto data = load_dataset(options, diagnostics_);
  ASSERT_TRUE(data) << data.error().to_string();
  EXPECT_EQ(data->images.size(), 232U);
  EXPECT_EQ(data->box_count(), 277U);
  options.data = find_shared_folder() + "/data/pets/vott-v1.json";
  data = load_dataset(options, diagnostics_);
  ASSERT_TRUE(data) << data.error().to_string();
  EXPECT_EQ(data->images.size(), 195U);
  EXPECT_EQ(data->box_count(), 221U);
  EXPECT_EQ(data->clamped_boxes, 21U);
}

}  // namespace
}  // namespace visionpress
