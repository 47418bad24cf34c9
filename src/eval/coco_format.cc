#include "eval/coco_format.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_text.h"

namespace visionpress {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

/// Whether a name from a file stays in its folder, so that it may become a path.
bool is_safe_name(const std::string& name) {
  const fs::path path(name);
  if (path.empty() || path.is_absolute() || !path.has_filename()) return false;
  return std::ranges::none_of(path, [](const fs::path& part) { return part == ".."; }) &&
         name.find('\0') == std::string::npos && name.find('\\') == std::string::npos;
}

}  // namespace

Result<void> check_file_names(const CocoSubset& subset) {
  for (const CocoImage& image : subset.images) {
    if (is_safe_name(image.file_name)) continue;
    return fail(ErrorKind::Malformed, "image {}: file_name \"{}\" leaves its folder", image.id,
                image.file_name);
  }
  return {};
}

std::vector<std::string> drop_faulty(std::span<const std::string> faults, CocoSubset& subset) {
  std::vector<std::string> dropped;
  std::set<std::int64_t> gone;
  for (std::size_t i = 0; i < faults.size(); ++i) {
    if (faults[i].empty()) continue;
    gone.insert(subset.images[i].id);
    dropped.push_back(fmt::format("{}: {}", subset.images[i].file_name, faults[i]));
  }
  std::erase_if(subset.images, [&](const CocoImage& image) { return gone.contains(image.id); });
  std::erase_if(subset.annotations,
                [&](const CocoAnnotation& a) { return gone.contains(a.image_id); });
  return dropped;
}

std::string format_coco(const CocoSubset& subset) {
  Json images = Json::array();
  for (const CocoImage& image : subset.images) {
    Json json = {{"id", image.id},
                 {"file_name", image.file_name},
                 {"width", image.width},
                 {"height", image.height}};
    if (!image.url.empty()) json["coco_url"] = image.url;
    images.push_back(std::move(json));
  }
  Json annotations = Json::array();
  for (const CocoAnnotation& a : subset.annotations) {
    annotations.push_back({{"id", a.id},
                           {"image_id", a.image_id},
                           {"category_id", a.category_id},
                           {"bbox", a.box},
                           {"area", a.area},
                           {"iscrowd", a.crowd ? 1 : 0}});
  }
  Json categories = Json::array();
  for (const CocoCategory& category : subset.categories) {
    categories.push_back({{"id", category.id}, {"name", category.name}});
  }
  const Json root = {{"images", images}, {"annotations", annotations}, {"categories", categories}};
  return to_json_line(root) + "\n";
}

}  // namespace visionpress
