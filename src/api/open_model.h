#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "model/source_model.h"
#include "package/export_package.h"
#include "visionpress/model.h"
#include "visionpress/result.h"

namespace visionpress {

/// A model file, or the model of an export package, and its reader; the reader borrows its bytes.
struct OpenedModel {
  MappedFile file = {};  ///< empty where a package owns the bytes
  std::optional<OpenedPackage> package = std::nullopt;
  std::unique_ptr<SourceModel> source = {};
  std::vector<std::string> warnings = {};

  [[nodiscard]] const Graph& graph() const { return source->graph(); }
  /// Of the model alone; empty for a SavedModel, which is a folder of files.
  [[nodiscard]] Bytes bytes() const { return package ? package->model_bytes() : file.bytes(); }
  /// Of the model alone: of all its files for a SavedModel.
  [[nodiscard]] std::uint64_t size_bytes() const { return folder_bytes + bytes().size(); }
  [[nodiscard]] bool is_saved_model() const { return folder_bytes > 0; }

  std::uint64_t folder_bytes = 0;  ///< of a SavedModel's files; else 0
};

struct OpenOptions {
  /// Height and width of the image input, for files that leave them open (TensorFlow graphs).
  std::optional<std::array<std::int64_t, 2>> input_size = std::nullopt;
  /// Values of scalar inputs of a TensorFlow graph. errors: Usage for other files.
  std::vector<InputSetting> settings = {};
  /// Warns of weights that hold NaN or infinity: a pass over all values.
  bool check_values = true;
};

/// Opens a model file, or the model of a Custom Vision export: a ZIP archive or a folder
/// (package/export_package.h). Chooses the reader by the file's content, never by its name.
/// errors: Io; Unsupported naming what the file seems to be; Malformed from the reader. All name
/// `path`.
[[nodiscard]] Result<OpenedModel> open_model(const std::string& path);
[[nodiscard]] Result<OpenedModel> open_model(const std::string& path, const OpenOptions& options);

/// input_size: width and height, as options of the API have it.
[[nodiscard]] OpenOptions open_options(const std::optional<std::array<std::int64_t, 2>>& input_size,
                                       const std::vector<InputSetting>& settings = {});

/// For a file of the model alone: says which labels of its package are no part of it.
void warn_of_package(const OpenedModel& model, std::vector<std::string>& warnings);

/// "float32", "float16", "linear-8", "palette-6"
[[nodiscard]] std::string describe(const WeightCode& code);
/// Bytes of the payload and of the scales, offsets or table that go with it.
[[nodiscard]] std::uint64_t stored_bytes(const WeightRef& weight);

}  // namespace visionpress
