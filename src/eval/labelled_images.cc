#include "eval/labelled_images.h"

#include <algorithm>
#include <set>
#include <unordered_map>
#include <utility>

#include "base/ascii.h"
#include "eval/dataset_parts.h"
#include "eval/image.h"
#include "eval/image_frame.h"

namespace visionpress {
namespace {

class Maker {
 public:
  Maker(LabelledImages labelled, const DatasetOptions& options)
      : labelled_(std::move(labelled)), options_(options), finder_(options, labelled_.folders) {}

  Result<Dataset> make(Diagnostics& diagnostics) {
    dataset_.has_boxes = labelled_.has_boxes;
    sort_images();
    add_tags();
    pick_split(diagnostics);
    for (LabelledImage& image : labelled_.images) add_image(image);
    labelled_.images.clear();
    VP_RETURN_IF_ERROR(finder_.settle(dataset_, diagnostics));
    settle_frames(dataset_, labelled_.oddities);
    std::int64_t box_id = 0;
    for (DatasetImage& image : dataset_.images) {
      if (dataset_.has_boxes) VP_RETURN_IF_ERROR(check_size(image));
      for (TruthBox& box : image.truths) {
        if (labelled_.unit == BoxUnit::Shares) scale(image, box);
        box.area = box.width * box.height;
        box.id = ++box_id;
      }
    }
    note_odd_boxes(dataset_, labelled_.oddities);
    labelled_.oddities.report(options_.data, diagnostics);
    for (auto& [name, count] : labelled_.unread) dataset_.unread.push_back({name, count});
    return std::move(dataset_);
  }

 private:
  /// Images that are there twice are one.
  void sort_images() {
    std::ranges::stable_sort(labelled_.images, {}, &LabelledImage::file_name);
    std::vector<LabelledImage> images;
    images.reserve(labelled_.images.size());
    for (LabelledImage& image : labelled_.images) {
      if (images.empty() || images.back().file_name != image.file_name) {
        images.push_back(std::move(image));
        continue;
      }
      labelled_.oddities.add("images that are there twice, taken together", image.file_name);
      std::ranges::move(image.boxes, std::back_inserter(images.back().boxes));
    }
    labelled_.images = std::move(images);
  }

  void add_tag(const std::string& tag) {
    if (!tag_index_.emplace(tag, static_cast<int>(dataset_.tags.size())).second) return;
    dataset_.tags.push_back(tag);
    dataset_.category_ids.push_back(static_cast<std::int64_t>(dataset_.tags.size()));
  }

  /// The tags of all splits, so that their numbers do not depend on the one that is taken.
  void add_tags() {
    for (const std::string& tag : labelled_.tags) add_tag(tag);
    std::set<std::string> others;
    for (const LabelledImage& image : labelled_.images) {
      if (!labelled_.has_boxes) others.insert(image.class_tag);
      for (const LabelledBox& box : image.boxes) others.insert(box.tag);
    }
    for (const std::string& tag : others) add_tag(tag);
  }

  void pick_split(Diagnostics& diagnostics) {
    std::set<std::string> splits;
    for (const LabelledImage& image : labelled_.images) splits.insert(image.split);
    const std::string wanted = choose_split(splits, options_.splits);
    if (wanted.empty()) return;
    std::size_t left_out = 0;
    for (const LabelledImage& image : labelled_.images) {
      if (image.split == wanted) continue;
      dataset_.left_out_names.push_back(image.file_name);
      ++left_out;
    }
    dataset_.not_taken += left_out;
    std::erase_if(labelled_.images,
                  [&](const LabelledImage& image) { return image.split != wanted; });
    diagnostics.warn(fmt::format("{}: has splits: the {} images of \"{}\" are taken, {} are not",
                                 options_.data, labelled_.images.size(), wanted, left_out));
  }

  void add_image(LabelledImage& from) {
    DatasetImage image;
    image.id = ++images_seen_;
    image.file_name = std::move(from.file_name);
    // Of data sets without boxes, load_dataset takes images evenly spread.
    if (dataset_.has_boxes && options_.max_images != 0 &&
        dataset_.images.size() >= options_.max_images) {
      note_left_out(dataset_, image);
      ++dataset_.not_taken;
      return;
    }
    image.split = std::move(from.split);
    image.path = from.path.empty() ? finder_.find(image.file_name) : std::move(from.path);
    if (labelled_.unit == BoxUnit::Pixels) {
      image.width = from.width;
      image.height = from.height;
    }
    if (!dataset_.has_boxes) image.class_tag = tag_index_.at(from.class_tag);
    for (const LabelledBox& labelled : from.boxes) {
      TruthBox box;
      box.tag = tag_index_.at(labelled.tag);
      box.crowd = labelled.crowd;
      set_rectangle(box, labelled.box);
      image.truths.push_back(box);
    }
    dataset_.images.push_back(std::move(image));
  }

  [[nodiscard]] Result<void> check_size(const DatasetImage& image) const {
    if (image.width > 0 && image.height > 0) return {};
    if (image.path.empty()) {
      if (labelled_.unit == BoxUnit::Pixels || image.truths.empty()) return {};
      return fail(ErrorKind::Io,
                  "the boxes are shares of the picture's size, and image \"{}\" is not there "
                  "(--images DIR says where the images are)",
                  image.file_name);
    }
    if (options_.image_need == ImageNeed::Optional || options_.skip_bad) return {};
    VP_RETURN_IF_ERROR(load_image_head(image.path));  // says why it could not be read
    return {};
  }

  static void scale(const DatasetImage& image, TruthBox& box) {
    box.x *= image.width;
    box.y *= image.height;
    box.width *= image.width;
    box.height *= image.height;
  }

  LabelledImages labelled_;
  const DatasetOptions& options_;
  ImageFinder finder_;
  Dataset dataset_ = {};
  std::unordered_map<std::string, int> tag_index_ = {};
  std::int64_t images_seen_ = 0;
};

}  // namespace

std::string name_split(std::string_view name) {
  const std::string lower = ascii_lower(name);
  if (lower == "train" || lower == "training") return "train";
  if (lower == "val" || lower == "valid" || lower == "validation" || lower == "dev") return "val";
  if (lower == "test" || lower == "testing") return "test";
  return std::string(name);
}

bool is_split_name(std::string_view name) {
  const std::string split = name_split(name);
  return split == "train" || split == "val" || split == "test";
}

std::string choose_split(const std::set<std::string>& splits, Splits wanted) {
  if (splits.size() < 2 || wanted == Splits::All) return {};
  if (wanted == Splits::ForTraining) return splits.contains("train") ? "train" : "";
  for (const char* split : {"val", "test"}) {
    if (splits.contains(split)) return split;
  }
  return {};
}

Result<Dataset> make_dataset(LabelledImages labelled, const DatasetOptions& options,
                             Diagnostics& diagnostics) {
  return Maker(std::move(labelled), options).make(diagnostics);
}

}  // namespace visionpress
