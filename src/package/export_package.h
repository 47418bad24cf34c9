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
#include <vector>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/mapped_file.h"
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

/// A package with its model ready to be read.
struct OpenedPackage {
  ExportPackage package = {};
  MappedFile file = {};      ///< the archive, or the model of a folder
  ByteBuffer unpacked = {};  ///< the model of an archive
  bool is_archive = false;
  std::string model_path = {};  ///< of a folder's model

  [[nodiscard]] Bytes model_bytes() const { return is_archive ? Bytes(unpacked) : file.bytes(); }
};

/// True for a folder that holds a manifest or one model file. Nothing is checked yet.
[[nodiscard]] bool is_package_folder(const std::string& path);

/// The model files of a folder and of the folders in it, by their names, sorted.
[[nodiscard]] std::vector<std::string> list_model_files(const std::string& path);

/// Opens an archive or a folder. An unexpected SHA-1 is a warning: real packages have it.
/// errors: Io; Malformed, Unsupported as ZipArchive::open; Malformed for a manifest that is no JSON
/// or names what is not there; Unsupported for an exporter above version 2, for TensorFlow.js, and
/// for a SavedModel in an archive.
[[nodiscard]] Result<OpenedPackage> open_package(const std::string& path, Diagnostics& diagnostics);
/// The same of an archive that is mapped already.
[[nodiscard]] Result<OpenedPackage> open_package(MappedFile archive, Diagnostics& diagnostics);

/// The archive with another model in place of its own and the manifest's ModelFileSHA1 that of the
/// new one; every other byte of the manifest and every other entry stay.
/// archive: what `package` was read from. errors: Malformed, Internal.
[[nodiscard]] Result<ByteBuffer> replace_model(Bytes archive, const ExportPackage& package,
                                               std::span<const Bytes> model);

}  // namespace visionpress
