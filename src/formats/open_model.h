#pragma once

// Opens a model from a path, whether it is a file, a folder or an archive. All commands use it.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "formats/read_options.h"
#include "model/source_model.h"
#include "package/export_package.h"
#include "package/file_set.h"
#include "visionpress/result.h"

namespace visionpress {

/// A model and the files it came from. The model borrows their bytes.
struct OpenedModel {
  FileSet files = {};        ///< the path's content: a file, a folder or an archive
  std::string entry = {};    ///< the name in `files` of the file that the reader began with
  FileContent content = {};  ///< the content of that file; empty if the reader no longer needs it
  /// The names in `files` of the model's own files: `entry`, or every file in a SavedModel's
  /// folder.
  std::vector<std::string> parts = {};
  bool is_folder = false;                               ///< whether the model is a SavedModel
  std::optional<ExportPackage> package = std::nullopt;  ///< set for a Custom Vision export
  std::unique_ptr<SourceModel> source = {};
  std::vector<std::string> warnings = {};

  /// Paths of the files that make up the model and its package: none of them may be an output. A
  /// .tflite file in a SavedModel's folder is not one of them: it is an earlier conversion.
  [[nodiscard]] std::vector<std::string> list_read_paths() const;
  [[nodiscard]] const Graph& graph() const { return source->graph(); }
  /// The unpacked bytes of the model's file; empty for a SavedModel.
  [[nodiscard]] Bytes bytes() const { return content.bytes(); }
  /// The total size of the model's own files, unpacked.
  [[nodiscard]] std::uint64_t size_bytes() const;
};

/// Opens a model file, a SavedModel's folder, or the model of a Custom Vision export, which is a
/// ZIP archive or a folder (package/export_package.h). Opens each file once and chooses the reader
/// by the content, never by the name. PACKAGE:NAME opens one model of an archive or a folder
/// (formats/package_parts.h).
/// errors: Io; Usage for settings that the format does not take; InvalidArgument for an input
/// size that contradicts the file's; Unsupported, naming the format that the file seems to have;
/// Malformed from the reader. All name `path`.
[[nodiscard]] Result<OpenedModel> open_model(const std::string& path,
                                             const ReadOptions& options = {});

}  // namespace visionpress
