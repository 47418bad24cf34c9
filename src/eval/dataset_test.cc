#include "eval/dataset.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "base/shared_testonly.h"
#include "eval/dataset_table.h"
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

TEST_F(DatasetTest, BoxesThatExceedTheFrameStayAsWrittenAndAreCounted) {
  write_two_images();
  const auto data = load(coco(R"({"id":1,"image_id":3,"category_id":17,"bbox":[-1,2,4,30]},
                                 {"id":2,"image_id":3,"category_id":17,"bbox":[0,0,40,20]})"));
  ASSERT_TRUE(data) << data.error().to_string();
  EXPECT_EQ(data->exceeding_boxes, 1U);
  const TruthBox& box = data->images[0].truths[0];
  EXPECT_EQ(box.x, -1.0);
  EXPECT_EQ(box.width, 4.0);
  EXPECT_EQ(box.height, 30.0);
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
  EXPECT_EQ(error_of(coco(R"({"id":1,"image_id":3,"category_id":17,"bbox":[0,0,4]})")),
            "DIR/data.json: annotations[0].bbox: expected 4 numbers, found 3");
  EXPECT_EQ(error_of(coco(R"({"id":1,"image_id":3,"category_id":17})")),
            "DIR/data.json: annotations: none of 1 has a \"bbox\"");
  EXPECT_EQ(error_of(R"({"images":[{"id":1,"file_name":"a.png"},{"id":1,"file_name":"b.png"}],
                         "annotations":[],"categories":[]})"),
            "DIR/data.json: images: id 1 is that of \"a.png\" and of \"b.png\"");
  EXPECT_EQ(error_of(R"({"images":[],"categories":[]})"),
            "DIR/data.json: the root: \"annotations\" is missing");
}

TEST_F(DatasetTest, WhatIsOddInCocoIsSaidOnceForEachKindAndScored) {
  write_two_images();
  const auto data = load(coco(R"({"id":1,"image_id":3,"category_id":17,"bbox":[0,0,-4,2]},
                                 {"id":1,"image_id":9,"category_id":17,"bbox":[0,0,4,2]},
                                 {"id":1,"image_id":3,"category_id":9,"bbox":[0,0,4,2]},
                                 {"id":5,"image_id":3,"category_id":17,"bbox":null},
                                 {"id":6,"image_id":7,"category_id":18,"bbox":[90,0,4,2]},
                                 {"id":7,"image_id":3,"category_id":17,"bbox":[0,0,0,2]},
                                 {"id":0,"image_id":3,"category_id":17,"bbox":[0,0,5,2]})"));
  ASSERT_TRUE(data) << data.error().to_string();
  EXPECT_EQ(data->images[0].truths.size(), 3U);
  EXPECT_EQ(data->images[1].truths.size(), 1U);
  EXPECT_EQ(data->repeated_ids, 3U);
  const std::string name = path("data.json") + ": ";
  EXPECT_EQ(
      diagnostics_.warnings(),
      (std::vector<std::string>{
          name +
              "annotations with the id of another one, all scored (pycocotools takes the last of "
              "them for each, and so gives another figure): 2, the first is annotations[1], id 1",
          name + "annotations with id 0, scored as any other (pycocotools counts the box that "
                 "finds it as wrong): 1, annotations[6]",
          name +
              "annotations of images that are not listed, left out: 1, annotations[1], image_id 9",
          name + "annotations of categories that are not listed, left out: 1, annotations[2], "
                 "category_id 9",
          name + "annotations without \"bbox\", left out: 1, annotations[3]",
          name + "boxes of negative size, which nothing finds: 1, annotation 1 in a.png",
          name + "boxes without any area, which nothing finds: 1, annotation 7 in a.png",
          name + "boxes outside of their image, which count as missed: 1, annotation 6 in b.png"}));
}

TEST_F(DatasetTest, CategoriesOfOneNameAreToldApartAndTheOneWithBoxesKeepsIt) {
  write_image("a.png");
  const auto data = load(
      R"({"images":[{"id":1,"file_name":"a.png","width":40,"height":20}],
          "annotations":[{"id":1,"image_id":1,"category_id":2,"bbox":[0,0,4,2]}],
          "categories":[{"id":0,"name":"cat"},{"id":2,"name":"cat"},{"id":2,"name":"cat"}]})");
  ASSERT_TRUE(data) << data.error().to_string();
  EXPECT_EQ(data->tags, (std::vector<std::string>{"cat (0)", "cat"}));
  ASSERT_EQ(diagnostics_.warnings().size(), 1U);
  EXPECT_TRUE(diagnostics_.warnings()[0].ends_with("with most boxes): 1, \"cat (0)\""))
      << diagnostics_.warnings()[0];
}

