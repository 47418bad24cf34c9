// COCO JSON: {"images": [{id, file_name, width, height}], "annotations": [{id, image_id,
// category_id, bbox [x, y, w, h], area, iscrowd}], "categories": [{id, name}]}, in any order; the
// rest is skipped. source: cocodataset.org, "Data format".

#include <algorithm>
#include <array>
#include <unordered_map>
#include <utility>

#include "eval/dataset_parts.h"
#include "eval/image.h"
#include "eval/image_frame.h"

namespace visionpress {
namespace {

using simdjson::ondemand::array;
using simdjson::ondemand::object;
using simdjson::ondemand::value;

/// An annotation as written; the categories may come after it in the file.
struct RawAnnotation {
  std::optional<JsonId> id = std::nullopt;
  std::optional<JsonId> image_id = std::nullopt;
  std::optional<JsonId> category_id = std::nullopt;
  std::optional<std::array<double, 4>> box = std::nullopt;
  std::optional<double> area = std::nullopt;
  bool crowd = false;
};

struct RawImage {
  std::optional<JsonId> id = std::nullopt;
  std::optional<std::string> file_name = std::nullopt;
  std::int64_t width = 0;
  std::int64_t height = 0;
};

struct RawCategory {
  std::optional<JsonId> id = std::nullopt;
  std::optional<std::string> name = std::nullopt;
};

struct RawCoco {
  std::vector<RawImage> images = {};
  std::vector<RawAnnotation> annotations = {};
  std::vector<RawCategory> categories = {};
};

/// Calls read(key, value, path) for each field of an object.
template <typename Read>
Result<void> read_fields(value source, const std::string& path, const Read& read) {
  object fields;
  if (const auto code = source.get_object().get(fields); code != simdjson::SUCCESS) {
    return fail_json(path, "an object", code);
  }
  for (auto field : fields) {
    std::string_view key;
    value item;
    if (const auto code = field.unescaped_key().get(key); code != simdjson::SUCCESS) {
      return fail_json(path, "a key", code);
    }
    if (const auto code = field.value().get(item); code != simdjson::SUCCESS) {
      return fail_json(path, "a value", code);
    }
    VP_RETURN_IF_ERROR(read(key, item));
  }
  return {};
}

/// Calls read(value, path) for each item of an array.
template <typename Read>
Result<void> read_items(value source, std::string_view path, const Read& read) {
  array items;
  if (const auto code = source.get_array().get(items); code != simdjson::SUCCESS) {
    return fail_json(path, "an array", code);
  }
  std::size_t index = 0;
  for (auto item_result : items) {
    const std::string item_path = fmt::format("{}[{}]", path, index++);
    value item;
    if (const auto code = item_result.get(item); code != simdjson::SUCCESS) {
      return fail_json(item_path, "a value", code);
    }
    VP_RETURN_IF_ERROR(read(item, item_path));
  }
  return {};
}

template <typename T>
Result<void> store(Result<T> from, std::optional<T>& to) {
  if (!from) return tl::unexpected<Error>(std::move(from).error());
  to = std::move(*from);
  return {};
}

/// Nothing for an empty list, which stands where a tool had no box.
Result<std::optional<std::array<double, 4>>> read_box(value source, const std::string& path) {
  std::array<double, 4> box = {};
  std::size_t count = 0;
  VP_RETURN_IF_ERROR(read_items(source, path, [&](value item, const std::string& item_path) {
    Result<double> number = read_number(item, item_path);
    if (!number) return Result<void>(tl::unexpected<Error>(std::move(number).error()));
    if (count < 4) box[count] = *number;
    ++count;
    return Result<void>();
  }));
  if (count == 0) return std::nullopt;
  if (count != 4) {
    return fail(ErrorKind::Malformed, "{}: expected 4 numbers, found {}", path, count);
  }
  return box;
}

/// 0 and 1 as COCO has it; true and false as some tools write it.
Result<bool> read_crowd(value source, const std::string& path) {
  bool flag = false;
  if (source.get_bool().get(flag) == simdjson::SUCCESS) return flag;
  VP_ASSIGN_OR_RETURN(const std::int64_t number, read_whole(source, path));
  return number != 0;
}

Result<void> read_annotation(value source, const std::string& path, RawCoco& coco) {
  RawAnnotation raw;
  VP_RETURN_IF_ERROR(
      read_fields(source, path, [&](std::string_view key, value item) -> Result<void> {
        if (is_null(item)) return {};
        if (key == "id") return store(read_id(item, path + ".id"), raw.id);
        if (key == "image_id") return store(read_id(item, path + ".image_id"), raw.image_id);
        if (key == "category_id")
          return store(read_id(item, path + ".category_id"), raw.category_id);
        if (key == "bbox") {
          VP_ASSIGN_OR_RETURN(raw.box, read_box(item, path + ".bbox"));
        }
        if (key == "area") return store(read_number(item, path + ".area"), raw.area);
        if (key == "iscrowd") {
          VP_ASSIGN_OR_RETURN(raw.crowd, read_crowd(item, path + ".iscrowd"));
        }
        return {};
      }));
  coco.annotations.push_back(raw);
  return {};
}

Result<void> read_image(value source, const std::string& path, RawCoco& coco) {
  RawImage raw;
  VP_RETURN_IF_ERROR(
      read_fields(source, path, [&](std::string_view key, value item) -> Result<void> {
        if (is_null(item)) return {};
        if (key == "id") return store(read_id(item, path + ".id"), raw.id);
        if (key == "file_name") return store(read_text(item, path + ".file_name"), raw.file_name);
        if (key == "width" || key == "height") {
          VP_ASSIGN_OR_RETURN(const std::int64_t side,
                              read_whole(item, fmt::format("{}.{}", path, key)));
          (key == "width" ? raw.width : raw.height) = side;
        }
        return {};
      }));
  if (!raw.id) return fail(ErrorKind::Malformed, "{}: \"id\" is missing", path);
  if (!raw.file_name) return fail(ErrorKind::Malformed, "{}: \"file_name\" is missing", path);
  constexpr std::int64_t kMaxSide = 1 << 20;
  if (raw.width < 0 || raw.height < 0 || raw.width > kMaxSide || raw.height > kMaxSide) {
    return fail(ErrorKind::Malformed, "{}: the image is {}x{} pixels", path, raw.width, raw.height);
  }
  coco.images.push_back(std::move(raw));
  return {};
}

Result<void> read_category(value source, const std::string& path, RawCoco& coco) {
  RawCategory raw;
  VP_RETURN_IF_ERROR(
      read_fields(source, path, [&](std::string_view key, value item) -> Result<void> {
        if (is_null(item)) return {};
        if (key == "id") return store(read_id(item, path + ".id"), raw.id);
        if (key == "name") return store(read_text(item, path + ".name"), raw.name);
        return {};
      }));
  if (!raw.id || !raw.name) {
    return fail(ErrorKind::Malformed, "{}: \"{}\" is missing", path, !raw.id ? "id" : "name");
  }
  coco.categories.push_back(std::move(raw));
  return {};
}

Result<RawCoco> read_raw(JsonFile& json) {
  RawCoco coco;
  value root;
  if (const auto code = json.document.get_value().get(root); code != simdjson::SUCCESS) {
    return fail_json("the root", "an object", code);
  }
  std::array<bool, 3> seen = {};
  VP_RETURN_IF_ERROR(
      read_fields(root, "the root", [&](std::string_view key, value item) -> Result<void> {
        const std::string name(key);  // the parser reuses the key's storage
        const auto each = [&](auto read) {
          return read_items(item, name, [&](value entry, const std::string& path) {
            return read(entry, path, coco);
          });
        };
        if (key == "images") seen[0] = true;
        if (key == "annotations") seen[1] = true;
        if (key == "categories") seen[2] = true;
        if (name == "images") return each(read_image);
        if (name == "annotations") return each(read_annotation);
        if (name == "categories") return each(read_category);
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
      items, [](const auto& item) { return item.id->is_text || !find_whole(item.id->text); });
  std::ranges::stable_sort(items, [&](const auto& a, const auto& b) {
    return texts ? a.id->text < b.id->text : *find_whole(a.id->text) < *find_whole(b.id->text);
  });
  return texts;
}

/// One reading of the file's raw content, with what is odd in it.
class CocoBuilder {
 public:
  CocoBuilder(RawCoco coco, const DatasetOptions& options)
      : coco_(std::move(coco)), options_(options) {
    dataset_.kind = DatasetKind::Coco;
  }

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
    return std::move(dataset_);
  }

 private:
  /// Tags in the order of their ids, which is pycocotools' order too.
  void add_tags() {
    const bool texts = sort_by_id(coco_.categories);
    for (std::size_t i = 0; i < coco_.categories.size(); ++i) {
      RawCategory& category = coco_.categories[i];
      const std::string& id = category.id->text;
      const auto [at, added] = tag_index_.emplace(id, dataset_.tags.size());
      if (!added) {
        if (dataset_.tags[at->second] != *category.name) {
          oddities_.add("categories with the id of another one, the last name taken",
                        fmt::format("id {}, \"{}\"", id, *category.name));
        }
        dataset_.tags[at->second] = std::move(*category.name);
        continue;
      }
      dataset_.category_ids.push_back(texts ? static_cast<std::int64_t>(dataset_.tags.size()) + 1
                                            : *find_whole(id));
      if (texts) dataset_.category_texts.push_back(id);
      dataset_.tags.push_back(std::move(*category.name));
    }
  }

  Result<void> add_images() {
    const bool texts = sort_by_id(coco_.images);
    for (RawImage& raw : coco_.images) {
      const auto [at, added] = image_index_.emplace(raw.id->text, dataset_.images.size());
      if (!added) {
        VP_RETURN_IF_ERROR(note_repeated_image(dataset_.images[at->second], raw));
        continue;
      }
      DatasetImage image;
      image.id =
          texts ? static_cast<std::int64_t>(dataset_.images.size()) + 1 : *find_whole(raw.id->text);
      if (texts) image.id_text = raw.id->text;
      image.file_name = std::move(*raw.file_name);
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
  Result<void> note_repeated_image(const DatasetImage& image, const RawImage& raw) {
    if (image.file_name != *raw.file_name && options_.image_need != ImageNeed::Optional) {
      return fail(ErrorKind::Malformed, "images: id {} is that of \"{}\" and of \"{}\"",
                  raw.id->text, image.file_name, *raw.file_name);
    }
    oddities_.add("images that are there twice, taken once", "id " + raw.id->text);
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
      const RawAnnotation& raw = coco_.annotations[i];
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

  void add_box(const RawAnnotation& raw, std::size_t index, const std::string& place) {
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

}  // namespace

Result<Dataset> read_coco(JsonFile& json, const DatasetOptions& options, Diagnostics& diagnostics) {
  VP_ASSIGN_OR_RETURN(RawCoco coco, read_raw(json));
  return CocoBuilder(std::move(coco), options).build(diagnostics);
}

}  // namespace visionpress
