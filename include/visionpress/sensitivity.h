#pragma once

/// Shows which weights of a model can take few bits, and which cannot.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "visionpress/calibration.h"
#include "visionpress/result.h"
#include "visionpress/vocabulary.h"

namespace visionpress {

struct SensitivityOptions {
  std::string input = {};
  /// Names of forms to try: "linear-4", "palette-2"; with a colon and the noise / signal, 0 to 1,
  /// that the weight's codes may add in exchange for a smaller download: "linear-8:0.01". Empty:
  /// default_sensitivity_forms().
  std::vector<std::string> forms = {};
  /// The pictures; CalibrationOptions::images must be set.
  CalibrationOptions calibration = {};
  /// Pictures whose outputs are compared, at most; a third of all at most, and these then choose no
  /// codes.
  std::size_t compared = 16;
  Shard shard = {};  ///< measures this part of the weights alone; `fit` puts the parts together
  int threads = 0;   ///< 0: one per core. The result does not depend on it
};

/// One weight in one form, while all others stay as they are.
struct FormChange {
  std::string form = {};             ///< the name that was asked for
  std::uint64_t bytes = 0;           ///< of the weight in the file
  std::uint64_t download_bytes = 0;  ///< about, after gzip: by the entropy of its bytes
  /// The squared error of the network's outputs on the pictures, as a share of their squares: 0.01
  /// is an SNR of 20 dB. Probabilities are compared before their softmax or sigmoid.
  double change = 0.0;
};

struct WeightChange {
  std::string name = {};
  std::string layer = {};
  std::vector<std::int64_t> shape = {};
  std::uint64_t bytes_before = 0;
  std::vector<FormChange> forms = {};  ///< those that the file can hold for this weight
};

struct SensitivityResult {
  std::string input = {};
  std::string format = {};
  std::uint64_t bytes = 0;   ///< of the file
  std::string sha1 = {};     ///< of the file
  std::size_t pictures = 0;  ///< that chose the codes
  std::size_t views = 1;     ///< of each picture: whole, and parts of it
  std::size_t compared = 0;  ///< views whose outputs were compared
  std::uint64_t seed = 1;
  Shard shard = {};
  std::vector<WeightChange> weights = {};  ///< in the order in which layers read them
  std::vector<std::string> warnings = {};
};

/// "linear-8" to "linear-2".
[[nodiscard]] std::vector<std::string> default_sensitivity_forms();

/// Runs the network once for each weight and form, from that weight's layer on.
/// errors: Usage for an unknown form or no pictures; of `compress` with calibration.
/// example: measure_sensitivity({.input = "model.mlmodel", .calibration = {.images = "photos"}})
[[nodiscard]] Result<SensitivityResult> measure_sensitivity(const SensitivityOptions& options);

}  // namespace visionpress