TEST_F(DatasetTest, IdsAreNumbersTextsOrFileNames) {
  write_two_images();
  auto data = load(coco(R"({"id":1.0,"image_id":"3","category_id":17.0,"bbox":[0,0,"4",2]},
                           {"id":"x","image_id":"b","category_id":"18","bbox":[0,0,5,2]},
                           {"id":"y","image_id":"b.png","category_id":18,"bbox":[0,0,6,2]})"));
  ASSERT_TRUE(data) << data.error().to_string();
  EXPECT_EQ(data->images[0].truths.at(0).width, 4.0);
  EXPECT_EQ(data->images[1].truths.size(), 2U);
  EXPECT_TRUE(diagnostics_.warnings().empty());
  data = load(
      R"({"images":[{"id":"two","file_name":"b.png","width":40.0,"height":"20"},
                    {"id":"one","file_name":"a.png","width":40,"height":20}],
          "annotations":[{"id":"q","image_id":"two","category_id":"dog","bbox":[0,0,4,2]}],
          "categories":[{"id":"dog","name":"Dog"},{"id":"cat","name":"Cat"}]})");
  ASSERT_TRUE(data) << data.error().to_string();
  EXPECT_EQ(data->tags, (std::vector<std::string>{"Cat", "Dog"}));
  EXPECT_EQ(category_id_of(*data, 1), "dog");
  ASSERT_EQ(data->images.size(), 2U);
  EXPECT_EQ(id_of(data->images[0]), "one");
  EXPECT_EQ(data->images[1].truths.size(), 1U);
  EXPECT_EQ(
      load(coco(R"({"id":1,"image_id":3.5,"category_id":17,"bbox":[0,0,4,2]})")).error().message,
      "annotations[0].image_id: expected a whole number or a text");
}

TEST_F(DatasetTest, NamesOfAnotherSystemAreFound) {
  write_image("images/a.png");
  const auto data = load(
      R"({"images":[{"id":1,"file_name":"C:\\me\\pictures\\a.png"},
                    {"id":2,"file_name":"images\\a.png"},{"id":3,"file_name":"/home/me/a.png"},
                    {"id":4,"file_name":"a"}],
          "annotations":[],"categories":[]})");
  ASSERT_TRUE(data) << data.error().to_string();
  for (const DatasetImage& image : data->images) EXPECT_EQ(image.path, path("images/a.png"));
}

TEST_F(DatasetTest, WhatIsNoNumberIsNamedWithItsElement) {
  write_two_images();
  EXPECT_TRUE(error_of(coco(R"({"id":1,"image_id":3,"category_id":17,"bbox":[0,"x",4,2]})"))
                  .starts_with("DIR/data.json: annotations[0].bbox[1]: expected a number"));
  EXPECT_TRUE(error_of(coco(R"({"id":1,"image_id":3,"category_id":17,"bbox":[0,1e999,4,2]})"))
                  .starts_with("DIR/data.json: annotations[0].bbox[1]: "));
}

