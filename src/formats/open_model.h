#pragma once

// The one door: from a path to a model with its reader, whatever it comes in.

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

/// A model and what it came in; its reader borrows the bytes.
struct OpenedModel {
  FileSet files = {};        ///< what was named: a file, a folder or an archive
  std::string entry = {};    ///< the file that the reader began with, by its name in `files`
  FileContent content = {};  ///< that file; empty where the reader needs none of it any more
  /// The model's own files, by their names in `files`: `entry`, or all of a SavedModel's folder.
  std::vector<std::string> parts = {};
  bool is_folder = false;                               ///< of a SavedModel
  std::optional<ExportPackage> package = std::nullopt;  ///< of an export
  std::unique_ptr<SourceModel> source = {};
  std::vector<std::string> warnings = {};

  [[nodiscard]] const Graph& graph() const { return source->graph(); }
  /// The model's file, unpacked; empty for a SavedModel.
  [[nodiscard]] Bytes bytes() const { return content.bytes(); }
  /// Of all its own files, unpacked.
  [[nodiscard]] std::uint64_t size_bytes() const;
};

/// Opens a model file, a SavedModel's folder, or the model of a Custom Vision export: a ZIP archive
/// or a folder (package/export_package.h). Each file is opened once. Chooses the reader by the
/// content, never by the name.
/// errors: Io; Usage for settings of a format without scalar inputs; InvalidArgument for an input
/// size that contradicts the file's; Unsupported naming what the file seems to be; Malformed from
/// the reader. All name `path`.
[[nodiscard]] Result<OpenedModel> open_model(const std::string& path,
                                             const ReadOptions& options = {});

}  // namespace visionpress
