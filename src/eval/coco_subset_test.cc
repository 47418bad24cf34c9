#include "eval/coco_subset.h"

#include <fstream>

#include <gtest/gtest.h>

#include "eval/json_elements.h"

namespace visionpress {
namespace {

std::string write_text(const std::string& text) {
  const std::string path = testing::TempDir() + "coco_subset_test.json";
  std::ofstream(path, std::ios::binary) << text;
  return path;
}

/// Every element as "key[index]=text;".
Result<std::string> walk(const std::string& text) {
  std::string all;
  const auto walked = walk_json_elements(
      write_text(text),
      [&all](const std::string& key, std::size_t index, std::string_view element) -> Result<void> {
        all += key + "[" + std::to_string(index) + "]=" + std::string(element) + ";";
        return {};
      });
  if (!walked) return tl::unexpected<Error>(walked.error());
  return all;
}

std::string fault_of(const std::string& text) {
  const auto walked = walk(text);
  if (walked) return "none: " + *walked;
  EXPECT_EQ(walked.error().kind, ErrorKind::Malformed);
  return walked.error().message + " at " + std::to_string(walked.error().offset.value_or(999));
}

TEST(WalkJsonElements, GivesTheElementsOfTheRootsArrays) {
  EXPECT_EQ(*walk(R"( {"a": [1, "x,]" ,{"b":[2]}] , "c":{"d":[3]},"e":null,"f":[]} )"),
            R"(a[0]=1;a[1]="x,]";a[2]={"b":[2]};)");
  EXPECT_EQ(*walk("{}"), "");
  EXPECT_EQ(*walk("\xEF\xBB\xBF{\"a\":[true]}"), "a[0]=true;");
  EXPECT_EQ(*walk(R"({"a":["\"]}",[[]]]})"), R"(a[0]="\"]}";a[1]=[[]];)");
}

TEST(WalkJsonElements, CarriesElementsOverTheEndOfItsWindow) {
  // Elements of a length that shares no factor with the window's, so that ends fall everywhere.
  std::string text = "{\"a\":[";
  std::string expected;
  constexpr std::size_t kCount = 9000;
  for (std::size_t i = 0; i < kCount; ++i) {
    const std::string element = "{\"k\":\"" + std::string(1000 + i % 7, 'x') + "\\\"}\"}";
    if (i > 0) text += ',';
    text += element;
    expected += "a[" + std::to_string(i) + "]=" + element + ";";
  }
  text += "]}";
  ASSERT_GT(text.size(), std::size_t{8} << 20);
  EXPECT_TRUE(*walk(text) == expected);
}

TEST(WalkJsonElements, GrowsForAnElementLargerThanItsWindow) {
  const std::string large = "\"" + std::string(std::size_t{9} << 20, 'x') + "\"";
  EXPECT_TRUE(*walk("{\"a\":[" + large + ",1]}") == "a[0]=" + large + ";a[1]=1;");
}

TEST(WalkJsonElements, NamesTheOffsetOfWhatIsWrong) {
  EXPECT_EQ(fault_of(""), "expected '{', and the file ends at 0");
  EXPECT_EQ(fault_of("[1]"), "expected '{' at 0");
  EXPECT_EQ(fault_of("{\"a\":[1"), "the file ends inside of a value at 7");
  EXPECT_EQ(fault_of("{\"a\":[1 2]}"), "expected ',' or the end of the list at 8");
  EXPECT_EQ(fault_of("{\"a\":[{\"b\":1]}"), "expected ',' or the end of the list at 13");
  EXPECT_EQ(fault_of("{1:2}"), "expected a key in quotes at 1");
  EXPECT_EQ(fault_of("{} x"), "text after the end of the root at 3");
  EXPECT_EQ(fault_of("{\"a\":[,]}"), "expected a value at 6");
  EXPECT_EQ(fault_of("{\"a\":\"x"), "the file ends inside of a value at 7");
}

TEST(WalkJsonElements, EveryPrefixOfAFileIsAnError) {
  const std::string text = R"({"a":[{"b":"c\\"},[1,2]],"d":{"e":[]},"f":1.5})";
  ASSERT_TRUE(walk(text));
  for (std::size_t size = 0; size < text.size(); ++size) {
    EXPECT_FALSE(walk(text.substr(0, size))) << size;
  }
}

