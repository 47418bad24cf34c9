#pragma once

// The check of `convert` runs the new file and its source and compares their outputs.

#include "model/graph.h"
#include "visionpress/convert.h"
#include "visionpress/result.h"
#include "visionpress/vocabulary.h"

namespace visionpress {

/// The check of `convert`: fills in result.check, and warns of anything odd in the run. After
/// check_seconds, counted with the time result.check has taken already, it is given up.
/// errors: Unsupported where the source cannot be run, so that nothing can be compared; Internal
/// where the written graph does not run, or differs from its source by more than
/// kMostConvertedDifference.
[[nodiscard]] Result<void> check_conversion(const Graph& source, const Graph& written,
                                            const Shape& input_shape, int threads,
                                            double check_seconds, ConvertResult& result);

/// Measures the difference that weights in fewer bits make to the source, and stores it in
/// result.check without a limit. Does so only if result.check is done.
/// errors: of the run.
[[nodiscard]] Result<void> measure_scheme(const Graph& source, const Graph& written,
                                          const Shape& input_shape, int threads,
                                          double check_seconds, ConvertResult& result);

}  // namespace visionpress
