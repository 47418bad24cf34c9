#pragma once

/// Writes a TensorFlow frozen graph as a TensorFlow Lite file.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "visionpress/model.h"
#include "visionpress/result.h"
#include "visionpress/vocabulary.h"
#include "visionpress/weight_row.h"

namespace visionpress {

/// Which converter's choices the file follows where several are valid.
enum class Compatibility : std::uint8_t {
  Current,       ///< what suits runtimes since TensorFlow 2 best
  TensorFlow112  ///< as TensorFlow 1.12's converter wrote files; see docs/formats/tflite.md
};

struct ConvertOptions {
  std::string input = {};
  std::string output = {};   ///< empty: INPUT with the extension .tflite; or a folder
  std::string weights = {};  ///< a name of `schemes()`; empty: float32
  Compatibility compatibility = Compatibility::Current;
  /// Width and height of the image input, in pixels, where the file leaves them open.
  std::optional<std::array<std::int64_t, 2>> input_size = std::nullopt;
  /// Values of inputs other than the image; the file then holds them as constants and lacks those
  /// inputs.
  std::vector<InputSetting> settings = {};
  bool check = true;  ///< run the new file and its source once and compare
  /// Time limit of the check in seconds, more than 0. After it the file is kept unchecked. The
  /// limit is tested between operators.
  double check_seconds = 60.0;
  bool overwrite = false;  ///< replaces an existing output; the input is never written
  int threads = 0;         ///< 0: one per core. The result does not depend on it
};

/// Result of running the new file and its source once on the same picture. The picture is generated
/// and always the same. A difference is a share of an output's range; the largest over all outputs
/// counts.
struct ConversionCheck {
  bool done = false;
  /// Why there is no result: the time was up. Empty if the check was not requested.
  std::string not_done_because = {};
  double difference = 0.0;  ///< of the float32 form; at most 0.001, else no file is written
  /// The difference with weights in fewer bits and the runtime's own arithmetic. Empty without a
  /// scheme, and where the time was up first.
  std::optional<double> scheme_difference = std::nullopt;
  double seconds = 0.0;
};

struct ConvertResult {
  std::string input = {};
  std::string output = {};
  std::string from = {};    ///< "TensorFlow"
  std::string to = {};      ///< "TFLite"
  std::string scheme = {};  ///< "float32" if no scheme was requested
  std::uint64_t bytes_before = 0;
  std::uint64_t bytes_after = 0;
  std::size_t layers_before = 0;        ///< nodes that compute; constants do not count
  std::size_t layers_after = 0;         ///< operators of the new file
  std::vector<WeightRow> weights = {};  ///< for the scheme; empty without one
  ConversionCheck check = {};
  std::vector<std::string> warnings = {};
};

/// Converts the graph, writes it under a temporary name next to the output, reads it back, compares
/// it with the intended file, runs it once against its source, then renames it.
/// errors: Usage (unknown scheme, output is the input, an input size that the file leaves open, a
/// file that is TFLite already), Io, Malformed, Unsupported (one message lists all operators that
/// TFLite lacks), Output.
[[nodiscard]] Result<ConvertResult> convert(const ConvertOptions& options);

}  // namespace visionpress
