#pragma once

/// Rewrites a model file with its weights in fewer bits.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "visionpress/calibration.h"
#include "visionpress/result.h"
#include "visionpress/weight_row.h"

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

/// How TFLite stores kernels of at most 4 bits; other formats ignore it.
enum class CodeStorage : std::uint8_t {
  Bytes,   ///< int8 of few levels, which LiteRT's fast kernels read; a download packs them
  Packed,  ///< int4, two codes per byte: half the file, but LiteRT unpacks them in each run.
           ///< Depthwise kernels that are not weight-only stay bytes, since LiteRT reads no others
};

struct CompressOptions {
  std::string input = {};
  std::string output = {};  ///< empty: INPUT with the scheme before the extension; or a folder
  std::string scheme = {};  ///< a name of `schemes()`
  /// Layers that stay as they are: names or globs (* and ?) of layers or weights. Each must match.
  std::vector<std::string> keep = {};
  bool keep_first_last = false;  ///< the first and the last layer with a kernel stay as they are
  /// Below 6 bits: depthwise kernels, those of the first layer and those of the last layers get 8
  /// bits.
  bool keep_sensitive = true;
  std::optional<std::size_t> min_elements =
      std::nullopt;              ///< smaller weights stay; default: the scheme's minimum
  bool quantize_biases = false;  ///< biases and vectors too, where the format can hold them
  IntegerStorage integer_storage = IntegerStorage::Hybrid;
  CodeStorage code_storage = CodeStorage::Bytes;
  /// Also counts the bytes of the new file after `gzip -9`. It can take longer than all other work.
  bool count_download = false;
  CalibrationOptions calibration = {};  ///< of forms with fewer than 8 bits, above all
  bool overwrite = false;               ///< replaces an existing output; the input is never written
  int threads = 0;                      ///< 0: one per core. The result does not depend on it
};

struct CompressResult {
  std::string input = {};
  std::string output = {};
  std::string format = {};
  std::string scheme = {};
  std::uint64_t bytes_before = 0;
  std::uint64_t bytes_after = 0;
  /// Bytes as a store sends them, where CompressOptions::count_download is set.
  std::optional<std::uint64_t> download_bytes = std::nullopt;
  CalibrationSummary calibration = {};
  std::vector<WeightRow> weights = {};
  std::vector<std::string> warnings = {};

  [[nodiscard]] std::size_t changed_count() const;
  /// The changed weight with the lowest SNR; null when none was changed.
  [[nodiscard]] const WeightRow* worst() const;
};

/// Compresses the model, writes it under a temporary name next to the output, reads it back,
/// compares it with the intended weights, then renames it.
/// errors: Usage (unknown scheme or layer, output is the input), Io, Malformed, Unsupported (the
/// input), InvalidArgument (a weight that is not finite), Output.
[[nodiscard]] Result<CompressResult> compress(const CompressOptions& options);

}  // namespace visionpress