TEST_F(DatasetTest, FilesOfAnotherKindAreNamedForWhatTheyAre) {
  const auto error_for = [&](const std::string& name, const std::string& text) {
    write(name, text);
    DatasetOptions options;
    options.data = path(name);
    const auto data = load_dataset(options, diagnostics_);
    return data ? std::string("loaded") : data.error().message;
  };
  const std::string forms = "; " + std::string(kDataForms);
  EXPECT_EQ(error_for("m.tflite", "\x1c\x01\x01\x01TFL3...."),
            "m.tflite is a model; --data takes the annotations");
  EXPECT_EQ(error_for("m.mlmodel", "\x08\x01"),
            "m.mlmodel is a model; --data takes the annotations");
  EXPECT_EQ(error_for("y.txt", "0 0.5 0.5 0.25 0.25\n"),
            "y.txt is a YOLO label file (one image's boxes; give data.yaml or the folder)" + forms);
  EXPECT_EQ(error_for("p.jpg", "\xff\xd8\xff\xe0"), "p.jpg is a JPEG image" + forms);
  EXPECT_EQ(error_for("e.json", " \n"), "the file is empty, expected JSON");
  const auto starts = [&](const std::string& text, const char* with) {
    const std::string error = error_for("f.json", text);
    EXPECT_TRUE(error.starts_with(with)) << error;
  };
  starts(R"([{"image_id":1,"category_id":1,"bbox":[1,1,1,1],"score":1}])",
         "these are predictions (COCO results)");
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
            "DIR/data.json: 1 of 2 images is not there, the first is \"b.png\"; looked in DIR, "
            "DIR/images (--skip-missing scores the others)");
  DatasetOptions options;
  options.data = path("data.json");
  options.images = path("elsewhere");
  EXPECT_EQ(load_dataset(options, diagnostics_).error().kind, ErrorKind::Io);
  options.image_need = ImageNeed::Optional;
  EXPECT_TRUE(load_dataset(options, diagnostics_));
}

TEST_F(DatasetTest, MissingImagesAreLeftOutWhereThatIsAsked) {
  write_image("b.png");
  write("data.json", coco(R"({"id":1,"image_id":7,"category_id":17,"bbox":[0,0,4,2]})"));
  DatasetOptions options;
  options.data = path("data.json");
  options.image_need = ImageNeed::SkipMissing;
  const auto data = load_dataset(options, diagnostics_);
  ASSERT_TRUE(data) << data.error().to_string();
  ASSERT_EQ(data->images.size(), 1U);
  EXPECT_EQ(data->images[0].truths.size(), 1U);
  EXPECT_EQ(data->left_out_ids, (std::vector<std::string>{"3"}));
  EXPECT_EQ(diagnostics_.warnings().size(), 1U);
  fs::remove(path("b.png"));
  EXPECT_EQ(load_dataset(options, diagnostics_).error().kind, ErrorKind::Io);  // none is there
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
  EXPECT_EQ(diagnostics_.warnings().size(), 1U);  // another size than the picture's
  ASSERT_TRUE(data) << data.error().to_string();
  EXPECT_TRUE(data->has_boxes);
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
  EXPECT_EQ(data->left_out_ids, (std::vector<std::string>{"7"}));
  EXPECT_EQ(data->not_taken, 1U);
}

TEST_F(DatasetTest, BrokenVottIsRefusedWithItsPlace) {
  write_image("a.png");
  EXPECT_EQ(error_of(R"({"frames":{"a.png":[{"x1":5,"y1":1,"x2":2,"tags":["x"]}]}})"),
            "DIR/data.json: frames[\"a.png\"][0]: one of x1, y1, x2, y2 is missing");
  EXPECT_EQ(
      error_of(R"({"name":"p","assets":{"1":{"id":"1","name":"a.png","size":{"width":4}}}})"),
      "DIR/data.json: a VoTT version 2 project of 1 assets, whose boxes are in files ID-asset.json "
      "beside it, and none can be read; the first: DIR/1-asset.json: cannot open: No such file or "
      "directory");
  EXPECT_EQ(
      error_of(R"({"name":"p","assets":{"1":{"id":"../1","name":"a.png","size":{"width":4}}}})"),
      "DIR/data.json: a VoTT version 2 project of 1 assets, whose boxes are in files ID-asset.json "
      "beside it, and none can be read; the first: \"a.png\" has the id \"../1\", which names no "
      "file");
  EXPECT_EQ(error_of(R"({"a":1})"),
            "DIR/data.json: the root: found no key of COCO or VoTT; " + std::string(kDataForms));
}

