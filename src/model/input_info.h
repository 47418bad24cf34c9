#pragma once

// The facts that a file gives about its image input. The layer `eval` chooses a Preprocess from
// them.

#include <optional>
#include <string>
#include <vector>

namespace visionpress {

enum class ColorOrder { Rgb, Bgr, Gray };

/// Every field is optional: a bare TFLite file says almost nothing.
struct InputInfo {
  std::string name = {};
  int width = 0;  ///< pixels; 0 where the file leaves it open
  int height = 0;
  int channels = 0;
  std::optional<ColorOrder> color_order = std::nullopt;
  /// Normalization that the file asks the caller to apply (TFLite metadata): (pixel - mean[c]) /
  /// std[c]. Empty: pixels stay as they are.
  std::vector<float> mean = {};
  std::vector<float> std = {};
  /// Other sizes that the file accepts, as text: "16..64x16..64"; empty where it fixes one size.
  std::string other_sizes = {};
  std::string source =
      {};  ///< source of these facts: "Core ML image input", "TFLite metadata", "nothing"
};

}  // namespace visionpress
