#include "eval/label_json.h"

#include <string>

#include <gtest/gtest.h>

namespace visionpress {
namespace {

TEST(LabelJson, TheKeysOfTheFirstObjectAreListed) {
  using Keys = std::vector<std::string>;
  EXPECT_EQ(list_first_keys(R"( [{"a": 1, "b": {"c": 2}, "d": ["e", {"f": 3}]}, {"g": 4}])"),
            (Keys{"a", "b", "d"}));
  EXPECT_EQ(list_first_keys(R"({"a\"}": "b", "c" : "{)"), (Keys{"a\\\"}", "c"}));
  EXPECT_EQ(list_first_keys("[1, \"a\"]"), Keys{});
  EXPECT_EQ(list_first_keys("}}]\"\\"), Keys{});
}

}  // namespace
}  // namespace visionpress
