#pragma once

/// What became of one weight: a row of the tables of `compress` and `convert`.

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
  std::string to = {};    ///< equal to `from` where it was kept
  std::uint64_t bytes_before = 0;
  std::uint64_t bytes_after = 0;
  std::optional<double> snr_db = std::nullopt;  ///< of the values; infinity when nothing was lost
  std::optional<double> max_steps =
      std::nullopt;  ///< largest error in steps of the code; 0.5 is rounding
  /// The middle of its output channels' SNR, where its codes have one scale or one a channel.
  std::optional<double> channel_snr_db = std::nullopt;
  /// 8 bits: share of its values other than 0 that err by more than half of themselves.
  std::optional<double> lost_share = std::nullopt;
  std::string kept_because = {};  ///< not empty: it stays, and why
  std::string weak_because = {};  ///< not empty: it lost more than a layer should, and what
};

/// The SNR below which a changed weight is named weak, in dB. Noise of this strength in every
/// kernel changed EfficientNet-Lite0's answer for nearly half of 60 pictures (docs/schemes.md).
inline constexpr double kWeakSnrDb = 30.0;
/// The same for the middle one of a weight's output channels: a tenth of its size is lost.
inline constexpr double kWeakChannelSnrDb = 20.0;
/// The share of values lost above which a changed weight is named weak: more than half.
inline constexpr double kWeakLostShare = 0.5;

}  // namespace visionpress
