#include "eval/coco_format.h"

#include <gtest/gtest.h>

#include "base/temporary_folder_testonly.h"

namespace visionpress {
namespace {

CocoSubset make_subset() {
  CocoSubset subset;
  subset.images = {
      {.id = 1, .file_name = "a.jpg", .url = "http://x/a.jpg", .width = 4, .height = 3},
      {.id = 2, .file_name = "b.jpg", .width = 4, .height = 3}};
  subset.annotations = {{.id = 5, .image_id = 1, .category_id = 7, .box = {0, 1, 2, 1}, .area = 2},
                        {.id = 6, .image_id = 2, .category_id = 7, .box = {0, 0, 1, 1}, .area = 1}};
  subset.categories = {{.id = 7, .name = "cat"}};
  return subset;
}

TEST(CocoFormat, IsReadBackAsTheSameSubset) {
  TemporaryFolder folder;
  const std::string text = format_coco(make_subset());
  EXPECT_TRUE(text.ends_with("}\n"));
  const auto read = read_coco_subset(folder.write("a.json", text), {});
  ASSERT_TRUE(read) << read.error().to_string();
  EXPECT_EQ(format_coco(*read), text);
  EXPECT_EQ(read->images[0].url, "http://x/a.jpg");
  EXPECT_EQ(read->images[1].url, "");
}

TEST(CocoFormat, ImagesWithAFaultGoWithTheirAnnotations) {
  CocoSubset subset = make_subset();
  const std::vector<std::string> faults = {"status 404", ""};
  EXPECT_EQ(drop_faulty(faults, subset), std::vector<std::string>{"a.jpg: status 404"});
  ASSERT_EQ(subset.images.size(), 1U);
  EXPECT_EQ(subset.images[0].file_name, "b.jpg");
  ASSERT_EQ(subset.annotations.size(), 1U);
  EXPECT_EQ(subset.annotations[0].id, 6);
}

TEST(CocoFormat, FileNamesStayInTheirFolder) {
  CocoSubset subset = make_subset();
  subset.images[1].file_name = "val/b.jpg";
  EXPECT_TRUE(check_file_names(subset));
  for (const char* name : {"../b.jpg", "/b.jpg", "a/../../b.jpg", "", "a/", "..\\b.jpg"}) {
    subset.images[1].file_name = name;
    const auto checked = check_file_names(subset);
    ASSERT_FALSE(checked) << name;
    EXPECT_EQ(checked.error().message,
              "image 2: file_name \"" + std::string(name) + "\" leaves its folder");
  }
}

}  // namespace
}  // namespace visionpress
