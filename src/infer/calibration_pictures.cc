#include "infer/calibration_pictures.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <optional>
#include <random>

#include "base/error.h"
#include "base/parallel.h"
#include "calibrate/calibrate.h"
#include "eval/dataset.h"
#include "eval/image.h"
#include "eval/picture_files.h"
#include "eval/resize_image.h"

namespace visionpress {
namespace {

namespace fs = std::filesystem;

/// Room for the activations of all pictures.
constexpr std::uint64_t kActivationBytes = std::uint64_t{2} << 30;
/// A classifier sees each picture whole and in parts: objects of other sizes, and more of them.
/// Four views raise the agreement on unseen pictures as much as four times the pictures would.
constexpr std::size_t kMostViews = 4;
constexpr std::size_t kInputs = 192;

/// The pictures of a folder and of the folders in it, or of a data set; or the one picture.
Result<std::vector<std::string>> list_pictures(const std::string& source) {
  std::error_code ignored;
  if (fs::is_directory(source, ignored)) return list_folder_tree(source);
  if (has_image_name(source)) return std::vector<std::string>{source};
  DatasetOptions options;
  options.data = source;
  options.splits = Splits::ForTraining;
  Diagnostics unused;
  VP_ASSIGN_OR_RETURN(const Dataset dataset, load_dataset(options, unused));
  std::vector<std::string> paths;
  for (const DatasetImage& image : dataset.images) paths.push_back(image.path);
  return paths;
}

/// Draws parts of pictures.
class PartChooser {
 public:
  explicit PartChooser(std::uint64_t seed) : random_(seed) {}

  /// A tenth of the picture to all of it, up to half as long again in one direction.
  ImageView choose(const ImageView& whole) {
    const double area = 0.1 + 0.9 * uniform();
    const double aspect = std::exp((uniform() - 0.5) * 0.8);
    const int width = length(std::sqrt(area * aspect), whole.width);
    const int height = length(std::sqrt(area / aspect), whole.height);
    const int x = static_cast<int>(uniform() * (whole.width - width + 1));
    const int y = static_cast<int>(uniform() * (whole.height - height + 1));
    return view_part(whole, x, y, width, height);
  }

 private:
  double uniform() { return static_cast<double>(random_() >> 11U) * 0x1p-53; }
  static int length(double share, int whole) {
    return std::clamp(static_cast<int>(share * whole), 1, whole);
  }

  std::mt19937_64 random_;
};

/// The picture as a mirror shows it.
Image mirror_image(const Image& image) {
  Image mirrored = image;
  for (int y = 0; y < image.height; ++y) {
    std::uint8_t* row = mirrored.row(y);
    std::uint8_t* left = row;
    std::uint8_t* right = row + std::ptrdiff_t{image.width - 1} * 3;
    for (; left < right; left += 3, right -= 3) std::swap_ranges(left, left + 3, right);
  }
  return mirrored;
}

struct Views {
  std::size_t pictures = 0;
  std::size_t each = 1;
};

/// How many pictures and how many views of each fit into memory.
Result<Views> count_views(const ModelRunner& runner, std::size_t pictures) {
  VP_ASSIGN_OR_RETURN(const std::uint64_t bytes,
                      count_activation_bytes(runner.model.graph(), runner.executor->input_shape()));
  const std::size_t most = std::max<std::size_t>(
      1, static_cast<std::size_t>(kActivationBytes / std::max<std::uint64_t>(bytes, 1)));
  Views views;
  views.pictures = std::min(pictures, most);
  if (runner.task == ModelTask::Classification) {
    views.each = std::clamp<std::size_t>(std::min(most, kInputs) / views.pictures, 1, kMostViews);
  }
  return views;
}

Result<CalibrationPictures> load_pictures(const ModelRunner& runner,
                                          const std::vector<std::string>& paths, std::size_t views,
                                          const CalibrationOptions& options, int threads) {
  CalibrationPictures pictures;
  pictures.shape = runner.executor->input_shape();
  pictures.inputs.resize(paths.size() * views);
  pictures.views = views;
  std::vector<std::optional<Error>> errors(paths.size());
  Preprocess part_rule = runner.preprocess;
  part_rule.rule = ResizeRule::Stretch;
  parallel_for(paths.size(), threads, [&](std::size_t i) {
    auto image = load_image(paths[i]);
    if (!image) {
      errors[i] = std::move(image).error();
      return;
    }
    PartChooser parts(options.seed * 1000003U + i);
    const ImageView whole = view_image(*image);
    const Image mirrored = views > 1 ? mirror_image(*image) : Image{};
    for (std::size_t v = 0; v < views; ++v) {
      std::vector<float>& input = pictures.inputs[i * views + v];
      input.resize(runner.preprocess.value_count());
      (void)apply_preprocess(
          v == 0 ? runner.preprocess : part_rule,
          v == 0 ? whole : parts.choose(v % 2 == 1 ? view_image(mirrored) : whole), input);
    }
  });
  for (std::size_t i = 0; i < paths.size(); ++i) {
    if (errors[i]) return in_file(*errors[i], paths[i]);
  }
  return pictures;
}

}  // namespace

Result<std::vector<std::string>> list_calibration_pictures(const CalibrationOptions& options) {
  VP_ASSIGN_OR_RETURN(std::vector<std::string> paths, list_pictures(options.images));
  if (paths.empty()) return fail_in(options.images, ErrorKind::Io, "no pictures in this data set");
  choose_pictures(paths, options.count, options.seed);
  return paths;
}

void choose_pictures(std::vector<std::string>& paths, std::size_t count, std::uint64_t seed) {
  if (count == 0 || count >= paths.size()) return;
  std::mt19937_64 random(seed);
  // By hand, because std::shuffle differs from library to library.
  for (std::size_t i = 0; i < count; ++i)
    std::swap(paths[i], paths[i + random() % (paths.size() - i)]);
  paths.resize(count);
  std::ranges::sort(paths);
}

Result<CalibrationSet> load_calibration(const ModelRunner& runner, std::vector<std::string> paths,
                                        const CalibrationOptions& options, int threads,
                                        std::vector<std::string>& warnings) {
  CalibrationSet set;
  set.paths = std::move(paths);
  VP_ASSIGN_OR_RETURN(const Views views, count_views(runner, set.paths.size()));
  if (views.pictures < set.paths.size()) {
    warnings.push_back(
        fmt::format("{} of {} pictures are used: the activations of more do not fit into 2 GB",
                    views.pictures, set.paths.size()));
    choose_pictures(set.paths, views.pictures, options.seed);
  }
  VP_ASSIGN_OR_RETURN(set.inputs, load_pictures(runner, set.paths, views.each, options, threads));
  return set;
}

}  // namespace visionpress
