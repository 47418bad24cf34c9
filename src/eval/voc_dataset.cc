// Pascal VOC: one XML file per image, <annotation> with <filename>, <size> (width, height) and one
// <object> per box (<name>, <bndbox> with xmin, ymin, xmax, ymax, <difficult> ...). Corners are
// pixels counted from 1, both inside of the box. The files lie in Annotations/ with the pictures in
// JPEGImages/ and lists of the splits in ImageSets/Main/, or beside their pictures, also in one
// folder per split. source: VOC2012 development kit, devkit_doc, section 4, "Annotation".

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

#include <pugixml.hpp>

#include "base/ascii.h"
#include "eval/dataset_table.h"
#include "eval/image.h"
#include "eval/label_files.h"
#include "eval/labelled_images.h"
#include "eval/rectangle.h"

namespace visionpress {
namespace {

namespace fs = std::filesystem;

struct VocFile {
  std::string path = {};
  std::string split = {};
  LabelledImage image = {};  ///< boxes: edges as written, x and y the first corner, no pixel added
};

bool is_voc_text(std::string_view head) {
  return trim_blanks(head).starts_with('<') && head.find("<annotation") != std::string_view::npos;
}

bool is_voc_file(const FileHead& file) {
  return file.extension == ".xml" || is_voc_text(file.text);
}

/// The folder with the XML files: Annotations (in any case), else the folder itself.
std::string find_annotations(const std::string& folder) {
  for (const char* name : {"Annotations", "annotations", "Annotation"}) {
    std::string inner = fs::path(folder) / name;
    if (!list_files(inner, ".xml").empty()) return inner;
  }
  return list_files(folder, ".xml").empty() ? std::string() : folder;
}

/// The folders that may have the XML files, each with its split.
std::vector<std::pair<std::string, std::string>> list_voc_parts(const std::string& folder) {
  if (const std::string found = find_annotations(folder); !found.empty()) return {{found, ""}};
  std::vector<std::pair<std::string, std::string>> parts;
  for (const std::string& inner : list_folders(folder)) {
    const std::string name = fs::path(inner).filename();
    if (!is_split_name(name)) continue;
    if (std::string found = find_annotations(inner); !found.empty()) {
      parts.emplace_back(std::move(found), name_split(name));
    }
  }
  return parts;
}

bool is_voc_folder(const std::string& folder) {
  const auto parts = list_voc_parts(folder);
  if (parts.empty()) return false;
  const auto text = load_text(list_files(parts.front().first, ".xml").front(), kMaxLabelFile);
  return !text || is_voc_text(*text);  // one that cannot be read is named by the reader
}

/// Counts elements that say something which a Dataset does not hold.
void note_unread(const pugi::xml_node& parent, std::span<const std::string_view> read,
                 const char* prefix, std::map<std::string, std::size_t>& unread) {
  for (const pugi::xml_node& child : parent.children()) {
    if (child.type() != pugi::node_element) continue;
    const std::string_view name = child.name();
    if (std::ranges::find(read, name) != read.end()) continue;
    const std::string_view text = trim_blanks(child.text().get());
    const bool is_default = text.empty() || text == "0" || text == "Unspecified" ||
                            text == "Unknown" || text == "unknown";
    const bool has_inner = static_cast<bool>(
        child.find_child([](const auto& inner) { return inner.type() == pugi::node_element; }));
    if (is_default && !has_inner) continue;
    ++unread[std::string(prefix) + std::string(name)];
  }
}

class VocReader {
 public:
  VocReader(const DatasetOptions& options, bool is_folder)
      : options_(options), is_folder_(is_folder) {}

  Result<LabelledImages> read() {
    std::vector<std::string> folders;
    if (!is_folder_) {
      const std::string parent = fs::path(options_.data).parent_path();
      files_.push_back({.path = options_.data});
      folders = {parent};
    } else {
      for (const auto& [folder, split] : list_voc_parts(options_.data)) {
        for (std::string& path : list_files(folder, ".xml")) {
          files_.push_back({.path = std::move(path), .split = split});
        }
        folders.push_back(folder);
      }
      read_splits();
    }
    VP_RETURN_IF_ERROR(read_files());
    find_pictures(folders);
    add_boxes();
    for (VocFile& file : files_) labelled_.images.push_back(std::move(file.image));
    return std::move(labelled_);
  }

