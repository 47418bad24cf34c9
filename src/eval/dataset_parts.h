#pragma once

// What the readers of data sets share; nobody else includes this.

#include <optional>
#include <string>
#include <string_view>

#include <simdjson.h>

#include "base/error.h"
#include "eval/dataset.h"

namespace visionpress {

/// One JSON file in memory, ready to be walked.
struct JsonFile {
  simdjson::padded_string text;
  simdjson::ondemand::parser parser;
  simdjson::ondemand::document document;
};

/// errors: Io when it cannot be read, Malformed when it is no JSON.
[[nodiscard]] Result<void> open_json(const std::string& path, JsonFile& json);

/// `annotations[3].bbox: ...` with the parser's own words.
[[nodiscard]] tl::unexpected<Error> fail_json(std::string_view path, std::string_view expected,
                                              simdjson::error_code code);

[[nodiscard]] Result<double> read_number(simdjson::ondemand::value value, std::string_view path);
[[nodiscard]] Result<std::int64_t> read_whole(simdjson::ondemand::value value,
                                              std::string_view path);
[[nodiscard]] Result<std::string> read_text(simdjson::ondemand::value value, std::string_view path);

/// Where images are looked for.
struct ImageFolders {
  std::string data = {};
  std::string images = {};
  ImageNeed need = ImageNeed::Required;
};

/// The path of an image; empty where it is not found and need not be.
/// errors: Io naming the image and the folders it was looked for in.
[[nodiscard]] Result<std::string> find_image(const ImageFolders& folders,
                                             const std::string& file_name);

/// Cuts a box to its frame. returns: whether anything was cut.
/// errors: Malformed for negative sizes and for a box outside of its frame.
[[nodiscard]] Result<bool> clamp_box(TruthBox& box, int width, int height, std::string_view path);

[[nodiscard]] Result<Dataset> read_coco(JsonFile& json, const DatasetOptions& options,
                                        Diagnostics& diagnostics);
[[nodiscard]] Result<Dataset> read_vott(JsonFile& json, const DatasetOptions& options,
                                        Diagnostics& diagnostics);
[[nodiscard]] Result<Dataset> read_folder(const DatasetOptions& options, Diagnostics& diagnostics);

}  // namespace visionpress
