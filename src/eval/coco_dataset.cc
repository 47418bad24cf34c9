// COCO JSON: an object with the lists "images", "annotations" and "categories", in any order; the
// rest is skipped. Their elements: coco_elements.h.

#include <algorithm>
#include <array>
#include <unordered_map>
#include <utility>

#include "eval/coco_elements.h"
#include "eval/dataset_table.h"
#include "eval/image.h"
#include "eval/image_frame.h"
#include "eval/json_fields.h"

namespace visionpress {
namespace {

using simdjson::ondemand::value;

/// The lists of the file as written; the categories may come after the annotations.
struct RawCoco {
  std::vector<CocoImageElement> images = {};
  std::vector<CocoAnnotationElement> annotations = {};
  std::vector<CocoCategoryElement> categories = {};
  SkippedFields skipped = {};
};

/// Appends what `read` makes of each element.
template <typename Element>
Result<void> read_list(value source, const std::string& name,
                       Result<Element> (*read)(value, const JsonPath&, SkippedFields*),
                       std::vector<Element>& list, SkippedFields& skipped) {
  return read_items(source, name, [&](value item, const JsonPath& path) -> Result<void> {
    VP_ASSIGN_OR_RETURN(Element element, read(item, path, &skipped));
    list.push_back(std::move(element));
    return {};
  });
}

Result<RawCoco> read_raw(JsonFile& json) {
  RawCoco coco;
  VP_ASSIGN_OR_RETURN(const value root, view_root(json));
  std::array<bool, 3> seen = {};
  VP_RETURN_IF_ERROR(
      read_fields(root, "the root", [&](const std::string& key, value item) -> Result<void> {
        if (key == "images") seen[0] = true;
        if (key == "annotations") seen[1] = true;
        if (key == "categories") seen[2] = true;
        if (key == "images")
          return read_list(item, key, read_coco_image, coco.images, coco.skipped);
        if (key == "annotations") {
          return read_list(item, key, read_coco_annotation, coco.annotations, coco.skipped);
        }
        if (key == "categories") {
          return read_list(item, key, read_coco_category, coco.categories, coco.skipped);
        }
        if (!is_null(item)) note_skipped(item, "", key, &coco.skipped);
        return {};
      }));
  constexpr std::array<const char*, 3> kNames = {"images", "annotations", "categories"};
  for (std::size_t i = 0; i < 3; ++i) {
    if (!seen[i]) return fail(ErrorKind::Malformed, "the root: \"{}\" is missing", kNames[i]);
  }
  return coco;
}

using IndexById = std::unordered_map<std::string, std::size_t>;

/// Numbers by value, texts by their bytes: pycocotools' order, by which equal scores are ranked.
/// returns: whether the ids are texts.
template <typename Items>
bool sort_by_id(Items& items) {
  const bool texts = std::ranges::any_of(
      items, [](const auto& item) { return item.id.is_text || !find_whole(item.id.text); });
  std::ranges::stable_sort(items, [&](const auto& a, const auto& b) {
    return texts ? a.id.text < b.id.text : *find_whole(a.id.text) < *find_whole(b.id.text);
  });
  return texts;
}

/// One reading of the file's raw content, with what is odd in it.
class CocoBuilder {
 public:
  CocoBuilder(RawCoco coco, const DatasetOptions& options)
      : coco_(std::move(coco)), options_(options) {}

  Result<Dataset> build(Diagnostics& diagnostics) {
    add_tags();
    VP_RETURN_IF_ERROR(add_images());
    note_repeated_ids();
    VP_RETURN_IF_ERROR(add_boxes());
    VP_RETURN_IF_ERROR(finder_.settle(dataset_, diagnostics));
    settle_frames(dataset_, oddities_);
    VP_RETURN_IF_ERROR(check_sizes());
    name_same_tags();
    note_odd_boxes(dataset_, oddities_);
    oddities_.report(options_.data, diagnostics);
    dataset_.has_ids = true;
    for (const auto& [name, count] : coco_.skipped) dataset_.unread.push_back({name, count});
    return std::move(dataset_);
  }

