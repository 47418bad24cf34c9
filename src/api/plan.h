#pragma once

#include <string>
#include <vector>

#include "codecs/scheme.h"
#include "model/source_model.h"
#include "visionpress/compress.h"
#include "visionpress/result.h"

namespace visionpress {

/// What happens to one weight: encoded, or kept for a reason.
struct PlannedWeight {
  std::string kept_because = {};  ///< empty: it is encoded
  bool is_small_already =
      false;  ///< kept because it is stored in as few bits as asked, or in codes
  EncodeOptions encode = {};
};

/// One entry a weight of the graph.
/// errors: Usage when a name to keep matches no layer and no weight, with the nearest names.
[[nodiscard]] Result<std::vector<PlannedWeight>> make_plan(const SourceModel& model,
                                                           const Scheme& scheme,
                                                           const CompressOptions& options);

/// Whether `text` fits `pattern`, in which * stands for any characters and ? for one.
[[nodiscard]] bool matches_glob(std::string_view pattern, std::string_view text);

/// The names most like `name`, best first, at most `count`; none that have nothing to do with it.
[[nodiscard]] std::vector<std::string> find_nearest(std::string_view name,
                                                    const std::vector<std::string>& names,
                                                    std::size_t count);

}  // namespace visionpress
