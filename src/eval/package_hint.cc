#include "eval/package_hint.h"

#include <algorithm>
#include <charconv>
#include <string>

#include <fmt/format.h>

namespace visionpress {
namespace {

std::string property(const ExportPackage& package, const char* key) {
  const auto found = package.properties.find(std::string("CustomVision.") + key);
  return found == package.properties.end() ? std::string() : found->second;
}

/// "2.1" as 21; 0 where there is none.
int read_version(const std::string& text) {
  int major = 0;
  int minor = 0;
  const char* end = text.data() + text.size();
  const auto [dot, code] = std::from_chars(text.data(), end, major);
  if (code == std::errc() && dot != end && *dot == '.') std::from_chars(dot + 1, end, minor);
  constexpr int kMinors = 10;
  return std::clamp(major, 0, kMinors) * kMinors + std::clamp(minor, 0, kMinors - 1);
}

int read_year(const std::string& date) {
  int year = 0;
  std::from_chars(date.data(), date.data() + std::min<std::size_t>(date.size(), 4), year);
  return year;
}

}  // namespace

PackageHint choose_hint(const ExportPackage& package, int width) {
  const ExportManifest& manifest = package.manifest;
  PackageHint hint;
  if (manifest.domain_type.empty()) return hint;
  const bool detector = manifest.domain_type == "ObjectDetection";
  // The [S1] domains; their inputs have sizes that no other domain has.
  constexpr int kS1Detector = 320;
  constexpr int kS1Classifier = 300;
  const std::string size = property(package, "Preprocess.TargetWidth");
  const bool s1 = detector
                      ? width == kS1Detector || property(package, "Postprocess.Method") == "SSD"
                      : width == kS1Classifier || size == std::to_string(kS1Classifier);
  hint.color = s1 ? ColorOrder::Rgb : ColorOrder::Bgr;
  hint.source = fmt::format(
      "Custom Vision {}{}, exporter {}", detector ? "detection" : "classification",
      s1 ? " [S1]" : "", manifest.exporter_version.empty() ? "unknown" : manifest.exporter_version);
  constexpr int kShorterSide = 22;  // the scripts of exporter 2.2
  constexpr int kOneCrop = 2022;    // the year from which Docker's scripts cut in one step
  if (detector || s1) {
    hint.rule = ResizeRule::Stretch;
  } else if (read_version(manifest.exporter_version) >= kShorterSide) {
    hint.rule = ResizeRule::ShorterSideCrop;
  } else if (manifest.platform == "DockerFile" && read_year(manifest.exported_date) >= kOneCrop) {
    hint.rule = ResizeRule::CenterCrop;
  } else {
    hint.rule = ResizeRule::CenterCrop256;
  }
  return hint;
}

}  // namespace visionpress
