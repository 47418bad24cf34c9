#include "eval/dataset_writers.h"

#include <functional>
#include <string>

#include <gtest/gtest.h>

#include "eval/dataset_testonly.h"
#include "eval/label_files.h"

namespace visionpress {
namespace {

/// Each writer's data set, read again by the reader of its form.
class DatasetWriters : public DatasetFiles {
 protected:
  void SetUp() override {
    write_image("a.png", 640, 480);
    write_image("b.png", 33, 77);
    write_image("c.png");
    write("coco.json",
          R"({"images":[{"id":3,"file_name":"a.png","width":640,"height":480},
                        {"id":7,"file_name":"b.png","width":33,"height":77},
                        {"id":9,"file_name":"c.png","width":40,"height":20}],
              "categories":[{"id":2,"name":"cat"},{"id":5,"name":"dog & \"pup\", <x>"}],
              "annotations":[
                {"id":1,"image_id":3,"category_id":2,"bbox":[0,0,640,480],"area":307200},
                {"id":2,"image_id":3,"category_id":5,"bbox":[10.25,20.5,100.125,33.3],"area":3334.1625},
                {"id":4,"image_id":7,"category_id":5,"bbox":[1,2,3,4],"area":12}]})");
  }

  /// Writes `data` as `writer` does. returns: the name of what `--data` takes.
  std::string convert(const Dataset& dataset, const DatasetWriter& writer,
                      std::map<std::string, std::size_t>* lost = nullptr) {
    auto set = make_export_set(dataset);
    EXPECT_TRUE(set);
    const std::string name = std::string(writer.name);
    auto output = OutputFolder::create(path(name), Overwrite::Allow);
    EXPECT_TRUE(output);
    const std::function<void()> written = [] {};
    ExportFolder folder(*output, Pictures::Copy, written);
    const auto result = writer.write(*set, folder);
    EXPECT_TRUE(result) << result.error().to_string();
    EXPECT_TRUE(output->commit());
    if (lost != nullptr) *lost = set->lost;
    return writer.main_file.empty() ? name : name + "/" + std::string(writer.main_file);
  }
};

TEST_F(DatasetWriters, EveryFormKeepsImagesTagsAndBoxes) {
  const auto source = load("coco.json");
  ASSERT_TRUE(source) << source.error().to_string();
  for (const DatasetWriter* writer : kDatasetWriters) {
    if (writer == &folder_writer) continue;
    const auto read = load(convert(*source, *writer));
    ASSERT_TRUE(read) << writer->name << ": " << read.error().to_string();
    EXPECT_EQ(warnings(), "") << writer->name;
    EXPECT_EQ(read->tags, source->tags) << writer->name;
    const bool has_empty = writer != &vott_csv_writer;
    ASSERT_EQ(read->images.size(), has_empty ? 3U : 2U) << writer->name;
    // Half a pixel where the form has whole ones, else the rounding of decimals.
    const double tolerance = writer == &voc_writer ? 0.5 : 1e-5;
    for (std::size_t i = 0; i < read->images.size(); ++i) {
      const DatasetImage& expected = source->images[i];
      const DatasetImage& found = read->images[i];
      EXPECT_EQ(base_name(found.file_name), expected.file_name) << writer->name;
      EXPECT_NE(found.path, "") << writer->name;
      EXPECT_EQ(found.width, expected.width) << writer->name;
      ASSERT_EQ(found.truths.size(), expected.truths.size()) << writer->name;
      for (std::size_t b = 0; b < found.truths.size(); ++b) {
        EXPECT_EQ(found.truths[b].tag, expected.truths[b].tag) << writer->name;
        EXPECT_NEAR(found.truths[b].x, expected.truths[b].x, tolerance) << writer->name;
        EXPECT_NEAR(found.truths[b].y, expected.truths[b].y, tolerance) << writer->name;
        EXPECT_NEAR(found.truths[b].x + found.truths[b].width,
                    expected.truths[b].x + expected.truths[b].width, tolerance)
            << writer->name;
        EXPECT_NEAR(found.truths[b].y + found.truths[b].height,
                    expected.truths[b].y + expected.truths[b].height, tolerance)
            << writer->name;
      }
    }
  }
}

TEST_F(DatasetWriters, FormsWithSplitsKeepThem) {
  write("t.csv",
        "image,xmin,ymin,xmax,ymax,label,split\na.png,1,2,3,4,dog,train\n"
        "b.png,1,2,3,4,dog,val\nc.png,1,2,3,4,cat,test\n");
  const auto source = load("t.csv");
  ASSERT_TRUE(source);
  for (const DatasetWriter* writer : kDatasetWriters) {
    std::map<std::string, std::size_t> lost;
    const auto read = load(convert(*source, *writer, &lost));
    ASSERT_TRUE(read) << writer->name << ": " << read.error().to_string();
    ASSERT_EQ(read->images.size(), 3U) << writer->name;
    if (lost.contains("split")) continue;
    for (const DatasetImage& image : read->images) {
      const std::string name = base_name(image.file_name);
      EXPECT_EQ(image.split, name == "a.png"   ? "train"
                             : name == "b.png" ? "val"
                                               : "test")
          << writer->name;
    }
  }
}

TEST_F(DatasetWriters, AFolderPerTagGoesThroughEveryForm) {
  write_image("tags/cat/1.png");
  write_image("tags/dog/1.png");
  write_image("tags/dog/2.png");
  const auto source = load("tags");
  ASSERT_TRUE(source);
  for (const DatasetWriter* writer : kDatasetWriters) {
    const auto between = load(convert(*source, *writer));
    ASSERT_TRUE(between) << writer->name << ": " << between.error().to_string();
    const auto back = load(convert(*between, folder_writer));
    ASSERT_TRUE(back) << writer->name << ": " << back.error().to_string();
    EXPECT_EQ(back->tags, source->tags) << writer->name;
    ASSERT_EQ(back->images.size(), 3U) << writer->name;
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(back->images[i].class_tag, source->images[i].class_tag) << writer->name;
    }
  }
}

}  // namespace
}  // namespace visionpress
