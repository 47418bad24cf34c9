#include "infer/fit_images.h"

#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "base/temporary_folder_testonly.h"

namespace visionpress {
namespace {

/// A data set of pictures that differ in their bytes; nothing decodes them.
class SplitImages : public testing::Test {
 protected:
  SplitImages() {
    for (int i = 0; i < 20; ++i) {
      DatasetImage image;
      image.path = folder_.write("data-" + std::to_string(i) + ".jpg", "picture " + text(i));
      dataset_.images.push_back(image);
    }
  }
  static std::string text(int i) { return std::string(i < 10 ? "0" : "") + std::to_string(i); }
  /// Copies of some of the pictures in a folder of their own.
  std::string copy(const std::vector<int>& which) {
    for (const int i : which)
      (void)folder_.write("photos/copy-" + std::to_string(i) + ".jpg", "picture " + text(i));
    return folder_.path("photos");
  }

  TemporaryFolder folder_ = {};
  Dataset dataset_ = {};
  FitOptions options_ = {};
};

TEST_F(SplitImages, HalvesHaveNoImageInCommonAndFollowTheSeed) {
  options_.calibration.count = 5;
  const auto first = split_images(dataset_, options_);
  ASSERT_TRUE(first) << first.error().to_string();
  EXPECT_EQ(first->calibration.size(), 5U);
  EXPECT_EQ(first->overlap, 5U);
  EXPECT_EQ(first->search.size(), 8U);
  EXPECT_EQ(first->report.size(), 7U);
  std::set<std::string> seen(first->calibration.begin(), first->calibration.end());
  for (const auto& half : {first->search, first->report}) {
    for (const std::size_t i : half) EXPECT_TRUE(seen.insert(dataset_.images[i].path).second);
  }
  EXPECT_EQ(split_images(dataset_, options_)->search, first->search);
  options_.evaluate.seed = 2;
  EXPECT_NE(split_images(dataset_, options_)->search, first->search);
}

TEST_F(SplitImages, AtMostAThirdOfTheDataCalibrates) {
  const auto images = split_images(dataset_, options_);
  ASSERT_TRUE(images);
  EXPECT_EQ(images->calibration.size(), 6U);
}

TEST_F(SplitImages, CopiesOfCalibrationPicturesDoNotJudge) {
  options_.calibration.images = copy({3, 7, 11});
  const auto images = split_images(dataset_, options_);
  ASSERT_TRUE(images) << images.error().to_string();
  EXPECT_EQ(images->overlap, 3U);
  for (const std::size_t i : {3U, 7U, 11U}) {
    EXPECT_EQ(std::ranges::count(images->search, i) + std::ranges::count(images->report, i), 0);
  }
  options_.allow_overlap = true;
  const auto all = split_images(dataset_, options_);
  ASSERT_TRUE(all);
  EXPECT_EQ(all->search.size() + all->report.size(), 20U);
}

TEST_F(SplitImages, RefusesADataSetThatOnlyCalibrates) {
  options_.evaluate.data = "data.json";
  dataset_.images.resize(3);
  options_.calibration.images = copy({0, 1, 2});
  const auto images = split_images(dataset_, options_);
  ASSERT_FALSE(images);
  EXPECT_EQ(images.error().kind, ErrorKind::Usage);
}

}  // namespace
}  // namespace visionpress