TEST_F(DatasetTest, WhatIsOddInVottIsSaidAndScored) {
  write_image("a.png");
  const auto data = load(
      R"({"frames":{"a.png":[{"x1":5,"y1":1,"x2":2,"y2":2,"width":40,"height":20,"tags":["x"]},
                             {"x1":-4,"y1":1,"x2":44,"y2":2,"width":40,"height":20,"tags":["x"]},
                             {"x1":1,"y1":1,"x2":2,"y2":2,"tags":[]}],
                    "a.png":[{"x1":1,"y1":1,"x2":2,"y2":2,"tags":["x"]}]},"inputTags":"x"})");
  ASSERT_TRUE(data) << data.error().to_string();
  ASSERT_EQ(data->images.size(), 1U);
  ASSERT_EQ(data->images[0].truths.size(), 3U);
  EXPECT_EQ(data->images[0].truths[0].x, 2.0);
  EXPECT_EQ(data->images[0].truths[1].width, 48.0);  // drawn beyond the edge: kept so
  EXPECT_EQ(data->exceeding_boxes, 1U);
  EXPECT_EQ(data->clamped_boxes, 0U);
  EXPECT_EQ(diagnostics_.warnings().size(), 3U);
}

TEST_F(DatasetTest, FramesNamedByNumberArePlacesAmongTheImages) {
  write_image("images/b.png", 20, 40);
  write_image("images/a.png");
  write_image("images/._c.png");
  const auto data = load(
      R"({"frames":{"10":[],"1":[{"x1":1,"y1":30,"x2":5,"y2":35,"width":20,"height":40,"tags":["x"]}],
                    "0":[{"x1":1,"y1":1,"x2":5,"y2":5,"width":40,"height":20,"tags":["x"]}]},
          "inputTags":"x"})");
  EXPECT_FALSE(data);  // there is no eleventh image
  diagnostics_ = {};
  const auto fits = load(
      R"({"frames":{"1":[{"x1":1,"y1":30,"x2":5,"y2":35,"width":20,"height":40,"tags":["x"]}],
                    "0":[{"x1":1,"y1":1,"x2":5,"y2":5,"width":40,"height":20,"tags":["x"]}]},
          "inputTags":"x"})");
  ASSERT_TRUE(fits) << fits.error().to_string();
  EXPECT_EQ(fits->images.at(0).file_name, "a.png");
  EXPECT_EQ(fits->images.at(1).truths.at(0).y, 30.0);
  EXPECT_EQ(diagnostics_.warnings().size(), 1U);
  const auto from_one = load(
      R"({"frames":{"2":[{"x1":1,"y1":30,"x2":5,"y2":35,"width":20,"height":40,"tags":["x"]}]},
          "inputTags":"x"})");
  ASSERT_TRUE(from_one) << from_one.error().to_string();
  EXPECT_EQ(from_one->images.at(0).file_name, "b.png");
}

TEST_F(DatasetTest, AnExportOfVottTwoIsRead) {
  write_image("a.png");
  const auto data = load(
      R"({"name":"p","tags":[{"name":"cat","color":"#f00"},{"name":"dog"}],"version":"2.2.0",
          "assets":{"v":{"asset":{"name":"film.mp4","type":2},"regions":[]},
                    "i":{"asset":{"name":"a.png","size":{"width":80,"height":40},"type":1},
                         "regions":[{"type":"RECTANGLE","tags":["dog"],
                                     "boundingBox":{"left":20,"top":10,"width":40,"height":20}}]}}})");
  ASSERT_TRUE(data) << data.error().to_string();
  EXPECT_TRUE(data->has_boxes);
  EXPECT_EQ(data->tags, (std::vector<std::string>{"cat", "dog"}));
  ASSERT_EQ(data->images.size(), 1U);
  const TruthBox& box = data->images[0].truths.at(0);
  EXPECT_EQ(box.tag, 1);
  EXPECT_EQ(box.x, 10.0);
  EXPECT_EQ(box.width, 20.0);
}

