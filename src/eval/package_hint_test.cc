#include "eval/package_hint.h"

#include <gtest/gtest.h>

namespace visionpress {
namespace {

TEST(PackageHints, FollowTheDomainAndTheAgeAndNotTheMetadatasPixelFormat) {
  ExportPackage package;
  package.properties = {{"Image.BitmapPixelFormat", "Rgb8"},
                        {"Image.NominalPixelRange", "Normalized_0_1"}};
  EXPECT_EQ(choose_hint(package, 416).rule, std::nullopt);
  package.manifest = {.domain_type = "ObjectDetection", .exporter_version = "2.1"};
  EXPECT_EQ(choose_hint(package, 416).color, ColorOrder::Bgr);
  EXPECT_EQ(choose_hint(package, 320).color, ColorOrder::Rgb);
  EXPECT_EQ(choose_hint(package, 320).source, "Custom Vision detection [S1], exporter 2.1");
  package.manifest.domain_type = "Classification";
  EXPECT_EQ(choose_hint(package, 224).rule, ResizeRule::CenterCrop256);
  EXPECT_EQ(choose_hint(package, 224).color, ColorOrder::Bgr);
  EXPECT_EQ(choose_hint(package, 300).rule, ResizeRule::Stretch);
  package.manifest.platform = "DockerFile";
  package.manifest.exported_date = "2022-06-04T21:24:53.6909173Z";
  EXPECT_EQ(choose_hint(package, 224).rule, ResizeRule::CenterCrop);
  package.manifest.exporter_version = "2.2";
  EXPECT_EQ(choose_hint(package, 224).rule, ResizeRule::ShorterSideCrop);
}

}  // namespace
}  // namespace visionpress
