#include "eval/json_path.h"

#include <gtest/gtest.h>

namespace visionpress {
namespace {

TEST(JsonPath, NamesFieldsAndPlaces) {
  const JsonPath root("annotations");
  const JsonPath item(root, 3);
  EXPECT_EQ(JsonPath(item, "bbox").text(), "annotations[3].bbox");
  EXPECT_EQ(JsonPath(JsonPath(""), 0).text(), "[0]");
  const std::string kept = item;
  EXPECT_EQ(kept, "annotations[3]");
}

}  // namespace
}  // namespace visionpress
