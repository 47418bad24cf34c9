#pragma once

// What is sent to the service of a data set, and in which batches.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "eval/dataset.h"
#include "visionpress/cloud.h"

namespace visionpress {

/// The service's limits. source: the quota page of its documentation.
struct UploadLimits {
  std::size_t batch_images = 64;
  std::size_t batch_tags = 20;
  std::size_t image_regions = 300;
  std::uint64_t image_bytes = 6'000'000;
  /// Of one request, before base64: ours, so that an upload needs bounded memory.
  std::uint64_t batch_bytes = 24'000'000;
};

/// Shares of the image, 0..1, top-left corner.
struct UploadRegion {
  int tag = 0;  ///< index into Dataset::tags
  double left = 0.0;
  double top = 0.0;
  double width = 0.0;
  double height = 0.0;
};

struct UploadImage {
  std::string name = {};
  std::string path = {};
  std::uint64_t bytes = 0;
  std::vector<int> tags = {};              ///< ascending; what is on it
  std::vector<UploadRegion> regions = {};  ///< detection only
};

enum class ProjectKind : std::uint8_t { Detection, Multiclass, Multilabel };

struct UploadPlan {
  std::vector<UploadImage> images = {};
  std::vector<CloudUploadFailure> failures = {};  ///< images that the service would not take
  std::size_t clamped = 0;
  std::size_t left_out = 0;
  std::size_t crowds = 0;
};

/// only: names of tags; empty: all. errors: Usage for a name that is no tag of the data set, and
/// for a folder of images that is to become a detection project.
[[nodiscard]] Result<UploadPlan> plan_upload(const Dataset& dataset,
                                             std::span<const std::string> only, ProjectKind kind,
                                             const UploadLimits& limits = {});

/// A box in pixels as shares. returns: whether anything was cut; a box without any area has width
/// 0.
bool make_region(const TruthBox& box, int width, int height, UploadRegion& region);

/// Indices into `images`, in order, as many together as the limits allow.
[[nodiscard]] std::vector<std::vector<std::size_t>> make_batches(
    std::span<const UploadImage> images, const UploadLimits& limits = {});

}  // namespace visionpress
