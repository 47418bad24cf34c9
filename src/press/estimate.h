#pragma once

#include <cstddef>
#include <cstdint>

#include "model/source_model.h"
#include "press/press_options.h"
#include "visionpress/result.h"

namespace visionpress {

/// What a form would leave of a file.
struct FormEstimate {
  std::size_t weights = 0;  ///< that would change; 0 where the file stays as it is
  std::uint64_t bytes = 0;  ///< of the file, as its writer would write it
};

/// Plans and measures, and encodes nothing: what `inspect` promises of a form and whether
/// `experiment` gives it a column.
/// errors: those that pressing the file would end in.
[[nodiscard]] Result<FormEstimate> estimate_form(const SourceModel& model,
                                                 const PressOptions& options,
                                                 std::uint64_t source_bytes);

}  // namespace visionpress
