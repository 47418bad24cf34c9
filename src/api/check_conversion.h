#pragma once

// The check of `convert`: what running the new file beside its source says of it.

#include "model/graph.h"
#include "visionpress/convert.h"
#include "visionpress/result.h"
#include "visionpress/vocabulary.h"

namespace visionpress {

/// The check of `convert`: fills in result.check, and warns of what it saw. After check_seconds,
/// counted with what result.check has taken already, it is given up.
/// errors: Internal, what runs wrong and how, where the written graph does not run though its
/// source does, or differs from it by more than kMostConvertedDifference.
[[nodiscard]] Result<void> check_conversion(const Graph& source, const Graph& written,
                                            const Shape& input_shape, int threads,
                                            double check_seconds, ConvertResult& result);

/// What weights in fewer bits change beside the source, said in result.check and not judged. Only
/// where result.check is done.
/// errors: of the run.
[[nodiscard]] Result<void> measure_scheme(const Graph& source, const Graph& written,
                                          const Shape& input_shape, int threads,
                                          double check_seconds, ConvertResult& result);

}  // namespace visionpress
