// YOLO: one text file per image, a row per box: class, centre x and y, width, height, as shares of
// the picture; a row of more numbers is a polygon around which the box is drawn. The description,
// data.yaml, has the classes' "names" (a list, or a map by number) and the pictures of each split
// ("train", "val", "test", below "path"): a folder, a text file that lists pictures, or a list of
// these. A picture's labels have its path with "labels" for the last "images", or lie beside it.
// source: docs.ultralytics.com, "Object Detection Datasets Overview", and ultralytics 8.3,
// data/utils.py (img2label_paths, verify_image_label).

#include <algorithm>
#include <array>
#include <filesystem>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "eval/dataset_table.h"
#include "eval/image.h"
#include "eval/label_files.h"
#include "eval/labelled_images.h"
#include "eval/picture_files.h"
#include "eval/rectangle.h"
#include "eval/yaml_tree.h"

namespace visionpress {
namespace {

namespace fs = std::filesystem;

constexpr std::array<const char*, 3> kYoloSplits = {"train", "val", "test"};

bool is_yolo_file(const FileHead& file) {
  return file.extension == ".yaml" || file.extension == ".yml";
}

/// The description in a folder; empty where there is none.
std::string find_description(const std::string& folder) {
  for (const char* name : {"data.yaml", "data.yml", "dataset.yaml"}) {
    std::error_code code;
    const fs::path path = fs::path(folder) / name;
    if (fs::is_regular_file(path, code)) return path;
  }
  return {};
}

bool is_yolo_folder(const std::string& folder) {
  std::error_code code;
  if (!find_description(folder).empty()) return true;
  return fs::is_directory(fs::path(folder) / "images", code) &&
         fs::is_directory(fs::path(folder) / "labels", code);
}

struct YoloSource {
  std::string split = {};
  std::string path = {};  ///< as the description has it
};

struct YoloDescription {
  std::vector<std::string> names = {};
  bool has_names = false;  ///< false: classes are called by their numbers
  std::vector<YoloSource> sources = {};
  std::string root = {};      ///< "path"
  std::size_t keypoints = 0;  ///< numbers of "kpt_shape" behind each box; 0: none
};

Result<std::vector<std::string>> read_names(const YamlNode& node) {
  std::vector<std::string> names;
  for (const YamlNode& item : node.items) {
    if (item.kind != YamlNode::Kind::Text) {
      return fail(ErrorKind::Malformed, "line {}: names: expected texts", item.line);
    }
    names.push_back(item.text);
  }
  for (const auto& [key, value] : node.fields) {
    const auto number = find_whole(key);
    constexpr std::int64_t kMost = 100000;
    if (!number || *number < 0 || *number >= kMost || value.kind != YamlNode::Kind::Text) {
      return fail(ErrorKind::Malformed, "line {}: names: expected NUMBER: NAME, found \"{}\"",
                  value.line, key);
    }
    const auto index = static_cast<std::size_t>(*number);
    if (names.size() <= index) names.resize(index + 1);
    names[index] = value.text;
  }
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i].empty()) names[i] = std::to_string(i);
  }
  return names;
}

Result<void> read_sources(const YamlNode& node, const char* split, YoloDescription& description) {
  if (node.kind == YamlNode::Kind::Text) description.sources.push_back({split, node.text});
  for (const YamlNode& item : node.items) {
    if (item.kind == YamlNode::Kind::Text) description.sources.push_back({split, item.text});
  }
  if (node.kind == YamlNode::Kind::Map) {
    return fail(ErrorKind::Malformed, "line {}: {}: expected a folder, a file or a list of them",
                node.line, split);
  }
  return {};
}

