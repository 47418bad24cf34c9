#pragma once

// The weights with which ONNX's Resize makes each line of its result from lines of its input, along
// one axis. source: onnx/onnx docs/Operators.md, Resize (opsets 10 to 19).

#include <cstdint>
#include <string>
#include <vector>

#include "visionpress/result.h"

namespace visionpress::onnx {

enum class ResizeMode : std::uint8_t { Nearest, Linear, Cubic };

/// The attributes of one Resize.
struct ResizeRules {
  ResizeMode mode = ResizeMode::Nearest;
  std::string coordinates = "half_pixel";
  std::string nearest = "round_prefer_floor";
  double cubic = -0.75;
  bool excludes_outside = false;
  bool antialiases = false;
};

/// One axis.
struct ResizeAxis {
  std::int64_t in = 1;
  std::int64_t out = 1;
  double scale = 1.0;
  double roi_start = 0.0;  ///< tf_crop_and_resize
  double roi_end = 1.0;
};

/// One line of the result.
struct ResizeTaps {
  std::vector<std::int64_t> lines = {};  ///< of the input, each inside it
  std::vector<double> weights = {};
  bool is_outside = false;  ///< tf_crop_and_resize: it is the extrapolation value
};

/// Whether the names of the rules are known.
[[nodiscard]] bool knows_rules(const ResizeRules& rules);

/// The taps of line `i` of the result. A nearest line has one of weight 1.
[[nodiscard]] ResizeTaps find_taps(const ResizeRules& rules, const ResizeAxis& axis,
                                   std::int64_t i);

}  // namespace visionpress::onnx
