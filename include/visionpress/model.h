#pragma once

/// The contents of a model file.

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "visionpress/result.h"

namespace visionpress {

/// An input or output of the network.
struct ValueInfo {
  std::string name = {};
  std::vector<std::int64_t> shape = {};  ///< outermost first; -1 where the file leaves it open
  std::string type = {};                 ///< "float32", "int8", ...
  bool has_rank = true;  ///< false: the file does not say how many axes there are; shape is empty
};

struct LayerInfo {
  std::string name = {};
  std::string type = {};                ///< the format's own name for it
  std::string cannot_run_because = {};  ///< empty: the layer can be run here
};

struct WeightInfo {
  std::string name = {};
  std::string layer = {};  ///< what `keep` of CompressOptions matches
  std::string role = {};   ///< "kernel", "bias", "vector", "constant"
  std::vector<std::int64_t> shape = {};
  std::string encoding = {};  ///< "float32", "float16", "linear-8", "palette-6", ...
  std::uint64_t elements = 0;
  std::uint64_t bytes = 0;         ///< of the payload in the file
  std::string fixed_because = {};  ///< empty: the weight can be replaced
};

/// The effect that a scheme would have on the file, computed without applying it.
struct SchemeFit {
  std::string name = {};
  std::string help = {};
  std::size_t weights = 0;          ///< weights that the scheme would replace
  std::uint64_t file_bytes = 0;     ///< of the model that `compress` would write
  std::string cannot_because = {};  ///< not empty: why `compress` refuses
};

/// The Custom Vision export that a model came in. Texts are empty where the manifest has none.
struct PackageInfo {
  std::string domain_type = {};  ///< "Classification", "ObjectDetection"
  std::string platform = {};     ///< "CoreML", "TensorFlow", "DockerFile"
  std::string flavor = {};       ///< "TensorFlowLite", "Linux"
  std::string exporter_version = {};
  std::string exported_date = {};
  std::string iteration_id = {};
  std::string model_file = {};                         ///< path in the package
  std::optional<bool> sha1_matches = std::nullopt;     ///< empty: the manifest names no SHA-1
  std::map<std::string, std::string> properties = {};  ///< metadata_properties.json
};

struct ModelInfo {
  std::string file = {};
  std::optional<PackageInfo> package = std::nullopt;  ///< set if `file` is a package
  std::uint64_t bytes = 0;                            ///< of the model alone
  std::string format = {};                            ///< "Core ML", "TFLite"
  std::string format_version = {};
  std::string producer = {};
  std::vector<ValueInfo> inputs = {};
  std::vector<ValueInfo> outputs = {};
  std::string image_input = {};  ///< "416x416 RGB (Core ML image input)"; empty where unknown
  /// Nothing says how the pixels of an image input are scaled, so the other commands assume 0..255.
  bool range_is_guess = false;
  std::vector<LayerInfo> layers = {};
  std::vector<WeightInfo> weights = {};
  std::vector<std::string> labels = {};
  std::string labels_source = {};
  std::map<std::string, std::string> metadata = {};
  std::vector<SchemeFit> schemes = {};
  std::vector<std::string> warnings = {};
};

/// Reads a model file and describes its contents. Reads the weights' values, since some fit no
/// scheme, but encodes nothing. errors: Io, Malformed, Unsupported (for a file that is not a model
/// the message says what it seems to be).
[[nodiscard]] Result<ModelInfo> inspect(const std::string& file);
/// The same, given the width and height of an image input whose size the file leaves open.
[[nodiscard]] Result<ModelInfo> inspect(
    const std::string& file, const std::optional<std::array<std::int64_t, 2>>& input_size);

}  // namespace visionpress
