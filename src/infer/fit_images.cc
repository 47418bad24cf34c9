#include "infer/fit_images.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <random>
#include <set>

#include "base/error.h"
#include "infer/calibration_pictures.h"
#include "package/hash_path.h"

namespace visionpress {
namespace {

namespace fs = std::filesystem;

/// For each image, whether its bytes are those of one of the files.
Result<std::vector<bool>> find_overlap(const Dataset& dataset,
                                       const std::vector<std::string>& files) {
  std::error_code ignored;
  std::multimap<std::uintmax_t, std::string> by_size;
  for (const std::string& file : files) by_size.emplace(fs::file_size(file, ignored), file);
  std::map<std::string, std::string> hashes;
  const auto hash = [&](const std::string& path) -> Result<std::string> {
    const auto found = hashes.find(path);
    if (found != hashes.end()) return found->second;
    VP_ASSIGN_OR_RETURN(const std::string value, hash_path(path));
    hashes[path] = value;
    return value;
  };
  std::vector<bool> overlaps(dataset.images.size(), false);
  for (std::size_t i = 0; i < overlaps.size(); ++i) {
    const std::string& path = dataset.images[i].path;
    const auto [begin, end] = by_size.equal_range(fs::file_size(path, ignored));
    for (auto same = begin; same != end && !overlaps[i]; ++same) {
      VP_ASSIGN_OR_RETURN(const std::string ours, hash(path));
      VP_ASSIGN_OR_RETURN(const std::string theirs, hash(same->second));
      overlaps[i] = ours == theirs;
    }
  }
  return overlaps;
}

}  // namespace

Result<FitImages> split_images(const Dataset& dataset, const FitOptions& options) {
  FitImages images;
  const CalibrationOptions& calibration = options.calibration;
  if (calibration.images.empty()) {
    for (const DatasetImage& image : dataset.images) images.calibration.push_back(image.path);
    const std::size_t third = std::max<std::size_t>(1, dataset.images.size() / 3);
    const std::size_t count = calibration.count == 0 ? third : std::min(calibration.count, third);
    choose_pictures(images.calibration, count, calibration.seed);
  } else {
    VP_ASSIGN_OR_RETURN(images.calibration, list_calibration_pictures(calibration));
  }
  VP_ASSIGN_OR_RETURN(const std::vector<bool> overlaps, find_overlap(dataset, images.calibration));
  images.overlap = static_cast<std::size_t>(std::ranges::count(overlaps, true));
  std::vector<std::size_t> judges;
  for (std::size_t i = 0; i < overlaps.size(); ++i) {
    if (!overlaps[i] || options.allow_overlap) judges.push_back(i);
  }
  if (overlaps.size() < 2) {
    return fail_in(options.evaluate.data, ErrorKind::Usage,
                   "it has {} image; expected at least 2: one half chooses, the other reports",
                   overlaps.size());
  }
  if (judges.size() < 2) {
    return fail_in(options.evaluate.data, ErrorKind::Usage,
                   "{} of its {} images do not calibrate, expected at least 2 to judge the files; "
                   "--allow-overlap lets the others judge, too",
                   judges.size(), overlaps.size());
  }
  std::mt19937_64 random(options.evaluate.seed);
  std::vector<std::size_t> mixed = judges;
  for (std::size_t i = 0; i + 1 < mixed.size(); ++i)
    std::swap(mixed[i], mixed[i + random() % (mixed.size() - i)]);
  const std::size_t half = (mixed.size() + 1) / 2;
  images.search.assign(mixed.begin(), mixed.begin() + static_cast<std::ptrdiff_t>(half));
  images.report.assign(mixed.begin() + static_cast<std::ptrdiff_t>(half), mixed.end());
  std::ranges::sort(images.search);
  std::ranges::sort(images.report);
  return images;
}

}  // namespace visionpress