 private:
  /// ImageSets/Main/train.txt and so on: one stem per line. Those of single tags ("cat_train.txt")
  /// and "trainval" say nothing new.
  void read_splits() {
    std::unordered_map<std::string, std::string> split_of;
    for (const char* name : {"train", "val", "test"}) {
      const fs::path path =
          fs::path(options_.data) / "ImageSets/Main" / (name + std::string(".txt"));
      std::error_code code;
      if (!fs::is_regular_file(path, code)) continue;
      const auto text = load_text(path, kMaxLabelFile);
      if (!text) continue;
      std::string_view rest = *text;
      while (!rest.empty()) {
        std::string_view line = cut_line(rest);
        const std::string_view stem = cut_word(line);
        if (!stem.empty()) split_of.emplace(stem, name);
      }
    }
    for (VocFile& file : files_) {
      const auto found = split_of.find(fs::path(file.path).stem());
      if (found != split_of.end()) file.split = found->second;
    }
  }

  /// A file that cannot be read is left out; if that is all of them, the first one's error is the
  /// data set's.
  Result<void> read_files() {
    std::optional<Error> first;
    std::vector<VocFile> good;
    for (VocFile& file : files_) {
      if (auto read = read_file(file); !read) {
        Error error = std::move(read).error();
        if (error.file.empty()) error.file = file.path;
        labelled_.oddities.add("annotation files that cannot be read, left out", error.to_string());
        if (!first) first = std::move(error);
        continue;
      }
      good.push_back(std::move(file));
    }
    if (good.empty() && first) return tl::unexpected<Error>(*std::move(first));
    files_ = std::move(good);
    return {};
  }

  Result<void> read_file(VocFile& file) {
    VP_ASSIGN_OR_RETURN(std::string text, load_text(file.path, kMaxLabelFile));
    pugi::xml_document document;
    const pugi::xml_parse_result parsed = document.load_buffer_inplace(
        text.data(), text.size(), pugi::parse_default | pugi::parse_doctype);
    if (!parsed) {
      return fail_at(ErrorKind::Malformed, static_cast<std::uint64_t>(parsed.offset),
                     "expected XML: {}", parsed.description());
    }
    for (const pugi::xml_node& node : document.children()) {
      if (node.type() == pugi::node_doctype &&
          std::string_view(node.value()).find('[') != std::string_view::npos) {
        return fail(ErrorKind::Malformed,
                    "it declares entities or elements (DOCTYPE with [...]), which annotations do "
                    "not");
      }
    }
    const pugi::xml_node root = document.document_element();
    if (std::string_view(root.name()) != "annotation") {
      return fail(ErrorKind::Malformed, "the root is <{}>, expected <annotation> of Pascal VOC",
                  root.name());
    }
    return read_annotation(root, file);
  }

  Result<void> read_annotation(const pugi::xml_node& root, VocFile& file) {
    LabelledImage& image = file.image;
    image.file_name = trim_blanks(root.child("filename").text().get());
    image.split = file.split;
    const pugi::xml_node size = root.child("size");
    VP_ASSIGN_OR_RETURN(image.width, read_side(size.child("width")));
    VP_ASSIGN_OR_RETURN(image.height, read_side(size.child("height")));
    if (size && (image.width == 0 || image.height == 0)) {
      labelled_.oddities.add("files that give no size (0), the picture's taken", file.path);
      image.width = image.height = 0;
    }
    std::size_t index = 0;
    for (const pugi::xml_node& object : root.children("object")) {
      VP_RETURN_IF_ERROR(read_object(object, ++index, file));
    }
    // Where the picture lies and its depth are the picture's own business.
    constexpr std::array<std::string_view, 5> kRead = {"filename", "size", "object", "folder",
                                                       "path"};
    note_unread(root, kRead, "", labelled_.unread);
    return {};
  }

  static Result<int> read_side(const pugi::xml_node& side) {
    const std::string_view text = side.text().get();
    if (trim_blanks(text).empty()) return 0;
    const auto number = find_number(text);
    if (!number || *number < 0.0 || *number > kMaxImageSide) {
      return fail(ErrorKind::Malformed, "size/{}: \"{}\", expected pixels", side.name(), text);
    }
    return static_cast<int>(*number);
  }

  Result<void> read_object(const pugi::xml_node& object, std::size_t index, VocFile& file) {
    const auto place = [&] { return fmt::format("object {} of {}", index, file.path); };
    const std::string_view name = trim_blanks(object.child("name").text().get());
    const pugi::xml_node box = object.child("bndbox");
    if (name.empty() || !box) {
      labelled_.oddities.add(
          name.empty() ? "objects without a name, left out" : "objects without a bndbox, left out",
          place());
      return {};
    }
    constexpr std::array<const char*, 4> kCorners = {"xmin", "ymin", "xmax", "ymax"};
    std::array<double, 4> corners = {};
    for (std::size_t i = 0; i < corners.size(); ++i) {
      const pugi::xml_node corner = box.child(kCorners[i]);
      const auto number = find_number(corner.text().get());
      if (!number) {
        return fail(ErrorKind::Malformed, "object {}/bndbox/{}: {}, expected a number", index,
                    kCorners[i],
                    corner ? fmt::format("\"{}\"", corner.text().get()) : "it is missing");
      }
      corners[i] = *number;
    }
    if (put_corners_in_order(corners)) {
      labelled_.oddities.add("boxes whose corners are exchanged, put in order", place());
    }
    if (trim_blanks(object.child("difficult").text().get()) == "1") {
      labelled_.oddities.add(
          "objects marked difficult, scored as any other (VOC's own measure leaves them out)",
          place());
    }
    counted_from_0_ = counted_from_0_ || corners[0] < 1.0 || corners[1] < 1.0;
    file.image.boxes.push_back({.tag = std::string(name), .box = rectangle_between(corners)});
    constexpr std::array<std::string_view, 2> kRead = {"name", "bndbox"};
    note_unread(object, kRead, "object/", labelled_.unread);
    return {};
  }

