#pragma once

/// Rewrites a model file with its weights in fewer bits.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "visionpress/result.h"

namespace visionpress {

/// A way to store weights.
struct SchemeInfo {
  std::string name = {};
  std::string help = {};
  int bits = 0;
};

/// Every scheme, in the order of the help.
[[nodiscard]] std::vector<SchemeInfo> schemes();

/// How TFLite stores and runs an 8-bit kernel; Core ML has one way and ignores it.
enum class IntegerStorage : std::uint8_t {
  Hybrid,      ///< int8 kernel; the runtime quantizes activations on the fly (faster on phones)
  WeightOnly,  ///< int8 kernel behind a DEQUANTIZE: float arithmetic
};

struct CompressOptions {
  std::string input = {};
  std::string output = {};  ///< empty: INPUT's name with the scheme before the extension, beside it
  std::string scheme = {};  ///< a name of `schemes()`
  /// Layers that stay as they are: names or globs (* and ?) of layers or weights. Each must match.
  std::vector<std::string> keep = {};
  bool keep_first_last = false;  ///< the first and the last layer with a kernel stay as they are
  std::optional<std::size_t> min_elements =
      std::nullopt;              ///< smaller weights stay; default: the scheme's own
  bool quantize_biases = false;  ///< biases and vectors too, where the format can hold them
  IntegerStorage integer_storage = IntegerStorage::Hybrid;
  bool overwrite = false;  ///< an existing output; the input is never written
  int threads = 0;         ///< 0: one a core. The result does not depend on it
};

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

struct CompressResult {
  std::string input = {};
  std::string output = {};
  std::string format = {};
  std::string scheme = {};
  std::uint64_t bytes_before = 0;
  std::uint64_t bytes_after = 0;
  std::vector<WeightRow> weights = {};
  std::vector<std::string> warnings = {};

  [[nodiscard]] std::size_t changed_count() const;
  /// The changed weight with the lowest SNR; null when none was changed.
  [[nodiscard]] const WeightRow* worst() const;
};

/// Compresses, writes beside the output, reads that back and compares it with what was meant, then
/// renames.
/// errors: Usage (unknown scheme or layer, output is the input), Io, Malformed, Unsupported (the
/// input), InvalidArgument (a weight that is not finite), Output.
[[nodiscard]] Result<CompressResult> compress(const CompressOptions& options);

}  // namespace visionpress
