#pragma once

#include <vector>

#include "model/source_model.h"
#include "press/press.h"
#include "visionpress/result.h"

namespace visionpress {

/// Compares every weight of a written file, read back, with the intended one: changed weights have
/// exactly their codes, the others their old values.
/// source: the model that was rewritten, with `rewrite`.  written: the new file, opened.
/// errors: Internal for a difference, with the weight's path.
[[nodiscard]] Result<void> verify_written(const SourceModel& source, const RewriteOptions& rewrite,
                                          const std::vector<PressedWeight>& pressed,
                                          const Graph& written);

/// Compares the bytes of a written file with the pieces that it was made of.
/// errors: Internal for a difference.
[[nodiscard]] Result<void> verify_bytes(Bytes written, const FilePieces& meant, int threads);

}  // namespace visionpress