 private:
  /// Tags in the order of their ids, which is pycocotools' order too.
  void add_tags() {
    const bool texts = sort_by_id(coco_.categories);
    for (std::size_t i = 0; i < coco_.categories.size(); ++i) {
      CocoCategoryElement& category = coco_.categories[i];
      const std::string& id = category.id.text;
      const auto [at, added] = tag_index_.emplace(id, dataset_.tags.size());
      if (!added) {
        if (dataset_.tags[at->second] != category.name) {
          oddities_.add("categories with the id of another one, the last name taken",
                        fmt::format("id {}, \"{}\"", id, category.name));
        }
        dataset_.tags[at->second] = std::move(category.name);
        continue;
      }
      dataset_.category_ids.push_back(texts ? static_cast<std::int64_t>(dataset_.tags.size()) + 1
                                            : *find_whole(id));
      if (texts) dataset_.category_texts.push_back(id);
      dataset_.tags.push_back(std::move(category.name));
    }
  }

  Result<void> add_images() {
    const bool texts = sort_by_id(coco_.images);
    for (CocoImageElement& raw : coco_.images) {
      const auto [at, added] = image_index_.emplace(raw.id.text, dataset_.images.size());
      if (!added) {
        VP_RETURN_IF_ERROR(note_repeated_image(dataset_.images[at->second], raw));
        continue;
      }
      DatasetImage image;
      image.id =
          texts ? static_cast<std::int64_t>(dataset_.images.size()) + 1 : *find_whole(raw.id.text);
      if (texts) image.id_text = raw.id.text;
      image.file_name = std::move(raw.file_name);
      if (is_wanted(dataset_.images.size())) {
        image.width = static_cast<int>(raw.width);
        image.height = static_cast<int>(raw.height);
        image.path = finder_.find(image.file_name);
      }
      if (!is_wanted(dataset_.images.size())) ++dataset_.not_taken;
      dataset_.images.push_back(std::move(image));
    }
    return {};
  }

  /// Which picture its boxes are on cannot be known where the names differ.
  Result<void> note_repeated_image(const DatasetImage& image, const CocoImageElement& raw) {
    if (image.file_name != raw.file_name && options_.image_need != ImageNeed::Optional) {
      return fail(ErrorKind::Malformed, "images: id {} is that of \"{}\" and of \"{}\"",
                  raw.id.text, image.file_name, raw.file_name);
    }
    oddities_.add("images that are there twice, taken once", "id " + raw.id.text);
    return {};
  }

  [[nodiscard]] bool is_wanted(std::size_t index) const {
    return options_.max_images == 0 || index < options_.max_images;
  }

  /// Ids need not be unique to be scored; pycocotools looks annotations up by them.
  void note_repeated_ids() {
    IndexById seen;
    seen.reserve(coco_.annotations.size());
    for (std::size_t i = 0; i < coco_.annotations.size(); ++i) {
      const std::optional<JsonId>& id = coco_.annotations[i].id;
      if (!id) continue;
      if (!seen.emplace(id->text, i).second) {
        ++dataset_.repeated_ids;
        oddities_.add(
            "annotations with the id of another one, all scored (pycocotools takes the last "
            "of them for each, and so gives another figure)",
            fmt::format("annotations[{}], id {}", i, id->text));
      } else if (id->text == "0") {
        ++dataset_.repeated_ids;
        oddities_.add(
            "annotations with id 0, scored as any other (pycocotools counts the box that finds "
            "it as wrong)",
            fmt::format("annotations[{}]", i));
      }
    }
  }

  Result<void> add_boxes() {
    std::size_t boxes = 0;
    for (std::size_t i = 0; i < coco_.annotations.size(); ++i) {
      const CocoAnnotationElement& raw = coco_.annotations[i];
      const std::string place = fmt::format("annotations[{}]", i);
      if (raw.box) ++boxes;
      if (!raw.image_id || !raw.category_id || !raw.box) {
        const char* const missing = !raw.image_id      ? "\"image_id\""
                                    : !raw.category_id ? "\"category_id\""
                                                       : "\"bbox\"";
        oddities_.add(fmt::format("annotations without {}, left out", missing), place);
        continue;
      }
      add_box(raw, i, place);
    }
    if (boxes == 0 && !coco_.annotations.empty()) {
      return fail(ErrorKind::Malformed, "annotations: none of {} has a \"bbox\"",
                  coco_.annotations.size());
    }
    return {};
  }

