#pragma once

// Schemes that a user lists for several models at once: "fp16" for every format, "coreml:fp16" for
// one format.

#include <string>
#include <string_view>
#include <vector>

#include "formats/open_model.h"
#include "model/graph.h"
#include "visionpress/result.h"

namespace visionpress {

/// errors: Usage for a scheme that is not offered, and for an unknown word before the colon.
[[nodiscard]] Result<void> check_schemes(const std::vector<std::string>& schemes);

/// Whether a list asks for a scheme in a format. schemes: checked; empty: all schemes.
[[nodiscard]] bool is_wanted(const std::vector<std::string>& schemes, Format format,
                             std::string_view scheme);

/// A warning for each scheme of a format that no model has. titles: of the models' formats.
[[nodiscard]] std::vector<std::string> list_unused(const std::vector<std::string>& schemes,
                                                   const std::vector<std::string>& titles);

/// The schemes of a list that would make a model's file smaller, and why the others would not.
struct UsefulSchemes {
  std::vector<std::string> names = {};
  std::vector<std::string> left_out = {};  ///< "fp16 is left out: it would change nothing"
};

/// schemes: checked; empty: all. model: not a SavedModel.
[[nodiscard]] UsefulSchemes list_useful(const std::vector<std::string>& schemes,
                                        const OpenedModel& model, int threads);

}  // namespace visionpress
