#pragma once

// The work of `fit`: sensitivities, a search over forms, and files that are written and measured.

#include "visionpress/fit.h"
#include "visionpress/result.h"

namespace visionpress {

/// options: checked, with an output.  program: the version, a part of the key of stored work.
/// errors: as `fit`.
[[nodiscard]] Result<FitResult> fit_model(const FitOptions& options, const std::string& program,
                                          const Progress& progress);

}  // namespace visionpress
