#pragma once

/// The result for one weight: one row in the tables of `compress` and `convert`.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace visionpress {

/// One weight, changed or not.
struct WeightRow {
  std::string name = {};
  std::string layer = {};
  std::vector<std::int64_t> shape = {};
  std::string from = {};  ///< "float32"
  std::string to = {};    ///< equal to `from` if the weight was kept
  std::uint64_t bytes_before = 0;
  std::uint64_t bytes_after = 0;
  std::optional<double> snr_db = std::nullopt;  ///< of the values; infinity when nothing was lost
  std::optional<double> max_steps =
      std::nullopt;  ///< largest error in steps of the code; 0.5 is rounding
  /// Codes: median SNR of the output channels in dB.
  std::optional<double> channel_snr_db = std::nullopt;
  /// Codes: share of the non-zero values whose error exceeds half of the value.
  std::optional<double> lost_share = std::nullopt;
  std::string kept_because = {};  ///< not empty: why the weight was kept
  /// Not empty: the weight has 8 bits where fewer were asked for, and why.
  std::string wider_because = {};
  /// The codes were chosen for the layer's results on pictures; the SNR of the values says little.
  bool is_calibrated = false;
  std::string weak_because = {};  ///< not empty: what the weight lost beyond what a layer should
};

/// The SNR below which a changed weight is named weak, in dB. Noise of this strength in every
/// kernel changed EfficientNet-Lite0's answer for nearly half of 60 pictures (docs/schemes.md).
inline constexpr double kWeakSnrDb = 30.0;
/// The same limit for the median of a weight's output channels: an error of a tenth of the values'
/// size.
inline constexpr double kWeakChannelSnrDb = 20.0;
/// The share of lost values (WeightRow::lost_share) above which a changed weight is named weak.
inline constexpr double kWeakLostShare = 0.5;

}  // namespace visionpress