constexpr const char* kCoco = R"({
  "info": {"year": 2017}, "licenses": [],
  "annotations": [
    {"id": 1, "image_id": 20, "category_id": 2, "bbox": [0, 0, 50, 50], "area": 7, "iscrowd": 0,
     "segmentation": [[1, 2, 3]]},
    {"id": 2, "image_id": 10, "category_id": 2, "bbox": [0, 0, 9, 50]},
    {"id": 3, "image_id": 10, "category_id": 3, "bbox": [0, 0, 50, 50]},
    {"id": 4, "image_id": 30, "category_id": 2, "bbox": [0, 0, 10, 10], "iscrowd": 1}],
  "images": [
    {"id": 30, "file_name": "c.jpg", "width": 100, "height": 100, "coco_url": "http://x/c.jpg"},
    {"id": 10, "file_name": "a.jpg", "width": 100, "height": 100},
    {"id": 20, "file_name": "b.jpg", "width": 100, "height": 100}],
  "categories": [{"id": 3, "name": "dog"}, {"id": 2, "name": "cat"}, {"id": 1, "name": "person"}]})";

Result<CocoSubset> pick(const std::string& text, std::vector<std::string> tags, double min_box,
                        std::size_t max_images = 0) {
  return read_coco_subset(write_text(text),
                          {.tags = tags, .min_box = min_box, .max_images = max_images});
}

TEST(ReadCocoSubset, PicksImagesByTagAndDropsSmallBoxes) {
  const auto subset = pick(kCoco, {"cat"}, 0.1);
  ASSERT_TRUE(subset) << subset.error().to_string();
  ASSERT_EQ(subset->images.size(), 2U);
  EXPECT_EQ(subset->images[0].file_name, "b.jpg");
  EXPECT_EQ(subset->images[1].url, "http://x/c.jpg");
  ASSERT_EQ(subset->annotations.size(), 2U);
  EXPECT_EQ(subset->annotations[0].area, 7);
  EXPECT_TRUE(subset->annotations[1].crowd);
  ASSERT_EQ(subset->categories.size(), 1U);
  EXPECT_EQ(subset->small_boxes, 1U);
  EXPECT_EQ(subset->empty_images, 1U) << "a.jpg's only cat is small";
}

TEST(ReadCocoSubset, OfAllTagsTakesAllImages) {
  const auto subset = pick(kCoco, {}, 0.0);
  ASSERT_TRUE(subset);
  EXPECT_EQ(subset->images.size(), 3U);
  EXPECT_EQ(subset->annotations.size(), 4U);
  EXPECT_EQ(subset->categories.front().name, "person") << "by id";
}

TEST(ReadCocoSubset, TakesTheFirstImagesById) {
  const auto subset = pick(kCoco, {"cat", "dog"}, 0.0, 2);
  ASSERT_TRUE(subset);
  ASSERT_EQ(subset->images.size(), 2U);
  EXPECT_EQ(subset->images[0].id, 10);
  EXPECT_EQ(subset->annotations.size(), 3U);
}

TEST(ReadCocoSubset, SaysWhatIsWrongAndWhere) {
  const auto message = [](const std::string& text, std::vector<std::string> tags) {
    const auto subset = pick(text, std::move(tags), 0.0);
    return subset ? std::string("none") : subset.error().message;
  };
  EXPECT_EQ(message(kCoco, {"bird"}), "no tag \"bird\"; there are person, cat, dog");
  EXPECT_EQ(message(R"({"images":[{"id":1}]})", {}), "images[0]: \"file_name\" is missing");
  EXPECT_EQ(message(R"({"images":[{"id":1,"file_name":"a.jpg","width":9}]})", {}),
            "images[0]: \"height\" is missing");
  EXPECT_EQ(message(R"({"images":[{"id":"a","file_name":"a.jpg","width":9,"height":9}]})", {}),
            "images[0].id: expected a whole number, found \"a\"");
  EXPECT_EQ(message(R"({"annotations":[{"id":1,"image_id":1,"category_id":1,"bbox":[1,2]}]})", {}),
            "annotations[0].bbox: expected 4 numbers, found 2");
  EXPECT_EQ(message(R"({"annotations":[{"id":1,"image_id":1,"category_id":1}]})", {}),
            "annotations[0]: \"bbox\" is missing");
  EXPECT_EQ(message(R"({"categories":[{"id":1}]})", {}), "categories[0]: \"name\" is missing");
  EXPECT_EQ(message(R"({"categories":[{"id":1,"name":"cat"}],
      "annotations":[{"id":1,"image_id":9,"category_id":1,"bbox":[0,0,1,1]}]})",
                    {}),
            "annotations[0].image_id: no image has id 9");
  EXPECT_EQ(message("{}", {}), "no \"categories\", as COCO has them");
  EXPECT_EQ(message(R"({"categories":[{"id":1,"name":"cat"}]})", {}),
            "no image has a box of these tags that is large enough");
}

}  // namespace
}  // namespace visionpress
