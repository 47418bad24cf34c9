#include "eval/dataset.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

#include "base/mapped_file.h"
#include "eval/dataset_parts.h"

namespace visionpress {
namespace {

namespace fs = std::filesystem;

enum class JsonKind : std::uint8_t { Coco, VottV1, VottV2, Other };

/// Which tool wrote it, by the first key of the root that tells.
Result<JsonKind> find_json_kind(JsonFile& json) {
  simdjson::ondemand::object root;
  if (const auto code = json.document.get_object().get(root); code != simdjson::SUCCESS) {
    return fail_json("the root", "an object, as in COCO and VoTT version 1", code);
  }
  JsonKind kind = JsonKind::Other;
  for (auto field : root) {
    std::string_view key;
    if (const auto code = field.unescaped_key().get(key); code != simdjson::SUCCESS) {
      return fail_json("the root", "a key", code);
    }
    if (key == "images" || key == "annotations" || key == "categories") kind = JsonKind::Coco;
    if (key == "frames") kind = JsonKind::VottV1;
    if (key == "assets") kind = JsonKind::VottV2;
    if (kind != JsonKind::Other) break;
  }
  json.document.rewind();
  return kind;
}

Result<Dataset> read_json(const DatasetOptions& options, Diagnostics& diagnostics) {
  JsonFile json;
  VP_RETURN_IF_ERROR(open_json(options.data, json));
  VP_ASSIGN_OR_RETURN(const JsonKind kind, find_json_kind(json));
  switch (kind) {
    case JsonKind::Coco:
      return read_coco(json, options, diagnostics);
    case JsonKind::VottV1:
      return read_vott(json, options, diagnostics);
    case JsonKind::VottV2:
      return fail(ErrorKind::Unsupported,
                  "a VoTT version 2 project; COCO and VoTT version 1 files are read");
    case JsonKind::Other:
      break;
  }
  return fail(ErrorKind::Malformed,
              "the root: found none of \"images\" (COCO) and \"frames\" (VoTT version 1)");
}

}  // namespace

void drop_small_boxes(Dataset& dataset, double min_box) {
  if (min_box <= 0.0) return;
  for (DatasetImage& image : dataset.images) {
    std::erase_if(image.truths, [&](const TruthBox& box) {
      return box.width < min_box * image.width || box.height < min_box * image.height;
    });
  }
}

void count_listings(Dataset& dataset) {
  for (DatasetImage& image : dataset.images) {
    std::set<int> tags;
    for (const TruthBox& box : image.truths) tags.insert(box.tag);
    image.listings = tags.size();
  }
}

std::size_t Dataset::box_count() const {
  std::size_t count = 0;
  for (const DatasetImage& image : images) count += image.truths.size();
  return count;
}

Result<Dataset> load_dataset(const DatasetOptions& options, Diagnostics& diagnostics) {
  std::error_code code;
  const bool folder = fs::is_directory(options.data, code);
  if (!folder && !fs::exists(options.data, code)) {
    return in_file(fail(ErrorKind::Io, "there is no such file or folder").value(), options.data);
  }
  Result<Dataset> dataset =
      folder ? read_folder(options, diagnostics) : read_json(options, diagnostics);
  if (!dataset) return in_file(std::move(dataset).error(), options.data);
  if (dataset->images.empty()) {
    return in_file(fail(ErrorKind::Malformed, "no images: there is nothing to score").value(),
                   options.data);
  }
  if (options.max_images != 0 && dataset->images.size() > options.max_images) {
    for (std::size_t i = options.max_images; i < dataset->images.size(); ++i) {
      dataset->left_out_ids.push_back(dataset->images[i].id);
    }
    dataset->images.resize(options.max_images);
  }
  dataset->source = options.data;
  if (dataset->kind == DatasetKind::Coco) count_listings(*dataset);
  drop_small_boxes(*dataset, options.min_box);
  return dataset;
}

Result<void> open_json(const std::string& path, JsonFile& json) {
  VP_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::open(path));
  const void* const data = file.bytes().data();
  std::string_view text(static_cast<const char*>(data), file.bytes().size());
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);  // as Windows tools begin UTF-8
  json.text = simdjson::padded_string(text);
  const auto code = json.parser.iterate(json.text).get(json.document);
  if (code != simdjson::SUCCESS) {
    return in_file(fail_json("the file", "JSON", code).value(), path);
  }
  return {};
}

tl::unexpected<Error> fail_json(std::string_view path, std::string_view expected,
                                simdjson::error_code code) {
  if (code == simdjson::INCORRECT_TYPE)
    return fail(ErrorKind::Malformed, "{}: expected {}", path, expected);
  return fail(ErrorKind::Malformed, "{}: expected {}: {}", path, expected,
              simdjson::error_message(code));
}

Result<double> read_number(simdjson::ondemand::value value, std::string_view path) {
  double number = 0.0;
  const auto code = value.get_double().get(number);
  if (code != simdjson::SUCCESS) return fail_json(path, "a number", code);
  if (!std::isfinite(number)) {
    return fail(ErrorKind::Malformed, "{}: expected a finite number, found {}", path, number);
  }
  return number;
}

Result<std::int64_t> read_whole(simdjson::ondemand::value value, std::string_view path) {
  std::int64_t number = 0;
  const auto code = value.get_int64().get(number);
  if (code != simdjson::SUCCESS) return fail_json(path, "a whole number", code);
  return number;
}

Result<std::string> read_text(simdjson::ondemand::value value, std::string_view path) {
  std::string_view text;
  const auto code = value.get_string().get(text);
  if (code != simdjson::SUCCESS) return fail_json(path, "a string", code);
  return std::string(text);
}

Result<std::string> find_image(const ImageFolders& folders, const std::string& file_name) {
  std::vector<fs::path> tried;
  if (!folders.images.empty()) {
    tried = {fs::path(folders.images)};
  } else {
    const fs::path beside = fs::path(folders.data).parent_path();
    tried = {beside, beside / "images"};
  }
  for (const fs::path& folder : tried) {
    std::error_code code;
    const fs::path path = folder / file_name;
    if (fs::is_regular_file(path, code)) return path.string();
  }
  if (folders.need == ImageNeed::Optional) return std::string();
  std::string places;
  for (const fs::path& folder : tried) {
    if (!places.empty()) places += ", ";
    places += folder.empty() ? "." : folder.string();
  }
  return fail(ErrorKind::Io, "image \"{}\" is not there; looked in {}", file_name, places);
}

Result<bool> clamp_box(TruthBox& box, int width, int height, std::string_view path) {
  if (box.width < 0.0 || box.height < 0.0) {
    return fail(ErrorKind::Malformed, "{}: the box is {} wide and {} high", path, box.width,
                box.height);
  }
  const double right = box.x + box.width;
  const double bottom = box.y + box.height;
  if (box.x > width || box.y > height || right < 0.0 || bottom < 0.0) {
    return fail(ErrorKind::Malformed,
                "{}: the box from ({}, {}) to ({}, {}) is outside of its {}x{} image", path, box.x,
                box.y, right, bottom, width, height);
  }
  if (box.x >= 0.0 && box.y >= 0.0 && right <= width && bottom <= height) return false;
  box.x = std::max(box.x, 0.0);
  box.y = std::max(box.y, 0.0);
  box.width = std::min(right, static_cast<double>(width)) - box.x;
  box.height = std::min(bottom, static_cast<double>(height)) - box.y;
  return true;
}

}  // namespace visionpress