  /// Where the pictures of a folder of XML files may lie.
  void list_places(const std::vector<std::string>& folders) {
    std::vector<std::string>& places = labelled_.folders;
    for (const std::string& folder : folders) {
      const fs::path own = folder.empty() ? fs::path(".") : fs::path(folder);
      const bool is_inner = ascii_lower(own.filename().native()).starts_with("annotation");
      const fs::path root = is_inner ? own / ".." : own;
      for (const fs::path& place : {root / "JPEGImages", own, root / "images", root}) {
        const std::string normal = place.lexically_normal();
        if (std::ranges::find(places, normal) == places.end()) places.push_back(normal);
      }
    }
    if (!options_.images.empty()) places = {options_.images};
  }

  /// By <filename>, else by the name of the XML file: tools that copy files often leave an old
  /// <filename>.
  void find_pictures(const std::vector<std::string>& folders) {
    list_places(folders);
    PictureIndex pictures;
    for (const std::string& place : labelled_.folders) pictures.add(place);
    std::unordered_map<std::string, std::size_t> claims;
    for (const VocFile& file : files_) ++claims[base_name(file.image.file_name)];
    std::set<std::string> taken;
    for (VocFile& file : files_) {
      LabelledImage& image = file.image;
      const std::string stem = fs::path(file.path).stem();
      const bool is_shared = claims.at(base_name(image.file_name)) > 1;
      image.path = image.file_name.empty() ? std::string() : pictures.find(image.file_name);
      std::string own = image.path.empty() || is_shared ? pictures.find_stem(stem) : std::string();
      if (!own.empty() && own != image.path) {
        labelled_.oddities.add(
            "files whose <filename> is not there or is that of others, the picture with the "
            "file's own name taken",
            fmt::format("\"{}\" in {}", image.file_name, file.path));
        image.path = std::move(own);
      }
      if (!image.path.empty()) image.file_name = base_name(image.path);
      if (image.file_name.empty()) image.file_name = stem;
      taken.insert(image.path);
    }
    if (!is_folder_) return;
    for (const std::string& path : pictures.paths()) {
      if (taken.contains(path)) continue;
      labelled_.oddities.add("pictures without an annotation file, left out", path);
    }
  }

  /// Corners counted from 1 lie inside of the box; in a set that has a corner at 0 they are edges,
  /// as labelling tools other than VOC's own write them. Decided for all files together, since one
  /// tool wrote them.
  void add_boxes() {
    for (VocFile& file : files_) {
      for (LabelledBox& labelled : file.image.boxes) {
        Rectangle& box = labelled.box;
        if (counted_from_0_) {
          if (box.x >= 1.0 && box.y >= 1.0) continue;
          labelled_.oddities.add(
              "boxes that begin at 0, where VOC counts from 1: the corners of all boxes are "
              "taken as edges counted from 0",
              file.path);
          continue;
        }
        box.x -= 1.0;
        box.y -= 1.0;
        box.width += 1.0;
        box.height += 1.0;
      }
    }
  }

  const DatasetOptions& options_;
  bool is_folder_ = false;
  std::vector<VocFile> files_ = {};
  LabelledImages labelled_ = {};
  bool counted_from_0_ = false;
};

Result<Dataset> read_voc(const DatasetOptions& options, Diagnostics& diagnostics) {
  std::error_code code;
  const bool is_folder = fs::is_directory(options.data, code);
  VP_ASSIGN_OR_RETURN(LabelledImages labelled, VocReader(options, is_folder).read());
  VP_ASSIGN_OR_RETURN(Dataset dataset, make_dataset(std::move(labelled), options, diagnostics));
  dataset.has_label_files = is_folder;
  return dataset;
}

}  // namespace

const DatasetForm voc_form = {
    .name = "voc", .is_file = is_voc_file, .is_folder = is_voc_folder, .read = read_voc};

}  // namespace visionpress
