#include "eval/dataset.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

#include "base/mapped_file.h"
#include "eval/dataset_parts.h"
#include "eval/dataset_table.h"
#include "eval/image.h"
#include "eval/label_files.h"

namespace visionpress {
namespace {

namespace fs = std::filesystem;

/// Bytes that tell what a foreign file is. A choice: the longest head is a JSON file's, whose first
/// keys may stand behind a description.
constexpr std::size_t kHead = 65536;

tl::unexpected<Error> fail_other_json(const JsonFile& json) {
  const std::string_view text(json.text.data(), std::min(json.text.size(), kHead));
  const std::string kind = name_foreign_json(text);
  if (!kind.empty()) return fail(ErrorKind::Malformed, "these are {}; {}", kind, kDataForms);
  return fail(ErrorKind::Malformed, "the root: found no key of COCO or VoTT; {}", kDataForms);
}

/// The form of which a key is given; null for any other key.
const DatasetForm* find_form(std::string_view key) {
  for (const DatasetForm* form : kDatasetForms) {
    if (!key.empty() && std::ranges::find(form->keys, key) != form->keys.end()) return form;
  }
  return nullptr;
}

/// Which tool wrote it, by the first key of the root that tells. errors: Malformed where none does.
Result<const DatasetForm*> identify_form(JsonFile& json) {
  simdjson::ondemand::object root;
  if (const auto code = json.document.get_object().get(root); code != simdjson::SUCCESS) {
    if (code == simdjson::INCORRECT_TYPE) return fail_other_json(json);
    return fail_json("the root", "an object, as in COCO and VoTT", code);
  }
  for (auto field : root) {
    std::string_view key;
    if (const auto code = field.unescaped_key().get(key); code != simdjson::SUCCESS) {
      return fail_json("the root", "a key", code);
    }
    const DatasetForm* form = find_form(key);
    if (form == nullptr) continue;
    json.document.rewind();
    return form;
  }
  return fail_other_json(json);
}

Result<Dataset> read_json(const DatasetOptions& options, Diagnostics& diagnostics) {
  JsonFile json;
  VP_RETURN_IF_ERROR(open_json(options.data, json));
  VP_ASSIGN_OR_RETURN(const DatasetForm* form, identify_form(json));
  return form->read_json(json, options, diagnostics);
}

/// The form other than JSON with keys that a file has; null: none.
Result<const DatasetForm*> find_file_form(const std::string& path) {
  VP_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::open(path));
  FileHead head;
  head.extension = extension_of(path);
  head.text = view_text(file.bytes()).substr(0, kHead);
  if (head.text.starts_with("\xEF\xBB\xBF")) head.text.remove_prefix(3);
  head.text.remove_prefix(std::min(head.text.find_first_not_of(" \t\r\n"), head.text.size()));
  for (const DatasetForm* form : kDatasetForms) {
    if (form->is_file != nullptr && form->is_file(head)) return form;
  }
  return nullptr;
}

Result<Dataset> read_form(const DatasetOptions& options, bool folder, Diagnostics& diagnostics) {
  const DatasetForm* form = nullptr;
  if (folder) {
    if (options.unlabelled) return read_tree(options);
    form = find_folder_form(options.data);
    if (form == nullptr) return read_folder(options, diagnostics);
  } else {
    VP_ASSIGN_OR_RETURN(form, find_file_form(options.data));
  }
  VP_ASSIGN_OR_RETURN(Dataset dataset, form == nullptr ? read_json(options, diagnostics)
                                                       : form->read(options, diagnostics));
  if (options.unlabelled) drop_labels(dataset);
  return dataset;
}

}  // namespace

const DatasetForm* find_folder_form(const std::string& folder) {
  for (const DatasetForm* form : kDatasetForms) {
    if (form->is_folder != nullptr && form->is_folder(folder)) return form;
  }
  return nullptr;
}

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

std::string id_of(const DatasetImage& image) {
  return image.id_text.empty() ? std::to_string(image.id) : image.id_text;
}

std::string category_id_of(const Dataset& dataset, std::size_t tag) {
  if (tag < dataset.category_texts.size()) return dataset.category_texts[tag];
  return std::to_string(dataset.category_ids[tag]);
}

void note_left_out(Dataset& dataset, const DatasetImage& image) {
  dataset.left_out_ids.push_back(id_of(image));
  dataset.left_out_names.push_back(image.file_name);
}

