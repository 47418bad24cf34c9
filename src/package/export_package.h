#pragma once

// What Custom Vision exports: a ZIP archive, or the folder that somebody unpacked it to.
//
// The layout accepted, of any platform and flavor:
//   cvexport.manifest         JSON; names the model, the labels, the metadata and the model's SHA-1
//   MODEL, labels.txt, metadata_properties.json   beside the manifest
// in the top folder or, as in Docker exports, in app/ or another folder of it. Packages without a
// manifest are taken where one file only can be the model.
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
  std::string manifest_entry = {};  ///< path in the package; empty: it has no manifest
  ExportManifest manifest = {};
  std::string model_entry = {};   ///< path in the package, "app/model.pb"
  std::string labels_entry = {};  ///< empty: no label file
  std::vector<std::string> labels = {};
  std::map<std::string, std::string> properties = {};  ///< metadata_properties.json
  std::optional<bool> sha1_matches = std::nullopt;     ///< empty: the manifest gives none
};

/// The file of TensorFlow's SavedModels that names the folder as one.
inline constexpr std::string_view kSavedModelFile = "saved_model.pb";

/// Whether a set of files holds a manifest or one model file. Nothing is checked yet.
[[nodiscard]] bool looks_like_package(const FileSet& files);

/// The model files of a set, by their names; of a folder, those at the top and in the folders
/// there.
[[nodiscard]] std::vector<std::string> list_model_files(const FileSet& files);

/// What the package says of its model, which is not read yet.
/// errors: Io; Malformed for an entry that is damaged, for a manifest that is no JSON or names what
/// is not there, and where no file or several can be the model; Unsupported for an exporter above
/// version 2 and for TensorFlow.js.
[[nodiscard]] Result<ExportPackage> read_package(const FileSet& files, Diagnostics& diagnostics);

/// Compares the model with the manifest's ModelFileSHA1, where there is one, and keeps the answer
/// in `package.sha1_matches`. Another one is a warning: real packages have it.
void compare_sha1(Bytes model, ExportPackage& package, Diagnostics& diagnostics);

/// What another model changes in a package: its model, and the manifest's ModelFileSHA1, every
/// other byte of which stays. files: what `package` was read from. model: pieces that outlive the
/// result. errors: Malformed.
[[nodiscard]] Result<std::vector<ReplacedFile>> replace_model(const FileSet& files,
                                                              const ExportPackage& package,
                                                              std::span<const Bytes> model);

}  // namespace visionpress
