#pragma once

// The table of weight schemes. A scheme is one file in this folder; adding one is a row here.

#include <optional>
#include <span>
#include <string_view>

#include "base/float_view.h"
#include "model/source_model.h"
#include "model/weight.h"
#include "visionpress/result.h"

namespace visionpress {

/// What the codes of one weight lost.
struct EncodeError {
  double snr_db = 0.0;   ///< 10 log10(sum w^2 / sum (w - decoded)^2); infinity when equal
  double max_abs = 0.0;  ///< largest |w - decoded|
  double max_steps =
      0.0;  ///< the same in steps of the code (scale; one unit in the last place for halves)
  std::size_t saturated = 0;  ///< fp16: values beyond +-65504 that became +-65504
};

/// What an encoder may use.
struct EncodeOptions {
  int channel_axis = 0;
  bool symmetric = false;   ///< the format wants zero offsets and signed codes (FormatLimits)
  bool per_channel = true;  ///< a scale an output channel; else, and for vectors, one
  /// Linear codes: halves between two codes go away from zero, as TensorFlow 1.12 rounded; else to
  /// the even code.
  bool ties_away = false;
  int threads = 1;               ///< the result does not depend on it
  EncodeError* error = nullptr;  ///< not null: filled in the encoder's own pass over the weights
};

struct Scheme {
  std::string_view name;  ///< one spelling everywhere: flag, report, docs
  std::string_view help;  ///< one line
  int bits;
  bool floating;  ///< changes a layer's floating type, so FormatLimits::float16_by_layer applies
  std::size_t min_elements;  ///< smaller weights stay as they are unless asked
  /// weights: row-major of `shape`, finite, at any alignment.
  /// errors: InvalidArgument for NaN or infinity, and where `shape` does not fit them.
  Result<EncodedWeight> (*encode)(FloatView weights, const Shape& shape,
                                  const EncodeOptions& options);
  /// The code that `encode` gives weights of this shape, but for its values: scales are 1.
  /// For the size of a file that is not made.
  WeightCode (*outline)(const Shape& shape, const EncodeOptions& options);
};

[[nodiscard]] std::span<const Scheme> all_schemes();
[[nodiscard]] const Scheme* find_scheme(std::string_view name);

/// Compares an encoded weight with the values it was made from.
/// errors: Malformed as check_weight; InvalidArgument when `encoded` holds another number of
/// values.
[[nodiscard]] Result<EncodeError> measure_error(FloatView weights, const WeightRef& encoded,
                                                int threads);

}  // namespace visionpress
