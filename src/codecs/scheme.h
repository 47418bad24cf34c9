#pragma once

// The table of weight schemes. A scheme is one file in this folder; adding one is a row here.

#include <optional>
#include <span>
#include <string_view>

#include "model/source_model.h"
#include "model/weight.h"
#include "visionpress/result.h"

namespace visionpress {

/// What an encoder may use.
struct EncodeOptions {
  int channel_axis = 0;
  bool symmetric = false;    ///< the format wants zero offsets and signed codes (FormatLimits)
  bool per_channel = true;   ///< a scale an output channel; else one
  int threads = 1;           ///< the result does not depend on it
};

struct Scheme {
  std::string_view name;  ///< one spelling everywhere: flag, report, docs
  std::string_view help;  ///< one line
  int bits;
  bool floating;          ///< changes a layer's floating type, so FormatLimits::float16_* apply
  std::size_t min_elements;  ///< smaller weights stay as they are unless asked
  /// weights: row-major of `shape`, finite. errors: InvalidArgument for NaN or infinity.
  Result<EncodedWeight> (*encode)(std::span<const float> weights, const Shape& shape,
                                  const EncodeOptions& options);
  /// Bytes of the encoded weight: codes and scales.
  std::size_t (*estimate_bytes)(const Shape& shape, const EncodeOptions& options);
};

[[nodiscard]] std::span<const Scheme> all_schemes();
[[nodiscard]] const Scheme* find_scheme(std::string_view name);

/// What the codes of one weight lost.
struct EncodeError {
  double snr_db = 0.0;        ///< 10 log10(sum w^2 / sum (w - decoded)^2); infinity when equal
  double max_abs = 0.0;       ///< largest |w - decoded|
  double max_steps = 0.0;     ///< the same in steps of the code (scale; one unit in the last place for halves)
};
[[nodiscard]] EncodeError measure_error(std::span<const float> weights, const WeightRef& encoded,
                                        int threads);

}  // namespace visionpress
