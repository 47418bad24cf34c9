#pragma once

#include <cstddef>
#include <cstdint>

#include "model/source_model.h"
#include "model/weight.h"
#include "press/press_options.h"
#include "visionpress/result.h"

namespace visionpress {

/// The size of a file with its weights in a form.
struct FormEstimate {
  std::size_t weights = 0;  ///< weights that would change; 0 where the file stays as it is
  std::uint64_t bytes = 0;  ///< size of the file that its writer would write
};

/// Whether some weight of the file can be stored in the form. A form that a format cannot hold is
/// not offered.
[[nodiscard]] bool can_hold(const SourceModel& model, const PressOptions& options);

/// Plans and measures without encoding. `inspect` shows the result, and `experiment` decides by it
/// whether a form gets a column.
/// errors: those with which pressing the file would fail.
[[nodiscard]] Result<FormEstimate> estimate_form(const SourceModel& model,
                                                 const PressOptions& options,
                                                 std::uint64_t source_bytes);

/// About the bytes that a weight takes of a download: of equal scales gzip keeps one, and zero
/// points are equal.  stored_bits: PlannedWeight::stored_bits
[[nodiscard]] std::uint64_t estimate_download(const EncodedWeight& weight, int stored_bits);

}  // namespace visionpress
