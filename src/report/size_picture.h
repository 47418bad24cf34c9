#pragma once

// A picture of quality against size, as SVG: what each file holds for its bytes.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace visionpress {

struct SizePoint {
  std::string label = {};
  std::uint64_t bytes = 0;  ///< 1 or more
  double score = 0.0;
  std::optional<double> low = std::nullopt;  ///< an interval around the score
  std::optional<double> high = std::nullopt;
  bool is_ours = true;  ///< false: measured elsewhere, drawn hollow
};

/// points: at least one. The horizontal axis is logarithmic. score_name: of the vertical axis.
[[nodiscard]] std::string draw_size_picture(const std::vector<SizePoint>& points,
                                            const std::string& score_name);

}  // namespace visionpress
