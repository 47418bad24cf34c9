#pragma once

// What compress and convert share: weights become codes, and a written file is read back.

#include <cstddef>
#include <string>
#include <vector>

#include "api/plan.h"
#include "codecs/scheme.h"
#include "model/graph.h"
#include "visionpress/compress.h"
#include "visionpress/result.h"

namespace visionpress {

/// errors: Usage, naming all schemes and the nearest.
[[nodiscard]] Result<const Scheme*> choose_scheme(const std::string& name);

/// A weight on its way: its row of the result and, where it changes, its new form.
struct Encoded {
  WeightRow row = {};
  EncodedWeight value = {};
};

/// Encodes what the plan says, one weight after the other with all threads on each: one scratch
/// buffer is then enough for the whole model. A weight that a codec cannot take stays as it is.
/// plan: one entry a weight of the graph.
/// errors: Malformed where a stored weight cannot be decoded, with its path.
[[nodiscard]] Result<std::vector<Encoded>> encode_all(const Graph& graph,
                                                      std::vector<PlannedWeight> plan,
                                                      const Scheme& scheme, int threads);

/// What a rewrite is to replace; borrows from `all`.
[[nodiscard]] std::vector<WeightEdit> list_edits(const std::vector<Encoded>& all);

/// Reads the written file anew and compares every weight with what was meant.
/// errors: of the reader; Internal for a difference.
[[nodiscard]] Result<void> verify_written(const std::string& path, const Graph& source,
                                          const std::vector<Encoded>& all);

}  // namespace visionpress
