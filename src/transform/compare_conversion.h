#pragma once

// Runs a converted graph beside its source on the same picture, which is made here.

#include <string>
#include <vector>

#include "base/stop.h"
#include "model/graph.h"
#include "visionpress/evaluate.h"
#include "visionpress/result.h"

namespace visionpress {

/// How far an output may lie from its source's, as a share of its span. Sums of float32 in another
/// order, and batch normalizations that became part of a kernel, differ by 1e-6 to 1e-4 of it over
/// a whole network; a graph that computes something else by far more.
inline constexpr double kMostConvertedDifference = 1e-3;

/// Where two graphs differ most.
struct OutputDifference {
  /// The largest difference of a value of an output, as a share of the output's span: its range and
  /// a tenth of its largest value, which counts where an output hardly varies. Infinite where NaN
  /// stands beside a number, or one infinity beside anything else.
  double share = 0.0;
  std::string output = {};      ///< whose it is
  std::string other_form = {};  ///< not empty: how the outputs differ in number or shape

  [[nodiscard]] bool agrees() const {
    return other_form.empty() && share <= kMostConvertedDifference;
  }
};

/// What became of a comparison.
struct ConversionOutcome {
  std::string not_done_because = {};  ///< not empty: the source cannot be run here
  bool was_stopped = false;           ///< it was to end before it was done; nothing else is set
  OutputDifference difference = {};
  std::size_t not_finite = 0;  ///< NaN and infinities among the source's values
  std::size_t values = 0;      ///< of the source's outputs
};

/// Runs both in float32, weights decoded. Rounding may move what jumps (a floor, a comparison, the
/// order of two boxes) by a whole step: a graph with such operators that differs beyond
/// kMostConvertedDifference gets four more pictures and agrees where it does on three of the five.
/// stop: looked at between operators.
/// errors: the written graph does not run though its source does.
[[nodiscard]] Result<ConversionOutcome> compare_conversion(const Graph& source,
                                                           const Graph& written,
                                                           const Shape& input_shape, int threads,
                                                           const Stop& stop = {});

/// The same of one picture, the written graph with its runtime's arithmetic: what weights in fewer
/// bits cost there. It says little of real pictures; `evaluate` does.
[[nodiscard]] Result<ConversionOutcome> measure_conversion(const Graph& source,
                                                           const Graph& written,
                                                           const Shape& input_shape, int threads,
                                                           const Stop& stop = {});

}  // namespace visionpress
