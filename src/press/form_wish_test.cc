#include "press/form_wish.h"

#include <gtest/gtest.h>

namespace visionpress {
namespace {

TEST(FormWishTest, NamesAreReadBack) {
  for (const char* name :
       {"linear-8", "palette-4", "linear-8:0.003", "linear-4:1", "linear-8:1e-05"}) {
    const auto wish = choose_wish(name);
    ASSERT_TRUE(wish) << name;
    EXPECT_EQ(name_of(*wish), name);
  }
  EXPECT_EQ(choose_wish("linear-8:0.003")->noise, 0.003);
  EXPECT_EQ(choose_wish("linear-8")->noise, 0.0);
}

TEST(FormWishTest, OthersAreRefused) {
  for (const char* name : {"", "fp16", "linear-9", "linear-8:", "linear-8:0", "linear-8:-0.1",
                           "linear-8:1.5", "linear-8:nan", "linear-8:0.1x", ":0.1", "fp16:0.1"}) {
    const auto wish = choose_wish(name);
    ASSERT_FALSE(wish) << name;
    EXPECT_EQ(wish.error().kind, ErrorKind::Usage) << name;
  }
}

}  // namespace
}  // namespace visionpress
