#pragma once

// Custom Vision's export packages: a ZIP archive, or the folder that somebody unpacked it to.
//
// The layout accepted, of any platform and flavor:
//   cvexport.manifest         JSON; names the model, the labels, the metadata and the model's SHA-1
//   MODEL, labels.txt, metadata_properties.json   next to the manifest
// in the top folder or, as in Docker exports, in app/ or another folder of it. A package without a
// manifest is accepted if exactly one file can be the model.
// source: export packages of 2018 to 2024 (exporter 2.0 to 2.2), schema version 1.0.

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "package/file_set.h"
#include "package/output_set.h"
#include "visionpress/result.h"

namespace visionpress {

/// cvexport.manifest. Texts are empty where the file has none, or null.
struct ExportManifest {
  std::string domain_type = {};  ///< "Classification", "ObjectDetection"
  std::string platform = {};     ///< "CoreML", "TensorFlow", "ONNX", "DockerFile"
  std::string flavor = {};       ///< "TensorFlowLite", "Linux"
  std::string exporter_version = {};
  std::string exported_date = {};
  std::string iteration_id = {};
  std::string model_file = {};
  std::string label_file = {};
  std::string metadata_file = {};
  std::string model_sha1 = {};  ///< 40 hex digits, lowercase
};

struct ExportPackage {
  std::string manifest_entry = {};  ///< path in the package; empty: the package has no manifest
  ExportManifest manifest = {};
  std::string model_entry = {};   ///< path in the package, "app/model.pb"
  std::string labels_entry = {};  ///< empty: no label file
  std::vector<std::string> labels = {};
  bool has_numbered_labels = false;  ///< the lines of its label file begin with 0, 1, 2 and so on
  std::map<std::string, std::string> properties = {};  ///< metadata_properties.json
  std::optional<bool> sha1_matches = std::nullopt;     ///< empty: the manifest gives none
};

/// The file of TensorFlow's SavedModels that names the folder as one.
inline constexpr std::string_view kSavedModelFile = "saved_model.pb";

/// Whether a set of files holds a manifest or exactly one model file. Checks names only.
[[nodiscard]] bool looks_like_package(const FileSet& files);

/// The files of a set whose names are those of models. Of a folder, only files at the top and one
/// folder below.
[[nodiscard]] std::vector<std::string> list_model_files(const FileSet& files);

/// Reads what the package says about its model, but not the model itself.
/// errors: Io; Malformed for an entry that is damaged, for a manifest that is not JSON or names a
/// file that is missing, and where no file or several can be the model; Unsupported for an exporter
/// above version 2 and for TensorFlow.js.
[[nodiscard]] Result<ExportPackage> read_package(const FileSet& files, Diagnostics& diagnostics);

/// The package around a model that the user named, whatever else is in it: its labels and
/// properties. errors: as read_package.
[[nodiscard]] Result<ExportPackage> read_package_around(const FileSet& files,
                                                        const std::string& model_entry,
                                                        Diagnostics& diagnostics);

/// Compares the model with the manifest's ModelFileSHA1, where there is one, and keeps the answer
/// in `package.sha1_matches`. A mismatch is only a warning, since real packages have one.
void compare_sha1(Bytes model, ExportPackage& package, Diagnostics& diagnostics);

/// The files of a package that change with its model: the model, and the manifest, in which only
/// ModelFileSHA1 changes. files: the set that `package` was read from. model: pieces that outlive
/// the result. errors: Malformed.
[[nodiscard]] Result<std::vector<ReplacedFile>> replace_model(const FileSet& files,
                                                              const ExportPackage& package,
                                                              std::span<const Bytes> model);

}  // namespace visionpress
