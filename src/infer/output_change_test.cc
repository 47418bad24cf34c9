#include "infer/output_change.h"

#include <limits>

#include <gtest/gtest.h>

namespace visionpress {
namespace {

void show(const OnPart& on_part, std::size_t image, std::size_t part, std::vector<float> values) {
  std::vector<OutputView> outputs(1);
  outputs[0].values = values;
  EXPECT_TRUE(on_part({.image = image, .part = part, .outputs = &outputs}));
}

TEST(OutputChangeTest, IsTheErrorsShareOfTheSquares) {
  OutputChange change(2);
  show(change.keep(), 0, 0, {3.0F, 4.0F});
  show(change.keep(), 0, 1, {1.0F, 1.0F});
  show(change.keep(), 1, 0, {5.0F, 0.0F});
  change.start();
  show(change.compare(), 0, 0, {3.0F, 4.5F});
  show(change.compare(), 0, 1, {1.0F, 1.0F});
  show(change.compare(), 1, 0, {5.5F, 0.0F});
  EXPECT_DOUBLE_EQ(change.result(), 0.5 / 52.0);
  change.start();
  show(change.compare(), 0, 0, {3.0F, 4.0F});
  EXPECT_EQ(change.result(), 0.0);
  change.start();
  show(change.compare(), 1, 0, {std::numeric_limits<float>::quiet_NaN(), 0.0F});
  EXPECT_EQ(change.result(), std::numeric_limits<double>::infinity());
}

TEST(OutputChangeTest, LooksAtABoundedNumberOfImages) {
  OutputChange change(450);
  const OnPart keep = change.keep();
  for (std::size_t i = 0; i < 450; ++i) show(keep, i, 0, {1.0F});
  change.start();
  const OnPart compare = change.compare();
  for (std::size_t i = 0; i < 450; ++i) show(compare, i, 0, {i % 3 == 0 ? 1.0F : 9.0F});
  EXPECT_EQ(change.result(), 0.0);  // every third one
}

}  // namespace
}  // namespace visionpress