TEST_F(DatasetTest, AProjectOfVottTwoIsReadWithTheFilesOfItsAssets) {
  for (const char* name : {"a.png", "b.png", "c.png"}) write_image(name);
  write("1-asset.json",
        R"({"asset":{"id":"1","name":"a.png","size":{"width":80,"height":40},"state":2,"type":1},
            "regions":[{"type":"RECTANGLE","tags":["dog"],
                        "boundingBox":{"left":20,"top":10,"width":40,"height":20}}],
            "version":"2.2.0"})");
  write("3-asset.json", R"({"asset":{"id":"3",)");
  write("6-asset.json", R"({"asset":{"id":"6","name":"a.png","state":2,"type":1}})");
  write("7-asset.json", R"({"asset":{"id":"7","name":"film.mp4","state":2,"type":2}})");
  const auto data = load(
      R"({"name":"p","tags":[{"name":"cat"},{"name":"dog"}],"version":"2.2.0",
          "assets":{"1":{"id":"1","name":"a.png","size":{"width":80,"height":40},"state":2,"type":1},
                    "2":{"id":"2","name":"b.png","size":{"width":40,"height":20},"state":1,"type":1},
                    "3":{"id":"3","name":"c.png","state":2,"type":1},
                    "4":{"id":"4","name":"d.png","state":2,"type":1},
                    "6":{"id":"6","name":"a.png","state":2,"type":1},
                    "7":{"id":"7","name":"film.mp4","state":2},
                    "5":{"id":"5","name":"e.png","state":0,"type":1}}})");
  ASSERT_TRUE(data) << data.error().to_string();
  EXPECT_EQ(data->tags, (std::vector<std::string>{"cat", "dog"}));
  ASSERT_EQ(data->images.size(), 2U);
  EXPECT_EQ(data->images[0].truths.at(0).tag, 1);
  EXPECT_EQ(data->images[0].truths.at(0).width, 20.0);
  EXPECT_TRUE(data->images[1].truths.empty());  // looked at, nothing to see
  // Between these the video's, behind them that of the frame that is not the picture's size.
  ASSERT_EQ(diagnostics_.warnings().size(), 4U) << diagnostics_.warnings()[1];
  EXPECT_NE(
      diagnostics_.warnings()[0].find(
          "assets whose file ID-asset.json cannot be read, left out: 3, the first is c.png: "),
      std::string::npos)
      << diagnostics_.warnings()[0];
  EXPECT_NE(diagnostics_.warnings()[2].find("assets that nobody looked at, left out: 1, e.png"),
            std::string::npos)
      << diagnostics_.warnings()[2];
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

TEST_F(DatasetTest, FewerImagesOfAFolderAreOfEveryTag) {
  for (const char* name : {"cat/1", "cat/2", "cat/3", "dog/1", "dog/2", "dog/3"}) {
    write_image("set/" + std::string(name) + ".png");
  }
  DatasetOptions options;
  options.data = path("set");
  options.max_images = 2;
  const auto data = load_dataset(options, diagnostics_);
  ASSERT_TRUE(data) << data.error().to_string();
  ASSERT_EQ(data->images.size(), 2U);
  EXPECT_EQ(data->images[0].file_name, "cat/1.png");
  EXPECT_EQ(data->images[1].file_name, "dog/1.png");
  EXPECT_EQ(data->images[1].id, 4);
  EXPECT_EQ(data->not_taken, 4U);
  EXPECT_EQ(data->left_out_ids, (std::vector<std::string>{"2", "3", "5", "6"}));
}

TEST_F(DatasetTest, HiddenFilesAndFoldersAreNoImagesAndNoTags) {
  write_image("set/dog/1.png");
  write("set/dog/._1.png", "of macOS");
  write_image("set/.ipynb_checkpoints/1-checkpoint.png");
  write_image("set/__MACOSX/2.png");
  DatasetOptions options;
  options.data = path("set");
  const auto data = load_dataset(options, diagnostics_);
  ASSERT_TRUE(data) << data.error().to_string();
  EXPECT_EQ(data->tags, std::vector<std::string>{"dog"});
  EXPECT_EQ(data->images.size(), 1U);
  EXPECT_EQ(diagnostics_.warnings().size(), 2U);
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
