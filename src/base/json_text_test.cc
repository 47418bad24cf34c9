#include "base/json_text.h"

#include <string>

#include <gtest/gtest.h>

namespace visionpress {
namespace {

TEST(JsonText, CountsBracketsOutsideOfStringsAlone) {
  EXPECT_FALSE(is_deep_json(std::string(128, '[') + std::string(128, ']')));
  EXPECT_TRUE(is_deep_json(std::string(129, '[')));
  EXPECT_FALSE(is_deep_json("{\"a\": \"" + std::string(1000, '{') + "\"}"));
  EXPECT_TRUE(is_deep_json("[\"\\\"\"," + std::string(128, '{')));
  EXPECT_FALSE(is_deep_json(std::string(1000, ']')));
}

}  // namespace
}  // namespace visionpress