Result<YoloDescription> read_description(const std::string& path) {
  VP_ASSIGN_OR_RETURN(const std::string text, load_text(path, kMaxLabelFile));
  VP_ASSIGN_OR_RETURN(const YamlNode root, read_yaml(text));
  YoloDescription description;
  const YamlNode* names = root.find("names");
  const YamlNode* count = root.find("nc");
  if (names != nullptr) {
    VP_ASSIGN_OR_RETURN(description.names, read_names(*names));
  } else if (count != nullptr) {
    const std::int64_t classes =
        std::clamp<std::int64_t>(find_whole(count->text).value_or(0), 0, 9999);
    for (std::int64_t i = 0; i < classes; ++i) description.names.push_back(std::to_string(i));
  }
  for (const char* split : kYoloSplits) {
    const YamlNode* node = root.find(split);
    if (node != nullptr) VP_RETURN_IF_ERROR(read_sources(*node, split, description));
  }
  description.has_names = names != nullptr || count != nullptr;
  if (!description.has_names || description.sources.empty()) {
    return fail(ErrorKind::Malformed,
                "{} is missing: expected a YOLO data set's \"names\" and its \"train\" or \"val\"",
                !description.has_names ? "\"names\"" : "\"train\", \"val\" and \"test\"");
  }
  if (const YamlNode* base = root.find("path"); base != nullptr) description.root = base->text;
  if (const YamlNode* shape = root.find("kpt_shape");
      shape != nullptr && shape->items.size() == 2) {
    const std::int64_t points = find_whole(shape->items[0].text).value_or(0);
    const std::int64_t values = find_whole(shape->items[1].text).value_or(0);
    if (points > 0 && points < 1000 && values > 0 && values < 4) {
      description.keypoints = static_cast<std::size_t>(points * values);
    }
  }
  return description;
}

/// A folder with images/ and labels/ alone, its classes in classes.txt or unnamed.
YoloDescription describe_folder(const std::string& folder) {
  YoloDescription description;
  for (const char* name : {"classes.txt", "labels/classes.txt", "obj.names"}) {
    const auto text = load_text(fs::path(folder) / name, kMaxLabelFile);
    if (!text) continue;
    description.has_names = true;
    std::string_view rest = *text;
    while (!rest.empty()) {
      const std::string_view line = trim_blanks(cut_line(rest));
      if (!line.empty()) description.names.emplace_back(line);
    }
    break;
  }
  const std::string images = fs::path(folder) / "images";
  for (const std::string& inner : list_folders(images)) {
    const std::string name = fs::path(inner).filename();
    if (is_split_name(name)) description.sources.push_back({name_split(name), "images/" + name});
  }
  if (description.sources.empty()) description.sources.push_back({"", "images"});
  return description;
}

class YoloReader {
 public:
  YoloReader(YoloDescription description, std::string folder, const DatasetOptions& options)
      : description_(std::move(description)), folder_(std::move(folder)), options_(options) {}

  Result<LabelledImages> read() {
    labelled_.unit = BoxUnit::Shares;
    for (const YoloSource& source : description_.sources) VP_RETURN_IF_ERROR(add_source(source));
    if (labelled_.images.empty()) {
      return fail(ErrorKind::Io, "no pictures: {} is not there or has none",
                  first_missing_.empty() ? "\"images\"" : "\"" + first_missing_ + "\"");
    }
    for (LabelledImage& image : labelled_.images) VP_RETURN_IF_ERROR(read_labels(image));
    if (!has_labels_) {
      const LabelledImage& first = labelled_.images.front();
      return fail(ErrorKind::Io, "none of {} images has a label file, as {} for {}",
                  labelled_.images.size(), list_label_paths(first).front(), first.file_name);
    }
    labelled_.tags = description_.names;
    rename_same_tags();
    return std::move(labelled_);
  }

 private:
  /// Below "path", else beside the description, also without the leading folders of another
  /// machine or of a layout that has changed ("../train/images"). Empty where nothing is there.
  [[nodiscard]] std::string find_place(const std::string& name, const std::string& beside) {
    std::error_code code;
    std::string plain = name;
    std::ranges::replace(plain, '\\', '/');
    for (const fs::path& base :
         {fs::path(folder_) / description_.root, fs::path(beside), fs::path(folder_)}) {
      fs::path place = (base / plain).lexically_normal();
      if (fs::exists(place, code)) return place;
    }
    fs::path rest = fs::path(plain).relative_path();
    while (!rest.empty()) {
      const fs::path place = fs::path(folder_) / rest;
      if (*rest.begin() != ".." && *rest.begin() != "." && fs::exists(place, code)) {
        labelled_.oddities.add("places that are not where the description says, found beside it",
                               fmt::format("\"{}\" is {}", name, place.string()));
        return place;
      }
      fs::path shorter;
      for (auto part = std::next(rest.begin()); part != rest.end(); ++part) shorter /= *part;
      rest = shorter;
    }
    return {};
  }