void thin_out(Dataset& dataset, std::size_t count) {
  const std::size_t all = dataset.images.size();
  if (count == 0 || count >= all) return;
  std::vector<DatasetImage> kept;
  kept.reserve(count);
  for (std::size_t i = 0; i < all; ++i) {
    const bool is_next = kept.size() < count && i == kept.size() * all / count;
    if (is_next) {
      kept.push_back(std::move(dataset.images[i]));
    } else {
      note_left_out(dataset, dataset.images[i]);
    }
  }
  dataset.images = std::move(kept);
  dataset.not_taken += all - count;
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
    return fail_in(options.data, ErrorKind::Io, "there is no such file or folder");
  }
  Result<Dataset> dataset = read_form(options, folder, diagnostics);
  if (!dataset) return in_file(std::move(dataset).error(), options.data);
  if (dataset->images.empty()) {
    return fail_in(options.data, ErrorKind::Malformed, "no images: there is nothing to score");
  }
  // The first ones of a folder are of one tag.
  if (folder && !dataset->has_boxes) thin_out(*dataset, options.max_images);
  if (options.max_images != 0 && dataset->images.size() > options.max_images) {
    for (std::size_t i = options.max_images; i < dataset->images.size(); ++i) {
      note_left_out(*dataset, dataset->images[i]);
    }
    dataset->images.resize(options.max_images);
  }
  dataset->source = options.data;
  drop_small_boxes(*dataset, options.min_box);
  return dataset;
}

Result<void> open_json(const std::string& path, JsonFile& json) {
  VP_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::open(path));
  const void* const data = file.bytes().data();
  std::string_view text(static_cast<const char*>(data), file.bytes().size());
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);  // as Windows tools begin UTF-8
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) {
    return fail_in(path, ErrorKind::Malformed, "the file is empty, expected JSON");
  }
  if (text[first] != '{' && text[first] != '[') {
    return in_file(fail_foreign(path, text.substr(0, kHead)).value(), path);
  }
  json.text = simdjson::padded_string(text);
  const auto code = json.parser.iterate(json.text).get(json.document);
  if (code != simdjson::SUCCESS) {
    return in_file(fail_json("the file", "JSON", code).value(), path);
  }
  return {};
}

Result<simdjson::ondemand::value> view_root(JsonFile& json) {
  simdjson::ondemand::value root;
  if (const auto code = json.document.get_value().get(root); code != simdjson::SUCCESS) {
    return fail_json("the root", "an object", code);
  }
  return root;
}

tl::unexpected<Error> fail_json(const JsonPath& path, std::string_view expected,
                                simdjson::error_code code) {
  if (code == simdjson::INCORRECT_TYPE)
    return fail(ErrorKind::Malformed, "{}: expected {}", path.text(), expected);
  return fail(ErrorKind::Malformed, "{}: expected {}: {}", path.text(), expected,
              simdjson::error_message(code));
}

Result<double> read_number(simdjson::ondemand::value value, const JsonPath& path) {
  double number = 0.0;
  std::string_view text;
  auto code = value.get_double().get(number);
  if (code == simdjson::INCORRECT_TYPE && value.get_string().get(text) == simdjson::SUCCESS) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc() && end == text.data() + text.size()) code = simdjson::SUCCESS;
  }
  if (code != simdjson::SUCCESS) return fail_json(path, "a number", code);
  if (!std::isfinite(number)) {
    return fail(ErrorKind::Malformed, "{}: expected a finite number, found {}", path.text(),
                number);
  }
  return number;
}

Result<std::int64_t> read_whole(simdjson::ondemand::value value, const JsonPath& path) {
  std::int64_t number = 0;
  if (value.get_int64().get(number) == simdjson::SUCCESS) return number;
  VP_ASSIGN_OR_RETURN(const double other, read_number(value, path));
  constexpr double kExact = 9007199254740992.0;  // 2^53: beyond it doubles skip whole numbers
  if (other != std::floor(other) || std::abs(other) > kExact) {
    return fail(ErrorKind::Malformed, "{}: expected a whole number, found {}", path.text(), other);
  }
  return static_cast<std::int64_t>(other);
}

