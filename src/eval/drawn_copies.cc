#include "eval/drawn_copies.h"

#include <filesystem>
#include <set>

#include "base/error.h"

namespace visionpress {
namespace {

namespace fs = std::filesystem;

std::string stem_of(const std::string& image) { return fs::path(image).stem().string(); }

}  // namespace

std::string name_copy(const std::string& image, const std::string& folder) {
  return fs::path(folder) / (stem_of(image) + ".png");
}

Result<void> check_copies_differ(const std::vector<std::string>& images) {
  std::set<std::string> stems;
  for (const std::string& image : images) {
    if (stems.insert(stem_of(image)).second) continue;
    return fail(ErrorKind::Usage, "two images are named {}: their copies would be one file",
                stem_of(image));
  }
  return {};
}

Result<void> check_copies_are_new(const std::vector<std::string>& images,
                                  const std::string& folder) {
  std::size_t count = 0;
  std::string first;
  for (const std::string& image : images) {
    const std::string copy = name_copy(image, folder);
    std::error_code ignored;
    if (!fs::exists(fs::symlink_status(copy, ignored))) continue;
    if (count++ == 0) first = copy;
  }
  if (count == 0) return {};
  const std::string others =
      count == 1 ? "" : fmt::format(" (as do {} of {} copies)", count, images.size());
  return fail_in(first, ErrorKind::Output, "exists already{}; --force overwrites it", others);
}

}  // namespace visionpress