  void add_box(const CocoAnnotationElement& raw, std::size_t index, const std::string& place) {
    const auto image_at = find_image(*raw.image_id);
    if (!image_at) {
      oddities_.add("annotations of images that are not listed, left out",
                    fmt::format("{}, image_id {}", place, raw.image_id->text));
      return;
    }
    const auto tag_at = tag_index_.find(raw.category_id->text);
    if (tag_at == tag_index_.end()) {
      oddities_.add("annotations of categories that are not listed, left out",
                    fmt::format("{}, category_id {}", place, raw.category_id->text));
      return;
    }
    if (!is_wanted(*image_at)) return;
    const auto& [x, y, width, height] = *raw.box;
    TruthBox box;
    const std::optional<std::int64_t> id = raw.id ? find_whole(raw.id->text) : std::nullopt;
    box.id = id.value_or(static_cast<std::int64_t>(index) + 1);
    box.tag = static_cast<int>(tag_at->second);
    box.x = x;
    box.y = y;
    box.width = width;
    box.height = height;
    box.crowd = raw.crowd;
    box.area = raw.area.value_or(width * height);
    dataset_.images[*image_at].truths.push_back(box);
  }

  /// By id, else by file name or its stem.
  [[nodiscard]] std::optional<std::size_t> find_image(const JsonId& id) {
    const auto at = image_index_.find(id.text);
    if (at != image_index_.end()) return at->second;
    if (!id.is_text) return std::nullopt;
    if (name_index_.empty()) name_index_ = index_names(dataset_);
    const auto named = name_index_.find(id.text);
    if (named == name_index_.end()) return std::nullopt;
    return named->second;
  }

  /// A network's boxes are placed by the frame, which nobody knows for such an image.
  [[nodiscard]] Result<void> check_sizes() const {
    if (options_.image_need == ImageNeed::Optional || options_.skip_bad) return {};
    for (std::size_t i = 0; i < dataset_.images.size() && is_wanted(i); ++i) {
      const DatasetImage& image = dataset_.images[i];
      if (image.width > 0 && image.height > 0) continue;
      VP_RETURN_IF_ERROR(load_image_head(image.path));  // says why it could not be read
    }
    return {};
  }

  /// Tags of one name: the one with most boxes keeps it, since a model's label counts for it.
  void name_same_tags() {
    std::vector<std::size_t> boxes(dataset_.tags.size());
    for (const DatasetImage& image : dataset_.images) {
      for (const TruthBox& box : image.truths) ++boxes[static_cast<std::size_t>(box.tag)];
    }
    std::unordered_map<std::string, std::size_t> keepers;
    for (std::size_t t = 0; t < dataset_.tags.size(); ++t) {
      const auto [at, added] = keepers.emplace(dataset_.tags[t], t);
      if (!added && boxes[t] > boxes[at->second]) at->second = t;
    }
    for (std::size_t t = 0; t < dataset_.tags.size(); ++t) {
      if (keepers.at(dataset_.tags[t]) == t) continue;
      std::string& name = dataset_.tags[t];
      name = fmt::format("{} ({})", name, category_id_of(dataset_, t));
      keepers.emplace(name, t);
      oddities_.add(
          "categories with the name of another one, shown with their id (a model's label counts "
          "for the one with most boxes)",
          fmt::format("\"{}\"", name));
    }
  }

  RawCoco coco_;
  const DatasetOptions& options_;
  ImageFinder finder_{options_};
  Dataset dataset_ = {};
  Oddities oddities_ = {};
  IndexById tag_index_ = {};
  IndexById image_index_ = {};
  IndexById name_index_ = {};
};

Result<Dataset> read_coco(JsonFile& json, const DatasetOptions& options, Diagnostics& diagnostics) {
  VP_ASSIGN_OR_RETURN(RawCoco coco, read_raw(json));
  VP_ASSIGN_OR_RETURN(Dataset dataset, CocoBuilder(std::move(coco), options).build(diagnostics));
  count_listings(dataset);
  return dataset;
}

}  // namespace

const DatasetForm coco_form = {
    .name = "coco", .keys = {"images", "annotations", "categories"}, .read_json = read_coco};

}  // namespace visionpress