std::optional<std::int64_t> find_whole(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

bool is_null(simdjson::ondemand::value value) {
  bool null = false;
  return value.is_null().get(null) == simdjson::SUCCESS && null;
}

Result<JsonId> read_id(simdjson::ondemand::value value, const JsonPath& path) {
  std::string_view text;
  if (value.get_string().get(text) == simdjson::SUCCESS) return JsonId{std::string(text), true};
  std::uint64_t large = 0;  // a hash of 64 bits
  if (value.get_uint64().get(large) == simdjson::SUCCESS) {
    return JsonId{std::to_string(large), false};
  }
  auto number = read_whole(value, path);
  if (!number)
    return fail(ErrorKind::Malformed, "{}: expected a whole number or a text", path.text());
  return JsonId{std::to_string(*number), false};
}

Result<std::string> read_text(simdjson::ondemand::value value, const JsonPath& path) {
  std::string_view text;
  const auto code = value.get_string().get(text);
  if (code != simdjson::SUCCESS) return fail_json(path, "a string", code);
  return std::string(text);
}

ImageFinder::ImageFinder(const DatasetOptions& options, std::vector<std::string> folders)
    : data_(options.data), folders_(std::move(folders)), need_(options.image_need) {
  if (!options.images.empty()) folders_ = {options.images};
  if (!folders_.empty()) return;
  const fs::path beside = fs::path(options.data).parent_path();
  folders_ = {beside.string(), (beside / "images").string()};
}

std::string ImageFinder::find(const std::string& file_name) {
  ++asked_;
  // As written; with another system's separators; without the folders of another machine.
  std::vector<std::string> names = {file_name};
  if (file_name.find('\\') != std::string::npos) {
    names.push_back(file_name);
    std::ranges::replace(names.back(), '\\', '/');
  }
  const std::string base = names.back().substr(names.back().find_last_of('/') + 1);
  if (base != names.back()) names.push_back(base);
  if (!base.empty() && fs::path(base).extension().empty()) {
    for (const std::string_view extension : kImageExtensions) {
      names.push_back(base + std::string(extension));
    }
    names.push_back(base + ".JPG");  // as cameras write it
  }
  for (const std::string& name : names) {
    for (const std::string& folder : folders_) {
      std::error_code code;
      const fs::path path = fs::path(folder) / name;
      if (!name.empty() && fs::is_regular_file(path, code)) return path.string();
    }
  }
  if (missing_++ == 0) first_missing_ = file_name;
  return {};
}

Result<void> ImageFinder::settle(Dataset& dataset, Diagnostics& diagnostics) const {
  if (missing_ == 0 || need_ == ImageNeed::Optional) return {};
  std::string places;
  for (const std::string& folder : folders_) {
    if (!places.empty()) places += ", ";
    places += folder.empty() ? "." : folder;
  }
  const std::string what =
      asked_ == 1 ? fmt::format("image \"{}\" is not there", first_missing_)
                  : fmt::format("{} of {} images {} not there, the first is \"{}\"", missing_,
                                asked_, missing_ == 1 ? "is" : "are", first_missing_);
  if (need_ == ImageNeed::SkipMissing && missing_ < asked_) {
    diagnostics.warn(fmt::format("{}: {}; left out (looked in {})", data_, what, places));
    for (const DatasetImage& image : dataset.images) {
      if (image.path.empty()) note_left_out(dataset, image);
    }
    std::erase_if(dataset.images, [](const DatasetImage& image) { return image.path.empty(); });
    return {};
  }
  const char* const hint =
      missing_ == asked_ ? "--images DIR says where they are" : "--skip-missing scores the others";
  return fail(ErrorKind::Io, "{}; looked in {} ({})", what, places, hint);
}

std::vector<std::string> list_names(const std::string& file_name) {
  std::string name = file_name;
  std::ranges::replace(name, '\\', '/');
  const fs::path path(name);
  return {file_name, path.filename().string(), path.stem().string(),
          (path.parent_path() / path.stem()).string()};
}

std::unordered_map<std::string, std::size_t> index_names(const Dataset& dataset) {
  std::unordered_map<std::string, std::size_t> names;
  std::set<std::string> ambiguous;
  const auto add = [&](const std::string& name, std::size_t index) {
    const auto [at, added] = names.emplace(name, index);
    if (!added && at->second != index) ambiguous.insert(name);
  };
  for (std::size_t i = 0; i < dataset.images.size(); ++i) {
    for (const std::string& name : list_names(dataset.images[i].file_name)) add(name, i);
  }
  for (const std::string& name : ambiguous) names.erase(name);
  return names;
}

void note_odd_boxes(Dataset& dataset, Oddities& oddities) {
  constexpr double kRounding = 0.01;  // pixels: sums of decimals that a tool has rounded
  for (const DatasetImage& image : dataset.images) {
    for (const TruthBox& box : image.truths) {
      const auto place = [&] {
        return fmt::format("annotation {} in {}", box.id, image.file_name);
      };
      if (box.width < 0.0 || box.height < 0.0) {
        oddities.add("boxes of negative size, which nothing finds", place());
        continue;
      }
      if (box.width == 0.0 || box.height == 0.0) {
        oddities.add("boxes without any area, which nothing finds", place());
        continue;
      }
      if (image.width == 0 || image.height == 0) continue;
      const double right = box.x + box.width;
      const double bottom = box.y + box.height;
      if (box.x >= image.width || box.y >= image.height || right <= 0.0 || bottom <= 0.0) {
        oddities.add("boxes outside of their image, which count as missed", place());
      } else if (box.x < -kRounding || box.y < -kRounding || right > image.width + kRounding ||
                 bottom > image.height + kRounding) {
        ++dataset.exceeding_boxes;
      }
    }
  }
}

}  // namespace visionpress