  Result<void> add_source(const YoloSource& source) {
    if (source.path.empty()) return {};
    const std::string place =
        options_.images.empty() ? find_place(source.path, folder_) : options_.images;
    std::error_code code;
    if (place.empty()) {
      if (first_missing_.empty()) first_missing_ = source.path;
      labelled_.oddities.add("splits whose pictures are not there, left out",
                             fmt::format("{}: \"{}\"", source.split, source.path));
      return {};
    }
    if (!fs::is_directory(place, code)) return add_list(source, place);
    const auto pictures = list_folder_tree(place);
    if (!pictures) {
      if (first_missing_.empty()) first_missing_ = source.path;
      labelled_.oddities.add("splits whose folder has no picture", place);
      return {};
    }
    for (const std::string& path : *pictures) add_picture(path, source.split);
    return {};
  }

  /// A text file with a picture's path on each line.
  Result<void> add_list(const YoloSource& source, const std::string& list) {
    VP_ASSIGN_OR_RETURN(const std::string text, load_text(list, std::size_t{1} << 30));
    std::string_view rest = text;
    while (!rest.empty()) {
      const std::string line(trim_blanks(cut_line(rest)));
      if (line.empty()) continue;
      std::string path = find_place(line, fs::path(list).parent_path());
      if (path.empty()) {
        // Looked for by its name, and missed, as the images of any other form.
        LabelledImage image;
        image.file_name = line;
        image.split = source.split;
        labelled_.images.push_back(std::move(image));
        continue;
      }
      add_picture(std::move(path), source.split);
    }
    return {};
  }

  void add_picture(std::string path, const std::string& split) {
    const auto [at, added] = index_.emplace(path, labelled_.images.size());
    if (!added) {
      std::string& known = labelled_.images[at->second].split;
      if (known != split) known.clear();  // of several splits: of none
      return;
    }
    LabelledImage image;
    image.file_name = relative_to(path, folder_);
    image.path = std::move(path);
    image.split = split;
    labelled_.images.push_back(std::move(image));
  }

  /// Where the label file of a picture may be.
  [[nodiscard]] std::vector<std::string> list_label_paths(const LabelledImage& image) const {
    const std::string picture =
        image.path.empty() ? (fs::path(folder_) / image.file_name).string() : image.path;
    const std::size_t folder = picture.rfind("/images/");
    std::string path = picture;
    if (folder != std::string::npos) {
      path.replace(folder, 8, "/labels/");
    } else if (picture.starts_with("images/")) {
      path.replace(0, 7, "labels/");
    }
    std::vector<std::string> paths = {fs::path(path).replace_extension(".txt")};
    if (path != picture) paths.push_back(fs::path(picture).replace_extension(".txt"));
    return paths;
  }

  Result<void> read_labels(LabelledImage& image) {
    std::error_code code;
    std::string path;
    for (std::string& place : list_label_paths(image)) {
      if (path.empty() && fs::is_regular_file(place, code)) path = std::move(place);
    }
    if (path.empty()) {
      labelled_.oddities.add("images without a label file, taken as without boxes",
                             image.file_name);
      return {};
    }
    has_labels_ = true;
    VP_ASSIGN_OR_RETURN(const std::string text, load_text(path, kMaxLabelFile));
    std::set<std::pair<std::size_t, std::array<double, 4>>> seen;
    std::string_view rest = text;
    for (std::size_t row = 1; !rest.empty(); ++row) {
      const std::string_view line = trim_blanks(cut_line(rest));
      if (line.empty()) continue;
      const auto place = [&] { return fmt::format("{} line {}", path, row); };
      std::size_t tag = 0;
      std::vector<double> numbers;
      if (!read_row(line, tag, numbers)) {
        labelled_.oddities.add("rows that are not a class and numbers, left out", place());
        continue;
      }
      const auto box = find_box(numbers, place());
      if (!box || !check_tag(tag, place())) continue;
      if (!seen.insert({tag, {box->x, box->y, box->width, box->height}}).second) {
        labelled_.oddities.add("rows that are there twice, taken once", place());
        continue;
      }
      image.boxes.push_back({.tag = description_.names[tag], .box = *box});
    }
    return {};
  }

