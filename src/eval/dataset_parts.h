#pragma once

// What the readers of data sets share; nobody else includes this.

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <simdjson.h>

#include "base/error.h"
#include "eval/dataset.h"
#include "eval/json_path.h"
#include "eval/oddities.h"

namespace visionpress {

/// One JSON file in memory, ready to be walked.
struct JsonFile {
  simdjson::padded_string text;
  simdjson::ondemand::parser parser;
  simdjson::ondemand::document document;
};

/// errors: Io when it cannot be read, Malformed when it is no JSON.
[[nodiscard]] Result<void> open_json(const std::string& path, JsonFile& json);

/// The whole document, once. errors: Malformed where it is not an object or an array.
[[nodiscard]] Result<simdjson::ondemand::value> view_root(JsonFile& json);

/// `annotations[3].bbox: ...` with the parser's own words.
[[nodiscard]] tl::unexpected<Error> fail_json(const JsonPath& path, std::string_view expected,
                                              simdjson::error_code code);

/// A number, or a text that is one.
[[nodiscard]] Result<double> read_number(simdjson::ondemand::value value, const JsonPath& path);
/// 100, 100.0 or "100".
[[nodiscard]] Result<std::int64_t> read_whole(simdjson::ondemand::value value,
                                              const JsonPath& path);
[[nodiscard]] Result<std::string> read_text(simdjson::ondemand::value value, const JsonPath& path);
[[nodiscard]] bool is_null(simdjson::ondemand::value value);

/// An id as the file writes it. 17, 17.0 and "17" are the same id; any other text is its own.
struct JsonId {
  std::string text = {};
  bool is_text = false;  ///< written in quotes
};
[[nodiscard]] Result<JsonId> read_id(simdjson::ondemand::value value, const JsonPath& path);

/// The whole number that a text is, all of it.
[[nodiscard]] std::optional<std::int64_t> find_whole(std::string_view text);

/// Looks for images, and counts those that are not there.
class ImageFinder {
 public:
  /// folders: where to look unless the options say it; empty: beside the file, and in `images`
  /// beside it.
  explicit ImageFinder(const DatasetOptions& options, std::vector<std::string> folders = {});

  /// The path of an image; empty where it is not found. A name of another system or machine
  /// (backslashes, folders that are not here) and one without its extension are found too.
  [[nodiscard]] std::string find(const std::string& file_name);

  /// Call it when all were looked for. Takes the images without a path out of the data set where
  /// these may be skipped. errors: Io naming how many are missing, the first, and the folders
  /// they were looked for in.
  [[nodiscard]] Result<void> settle(Dataset& dataset, Diagnostics& diagnostics) const;

 private:
  std::string data_ = {};
  std::vector<std::string> folders_ = {};
  ImageNeed need_ = ImageNeed::Required;
  std::size_t asked_ = 0;
  std::size_t missing_ = 0;
  std::string first_missing_ = {};
};

/// The pictures of a data set's folder, by name: of `images`, else beside the file, else in
/// `images` beside it. Hidden files are left out.
[[nodiscard]] std::vector<std::string> list_pictures(const DatasetOptions& options);

/// What an image may be called by: its file name, the last part of it, and both without the
/// extension.
[[nodiscard]] std::vector<std::string> list_names(const std::string& file_name);

/// Images by file name, by its last part and by that without its extension, as far as these are
/// unique.
[[nodiscard]] std::unordered_map<std::string, std::size_t> index_names(const Dataset& dataset);

/// Counts the boxes that reach beyond their frame, lie outside of it or have no area.
void note_odd_boxes(Dataset& dataset, Oddities& oddities);

/// What a file is that is none of the forms read here, for an error: a model, a picture, YOLO's
/// labels, ... text: its first bytes.
[[nodiscard]] tl::unexpected<Error> fail_foreign(const std::string& path, std::string_view text);

/// The same for JSON whose root is an array, and for an object without any key of a known form.
[[nodiscard]] std::string name_foreign_json(std::string_view text);

[[nodiscard]] Result<Dataset> read_folder(const DatasetOptions& options, Diagnostics& diagnostics);
/// The pictures of a folder and of the folders in it, without labels.
[[nodiscard]] Result<Dataset> read_tree(const DatasetOptions& options);
/// Forgets what a labelled data set says of its pictures.
void drop_labels(Dataset& dataset);

}  // namespace visionpress
