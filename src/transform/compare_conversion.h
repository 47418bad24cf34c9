#pragma once

// Checks a conversion: runs the source graph and the converted graph on the same synthetic picture.

#include <string>
#include <vector>

#include "base/stop.h"
#include "model/graph.h"
#include "visionpress/result.h"
#include "visionpress/vocabulary.h"

namespace visionpress {

/// The largest accepted difference between an output and the source's, as a share of the output's
/// span. Over a whole network, float32 sums in another order and folded batch normalizations change
/// outputs by 1e-6 to 1e-4 of the span; a wrong conversion changes them by far more.
inline constexpr double kMostConvertedDifference = 1e-3;

/// Where two graphs differ most.
struct OutputDifference {
  /// The largest difference between two values of an output, as a share of the output's span: its
  /// range plus a tenth of its largest value, which matters where an output hardly varies. Infinite
  /// where NaN meets a number, or an infinity meets anything but itself.
  double share = 0.0;
  std::string output = {};      ///< the name of that output
  std::string other_form = {};  ///< not empty: how the outputs differ in number or shape

  [[nodiscard]] bool agrees() const {
    return other_form.empty() && share <= kMostConvertedDifference;
  }
};

/// The result of a comparison.
struct ConversionOutcome {
  std::string not_done_because = {};  ///< not empty: the source cannot be run here
  bool was_stopped = false;           ///< `stop` ended the comparison early; nothing else is set
  OutputDifference difference = {};
  std::size_t not_finite = 0;  ///< NaN and infinities among the source's values
  std::size_t values = 0;      ///< the number of values in the source's outputs
};

/// Runs both graphs in float32 with decoded weights. Rounding can flip a floor, a comparison or the
/// order of two boxes and so move a result by a whole step. A graph that has such operators and
/// differs by more than kMostConvertedDifference therefore runs on four more pictures, and passes
/// if three of the five agree.
/// stop: checked between operators.
/// errors: those of running the written graph, where the source runs.
[[nodiscard]] Result<ConversionOutcome> compare_conversion(const Graph& source,
                                                           const Graph& written,
                                                           const Shape& input_shape, int threads,
                                                           const Stop& stop = {});

/// The same on one picture, with the written graph in its runtime's arithmetic: shows the cost of
/// weights in fewer bits. It says little about real pictures; use `evaluate` for those.
[[nodiscard]] Result<ConversionOutcome> measure_conversion(const Graph& source,
                                                           const Graph& written,
                                                           const Shape& input_shape, int threads,
                                                           const Stop& stop = {});

}  // namespace visionpress
