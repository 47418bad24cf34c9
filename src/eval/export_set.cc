#include "eval/export_set.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <optional>
#include <set>
#include <span>
#include <utility>

#include "base/error.h"
#include "base/mapped_file.h"
#include "base/printable.h"
#include "eval/image.h"
#include "eval/image_frame.h"
#include "eval/label_files.h"

namespace visionpress {
namespace {

namespace fs = std::filesystem;

/// A name without folders that is UTF-8, as JSON needs it, and is not hidden.
std::string make_plain(const std::string& from) {
  std::string name = escape_unprintable(from);
  for (char& c : name) {
    if (c == '/' || c == '\\') c = '_';
  }
  if (name.empty() || name.starts_with('.')) name.insert(0, "_");
  return name;
}

/// Names by the last part, by the whole path where two images share it, and with a number where
/// that does not tell them apart either.
class NameGiver {
 public:
  explicit NameGiver(const Dataset& dataset) {
    for (const DatasetImage& image : dataset.images) ++bases_[stem_of(base_of(image))];
  }

  std::string give(const DatasetImage& image, Oddities& oddities) {
    const std::string base = base_of(image);
    std::string name = make_plain(base);
    if (bases_.at(stem_of(base)) > 1) name = make_plain(with_extension(image.file_name, image));
    const std::string extension = fs::path(name).extension();
    const std::string stem = stem_of(name);
    for (std::size_t number = 2; !taken_.insert(stem_of(name)).second; ++number) {
      name = fmt::format("{}_{}{}", stem, number, extension);
    }
    if (name != base) {
      oddities.add("images of equal or unusual names, renamed",
                   fmt::format("{} is {}", image.file_name, name));
    }
    return name;
  }

 private:
  /// The file's name may lack the extension, and have one by another name.
  static std::string with_extension(const std::string& name, const DatasetImage& image) {
    if (has_image_name(name) || image.path.empty()) return name;
    return name + fs::path(image.path).extension().string();
  }
  static std::string base_of(const DatasetImage& image) {
    return with_extension(base_name(image.file_name), image);
  }

  std::map<std::string, std::size_t> bases_ = {};
  std::set<std::string> taken_ = {};
};

/// A box of the frame in the picture's own pixels.
TruthBox place_box(const DatasetImage& image, const TruthBox& box, const ExportImage& into) {
  if (image.picture_width == 0 || image.width == 0 || image.height == 0) return box;
  TruthBox placed = turn_upright(image, box);
  const ImageSize frame = upright_size(image);
  if (frame.width == into.width && frame.height == into.height) return placed;
  const double across = static_cast<double>(into.width) / frame.width;
  const double down = static_cast<double>(into.height) / frame.height;
  placed.x *= across;
  placed.width *= across;
  placed.y *= down;
  placed.height *= down;
  placed.area *= across * down;
  return placed;
}

bool has_own_area(const TruthBox& box) {
  const double area = box.width * box.height;
  constexpr double kRounding = 1e-3;  // tools write areas with few decimals
  return std::abs(box.area - area) > kRounding * std::max(1.0, area);
}

template <typename Has>
void count_boxes(ExportSet& set, const char* field, const Has& has) {
  std::size_t count = 0;
  for (const ExportImage& image : set.images) {
    count += static_cast<std::size_t>(std::ranges::count_if(image.boxes, has));
  }
  if (count > 0) set.lost[field] += count;
}

}  // namespace

std::string split_folder(const ExportSet& set, const ExportImage& image) {
  if (!set.has_splits) return {};
  return make_plain(image.split.empty() ? "train" : image.split) + "/";
}

Result<ExportSet> make_export_set(const Dataset& dataset) {
  ExportSet set;
  set.has_boxes = dataset.has_boxes;
  set.has_ids = dataset.has_ids;
  set.tags = dataset.tags;
  set.category_ids = dataset.category_ids;
  for (const UnreadField& field : dataset.unread) set.lost[field.name] += field.count;
  NameGiver names(dataset);
  std::optional<Error> first_fault;
  for (const DatasetImage& image : dataset.images) {
    std::optional<ImageSize> head;
    if (!image.path.empty() && image.picture_width == 0) {
      // The frames are settled by the heads of pictures; of classes nobody has looked at them.
      auto size = load_image_size(image.path);
      if (!size) {
        set.oddities.add("images that cannot be read, left out", size.error().to_string());
        if (!first_fault) first_fault = std::move(size).error();
        continue;
      }
      head = *size;
    }
    ExportImage into;
    into.id = image.id;
    into.name = names.give(image, set.oddities);
    into.path = image.path;
    into.split = image.split;
    into.class_tag = image.class_tag;
    set.has_splits = set.has_splits || !image.split.empty();
    if (image.picture_width > 0) {
      into.width = image.picture_width;
      into.height = image.picture_height;
    } else if (!set.has_boxes && head) {
      into.width = head->width;
      into.height = head->height;
    } else {
      into.width = image.width;
      into.height = image.height;
    }
    for (const TruthBox& box : image.truths) into.boxes.push_back(place_box(image, box, into));
    set.images.push_back(std::move(into));
  }
  if (set.images.empty() && first_fault) return tl::unexpected<Error>(*std::move(first_fault));
  return set;
}

Result<void> ExportFolder::write(const std::string& name, std::string_view text) {
  const Bytes bytes = std::as_bytes(std::span(text));
  return output_.write(name, std::span(&bytes, 1));
}

Result<void> ExportFolder::add_picture(const ExportImage& image, const std::string& name) {
  if (pictures_ == Pictures::Copy && !image.path.empty()) {
    VP_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::open(image.path));
    const Bytes bytes = file.bytes();
    VP_RETURN_IF_ERROR(output_.write(name, std::span(&bytes, 1)));
  }
  written_();
  return {};
}

