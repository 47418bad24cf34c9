#pragma once

// The check of `convert` runs the new file and its source and compares their outputs.

#include "model/graph.h"
#include "visionpress/convert.h"
#include "visionpress/result.h"
#include "visionpress/vocabulary.h"

namespace visionpress {

/// Runs both graphs, fills in result.check and adds warnings. The check stops after check_seconds,
/// which include the time that result.check has already taken.
/// errors: Internal, saying what runs wrong and how, where the source runs but the written graph
/// does not, or differs from it by more than kMostConvertedDifference.
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
