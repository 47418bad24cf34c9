#include "cloud/upload_plan.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <system_error>

#include "base/error.h"
#include "base/mapped_file.h"
#include "eval/image_frame.h"

namespace visionpress {
namespace {

/// By content, since a name can be wrong. source: the service's documentation: jpg, png, bmp, gif.
bool has_known_format(Bytes bytes) {
  const std::string_view text = view_text(bytes);
  return text.starts_with("\xFF\xD8\xFF") || text.starts_with("\x89PNG") ||
         text.starts_with("BM") || text.starts_with("GIF8");
}

/// Empty, or why the service would not take the file.
std::string find_fault(const UploadImage& image, ProjectKind kind, const UploadLimits& limits) {
  if (image.bytes > limits.image_bytes) {
    return fmt::format("{} bytes, and the service takes {}", image.bytes, limits.image_bytes);
  }
  if (image.regions.size() > limits.image_regions) {
    return fmt::format("{} boxes, and the service takes {}", image.regions.size(),
                       limits.image_regions);
  }
  if (image.tags.size() > limits.batch_tags) {
    return fmt::format("{} tags, and the service takes {} in a request", image.tags.size(),
                       limits.batch_tags);
  }
  if (kind == ProjectKind::Multiclass && image.tags.size() > 1) {
    return fmt::format("{} tags, and a Multiclass project takes one", image.tags.size());
  }
  const auto file = MappedFile::open(image.path);
  if (!file) return "cannot be read";
  if (!has_known_format(file->bytes())) return "neither JPEG, PNG, BMP nor GIF";
  return {};
}

Result<std::set<int>> choose_tags(const Dataset& dataset, std::span<const std::string> only) {
  std::set<int> chosen;
  for (std::size_t i = 0; i < dataset.tags.size(); ++i) {
    if (only.empty()) chosen.insert(static_cast<int>(i));
  }
  for (const std::string& name : only) {
    const auto at = std::ranges::find(dataset.tags, name);
    if (at == dataset.tags.end()) {
      std::string names;
      for (const std::string& tag : dataset.tags) names += (names.empty() ? "" : ", ") + tag;
      return fail(ErrorKind::Usage, "{}: no tag \"{}\"; there {} {}", dataset.source, name,
                  dataset.tags.size() == 1 ? "is" : "are", names.empty() ? "none" : names);
    }
    chosen.insert(static_cast<int>(at - dataset.tags.begin()));
  }
  return chosen;
}

void add_boxes(const DatasetImage& from, const std::set<int>& chosen, ProjectKind kind,
               UploadPlan& plan, UploadImage& image) {
  std::set<int> tags;
  for (const TruthBox& box : from.truths) {
    if (!chosen.contains(box.tag)) continue;
    if (box.crowd) {
      ++plan.crowds;
      continue;
    }
    UploadRegion region;
    const ImageSize size = upright_size(from);
    if (make_region(turn_upright(from, box), size.width, size.height, region)) ++plan.clamped;
    if (region.width <= 0.0 || region.height <= 0.0) continue;
    tags.insert(box.tag);
    if (kind == ProjectKind::Detection) image.regions.push_back(region);
  }
  image.tags.assign(tags.begin(), tags.end());
}

}  // namespace

bool make_region(const TruthBox& box, int width, int height, UploadRegion& region) {
  const auto cut = [](double value) { return std::clamp(value, 0.0, 1.0); };
  const double left = box.x / width;
  const double top = box.y / height;
  const double right = (box.x + box.width) / width;
  const double bottom = (box.y + box.height) / height;
  region.tag = box.tag;
  region.left = cut(left);
  region.top = cut(top);
  // Rounding must not carry left + width over 1, which the service refuses.
  region.width = std::min(cut(right) - region.left, 1.0 - region.left);
  region.height = std::min(cut(bottom) - region.top, 1.0 - region.top);
  return left < 0.0 || top < 0.0 || right > 1.0 || bottom > 1.0;
}

Result<UploadPlan> plan_upload(const Dataset& dataset, std::span<const std::string> only,
                               ProjectKind kind, const UploadLimits& limits) {
  if (kind == ProjectKind::Detection && !dataset.has_boxes) {
    return fail(ErrorKind::Usage,
                "{}: a detection project needs boxes: COCO or VoTT annotations, not a folder",
                dataset.source);
  }
  VP_ASSIGN_OR_RETURN(const std::set<int> chosen, choose_tags(dataset, only));
  UploadPlan plan;
  std::map<std::string, int> names;  // the service answers by name
  for (const DatasetImage& from : dataset.images) {
    UploadImage image;
    image.path = from.path;
    if (!dataset.has_boxes) {
      if (chosen.contains(from.class_tag)) image.tags = {from.class_tag};
    } else {
      add_boxes(from, chosen, kind, plan, image);
    }
    if (image.tags.empty()) {
      ++plan.left_out;
      continue;
    }
    const int seen = names[from.file_name]++;
    image.name = seen == 0 ? from.file_name : fmt::format("{}#{}", from.file_name, seen);
    std::error_code code;
    image.bytes = std::filesystem::file_size(from.path, code);
    const std::string fault = code ? code.message() : find_fault(image, kind, limits);
    if (fault.empty()) {
      plan.images.push_back(std::move(image));
    } else {
      plan.failures.push_back({from.file_name, fault});
    }
  }
  return plan;
}

std::vector<std::vector<std::size_t>> make_batches(std::span<const UploadImage> images,
                                                   const UploadLimits& limits) {
  std::vector<std::vector<std::size_t>> batches;
  std::set<int> tags;
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < images.size(); ++i) {
    std::set<int> with = tags;
    with.insert(images[i].tags.begin(), images[i].tags.end());
    const bool fits = !batches.empty() && batches.back().size() < limits.batch_images &&
                      with.size() <= limits.batch_tags &&
                      bytes + images[i].bytes <= limits.batch_bytes;
    if (!fits) {
      batches.emplace_back();
      with = {images[i].tags.begin(), images[i].tags.end()};
      bytes = 0;
    }
    batches.back().push_back(i);
    bytes += images[i].bytes;
    tags = std::move(with);
  }
  return batches;
}

}  // namespace visionpress