std::optional<Rectangle> cut_to_image(const ExportImage& image, const TruthBox& box,
                                      ExportSet& set) {
  Rectangle whole = rectangle_of(box);
  if (whole.width < 0.0 || whole.height < 0.0) {
    set.oddities.add("boxes of negative size, left out", image.name);
    ++set.left_out_boxes;
    return std::nullopt;
  }
  if (image.width == 0 || image.height == 0) return whole;
  constexpr double kRounding = 1e-6;  // pixels; of sums and of shares
  const double right = std::min(whole.x + whole.width, static_cast<double>(image.width));
  const double bottom = std::min(whole.y + whole.height, static_cast<double>(image.height));
  const Rectangle cut = {.x = std::max(whole.x, 0.0),
                         .y = std::max(whole.y, 0.0),
                         .width = right - std::max(whole.x, 0.0),
                         .height = bottom - std::max(whole.y, 0.0)};
  if (cut.width < 0.0 || cut.height < 0.0) {
    set.oddities.add("boxes outside of their image, left out", image.name);
    ++set.left_out_boxes;
    return std::nullopt;
  }
  const double gone = whole.width - cut.width + whole.height - cut.height;
  if (gone <= 0.0) return whole;
  if (gone > kRounding) set.oddities.add("boxes that reach beyond their image, cut", image.name);
  return cut;
}

Result<void> check_sizes(const ExportSet& set) {
  for (const ExportImage& image : set.images) {
    if (image.width > 0 && image.height > 0) continue;
    if (image.path.empty()) {
      return fail(ErrorKind::Io,
                  "image \"{}\" is not there and its size is not known, of which this form's "
                  "boxes are shares",
                  image.name);
    }
    VP_RETURN_IF_ERROR(load_image_size(image.path));  // says why it could not be read
  }
  return {};
}

void spread_classes(ExportSet& set) {
  if (set.has_boxes) return;
  set.has_boxes = true;
  std::int64_t id = 0;
  for (ExportImage& image : set.images) {
    set.oddities.add("tags of whole images, written as boxes of the whole image", image.name);
    TruthBox box;
    box.id = ++id;
    box.tag = image.class_tag;
    box.width = image.width;
    box.height = image.height;
    box.area = box.width * box.height;
    image.boxes = {box};
  }
}

void lose_ids(ExportSet& set) {
  if (!set.has_ids) return;
  set.lost["image id"] = set.images.size();
  set.lost["category id"] = set.tags.size();
  count_boxes(set, "annotation id", [](const TruthBox&) { return true; });
}

void lose_crowds(ExportSet& set) {
  count_boxes(set, "iscrowd", [](const TruthBox& box) { return box.crowd; });
}

void lose_areas(ExportSet& set) { count_boxes(set, "area", has_own_area); }

void lose_splits(ExportSet& set) {
  const auto count = std::ranges::count_if(
      set.images, [](const ExportImage& image) { return !image.split.empty(); });
  if (count > 0) set.lost["split"] = static_cast<std::size_t>(count);
}

void lose_tag_list(ExportSet& set) {
  std::set<int> used;
  for (const ExportImage& image : set.images) {
    if (!set.has_boxes) used.insert(image.class_tag);
    for (const TruthBox& box : image.boxes) used.insert(box.tag);
  }
  if (used.size() < set.tags.size()) {
    set.lost["tags without a box"] = set.tags.size() - used.size();
  }
  if (!std::ranges::is_sorted(set.tags)) set.lost["order of the tags"] = set.tags.size();
}

void lose_coco_fields(ExportSet& set) {
  lose_ids(set);
  lose_crowds(set);
  lose_areas(set);
}

std::string stem_of(const std::string& name) { return fs::path(name).stem(); }

}  // namespace visionpress