  static bool read_row(std::string_view line, std::size_t& tag, std::vector<double>& numbers) {
    const auto first = find_number(cut_word(line));
    constexpr double kMostClasses = 100000.0;
    if (!first || *first < 0.0 || *first >= kMostClasses) return false;
    tag = static_cast<std::size_t>(*first);
    if (static_cast<double>(tag) != *first) return false;
    for (std::string_view word = cut_word(line); !word.empty(); word = cut_word(line)) {
      const auto number = find_number(word);
      if (!number) return false;
      numbers.push_back(*number);
    }
    return true;
  }

  std::optional<Rectangle> find_box(const std::vector<double>& numbers, const std::string& place) {
    const std::size_t count = numbers.size();
    const bool has_keypoints = description_.keypoints > 0 && count == 4 + description_.keypoints;
    if (count == 4 || count == 5 || has_keypoints) {
      if (count == 5) {
        labelled_.oddities.add("rows with a sixth number, a score, which is left out", place);
        ++labelled_.unread["score"];
      }
      if (has_keypoints) ++labelled_.unread["keypoints"];
      const auto out = [](double share) { return share < 0.0 || share > 1.0; };
      if (std::any_of(numbers.begin(), numbers.begin() + 4, out)) {
        labelled_.oddities.add(
            "boxes with a share below 0 or above 1 (ultralytics leaves such images out)", place);
      }
      return Rectangle{.x = numbers[0] - numbers[2] / 2.0,
                       .y = numbers[1] - numbers[3] / 2.0,
                       .width = numbers[2],
                       .height = numbers[3]};
    }
    if (count < 6 || count % 2 != 0) {
      labelled_.oddities.add("rows with neither a box's 5 numbers nor a polygon's, left out",
                             fmt::format("{}, {} numbers", place, count + 1));
      return std::nullopt;
    }
    ++labelled_.unread["polygon"];
    std::vector<std::array<double, 2>> points;
    for (std::size_t i = 0; i < count; i += 2) points.push_back({numbers[i], numbers[i + 1]});
    return rectangle_around(points);
  }

  bool check_tag(std::size_t tag, const std::string& place) {
    std::vector<std::string>& names = description_.names;
    if (tag < names.size()) return true;
    if (description_.has_names) {
      labelled_.oddities.add("rows of a class without a name, left out",
                             fmt::format("{}, class {} of {}", place, tag, names.size()));
      return false;
    }
    for (std::size_t i = names.size(); i <= tag; ++i) names.push_back(std::to_string(i));
    return true;
  }

  void rename_same_tags() {
    std::set<std::string> seen;
    for (const std::string& name : labelled_.tags) {
      if (seen.insert(name).second) continue;
      labelled_.oddities.add("classes with the name of another one, taken as one",
                             fmt::format("\"{}\"", name));
    }
  }

  YoloDescription description_;
  std::string folder_;
  const DatasetOptions& options_;
  LabelledImages labelled_ = {};
  std::map<std::string, std::size_t> index_ = {};
  std::string first_missing_ = {};
  bool has_labels_ = false;
};

Result<Dataset> read_yolo(const DatasetOptions& options, Diagnostics& diagnostics) {
  std::error_code code;
  const bool is_folder = fs::is_directory(options.data, code);
  const std::string description = is_folder ? find_description(options.data) : options.data;
  std::string folder = options.data;
  if (!is_folder) folder = fs::path(options.data).parent_path();
  if (folder.empty()) folder = ".";
  YoloDescription described;
  if (description.empty()) {
    described = describe_folder(folder);
  } else {
    auto read = read_description(description);
    if (!read) return in_file(std::move(read).error(), description);
    described = *std::move(read);
  }
  VP_ASSIGN_OR_RETURN(LabelledImages labelled,
                      YoloReader(std::move(described), folder, options).read());
  VP_ASSIGN_OR_RETURN(Dataset dataset, make_dataset(std::move(labelled), options, diagnostics));
  dataset.has_label_files = true;
  return dataset;
}

}  // namespace

const DatasetForm yolo_form = {
    .name = "yolo", .is_file = is_yolo_file, .is_folder = is_yolo_folder, .read = read_yolo};

}  // namespace visionpress
