#include "package/foreign_set.h"

#include <algorithm>
#include <string>

namespace visionpress {
namespace {

/// Recognises an archive by the names that programs give their entries.
std::string_view name_archive(const FileSet& files) {
  const auto has = [&](std::string_view ending) {
    return std::ranges::any_of(files.names(), [&](const std::string& name) {
      return name == ending || name.ends_with("/" + std::string(ending));
    });
  };
  if (has("data.pkl")) {
    return "a PyTorch model (.pt, .pth); export it to Core ML or TensorFlow Lite first";
  }
  if (has("model.weights.h5")) {
    return "a Keras model (.keras); convert it to TensorFlow Lite first";
  }
  const auto has_type = [&](std::string_view ending) {
    return std::ranges::any_of(files.names(),
                               [&](const std::string& name) { return name.ends_with(ending); });
  };
  if (has("keras_model.h5") && has("labels.txt")) {
    return "Teachable Machine's Keras export (keras_model.h5); export the project as TensorFlow "
           "Lite";
  }
  if (has_type(".h5") || has_type(".hdf5")) {
    return "an archive with a Keras HDF5 file (.h5); convert it to TensorFlow Lite first";
  }
  if (has("model.json") && has_type(".bin")) {
    return has("metadata.json")
               ? "Teachable Machine's TensorFlow.js export (model.json, metadata.json); export the "
                 "project as TensorFlow Lite"
               : "a TensorFlow.js model (model.json); convert its source to TensorFlow Lite";
  }
  const bool has_mlpackage = std::ranges::any_of(files.names(), [](const std::string& name) {
    return name.find(".mlpackage/") != std::string::npos ||
           name.ends_with("com.apple.CoreML/model.mlmodel");
  });
  if (has_mlpackage) {
    return "a Core ML package (.mlpackage) in a ZIP archive, which is not read yet";
  }
  if (has("AndroidManifest.xml")) return "an Android application; name the model inside";
  if (has("[Content_Types].xml")) return "an Office document";
  const bool is_arrays =
      !files.names().empty() && std::ranges::all_of(files.names(), [](const std::string& name) {
        return name.ends_with(".npy");
      });
  return is_arrays ? "NumPy arrays (.npz)" : "";
}

}  // namespace

std::string_view name_foreign_set(const FileSet& files) {
  if (files.kind() == FileSet::Kind::Archive) return name_archive(files);
  if (files.has("coremldata.bin")) {
    return "a compiled Core ML model (.mlmodelc); name the .mlmodel that it was compiled from";
  }
  if (files.has("model.json") && std::ranges::any_of(files.names(), [](const std::string& name) {
        return name.ends_with(".bin");
      })) {
    return "a TensorFlow.js model (model.json); convert its source to TensorFlow Lite";
  }
  // source: Apple's MLPackage, the one file at the top of each.
  if (files.has("Manifest.json")) {
    return "a Core ML package (.mlpackage), which is not read yet";
  }
  return "";
}

}  // namespace visionpress
