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

/// Whose choices the file follows where there is more than one way.
enum class Compatibility : std::uint8_t {
  Current,       ///< what runtimes since TensorFlow 2 like best
  TensorFlow112  ///< as TensorFlow 1.12's converter wrote files; see docs/formats/tflite.md
};

struct ConvertOptions {
  std::string input = {};
  std::string output = {};   ///< empty: INPUT's name with .tflite for its extension, beside it
  std::string weights = {};  ///< a name of `schemes()`; empty: float32
  Compatibility compatibility = Compatibility::Current;
  /// Width and height of the image input, in pixels, where the file leaves them open.
  std::optional<std::array<std::int64_t, 2>> input_size = std::nullopt;
  /// Values of scalar inputs, which the file then holds in place of the inputs.
  std::vector<InputSetting> settings = {};
  bool check = true;  ///< run the file once beside its source before it is kept
  /// After so many seconds, more than 0, the check is given up and the file kept unchecked. Looked
  /// at between operators.
  double check_seconds = 60.0;
  bool overwrite = false;  ///< an existing output; the input is never written
  int threads = 0;         ///< 0: one a core. The result does not depend on it
};

/// What running the new file once beside its source showed. The picture is made here and always the
/// same; differences are shares of an output's range, the largest of all outputs.
struct ConversionCheck {
  bool done = false;
  /// The source cannot be run here, or the time was up; empty where not asked for.
  std::string not_done_because = {};
  double difference = 0.0;  ///< of the float32 form; at most 0.001, else there is no file
  /// Of weights in fewer bits, with the runtime's own arithmetic; empty without a scheme, and where
  /// the time was up before it was known.
  std::optional<double> scheme_difference = std::nullopt;
  double seconds = 0.0;
};

struct ConvertResult {
  std::string input = {};
  std::string output = {};
  std::string from = {};    ///< "TensorFlow"
  std::string to = {};      ///< "TFLite"
  std::string scheme = {};  ///< "float32" where no scheme was asked for
  std::uint64_t bytes_before = 0;
  std::uint64_t bytes_after = 0;
  std::size_t layers_before = 0;        ///< nodes that compute, constants left out
  std::size_t layers_after = 0;         ///< operators of the new file
  std::vector<WeightRow> weights = {};  ///< of the scheme; empty without one
  ConversionCheck check = {};
  std::vector<std::string> warnings = {};
};

/// Converts, writes beside the output, reads that back and compares it with what was meant, runs it
/// once beside its source, then renames.
/// errors: Usage (unknown scheme, output is the input, an input size that the file leaves open, a
/// file that is TFLite already), Io, Malformed, Unsupported (all operators that TFLite lacks in one
/// message), Output.
[[nodiscard]] Result<ConvertResult> convert(const ConvertOptions& options);

}  // namespace visionpress
