#pragma once

// What a search may give a weight: a form, and how much noise calibration may trade for a smaller
// download.
//
//   const Result<FormWish> wish = choose_wish("linear-8:0.01");

#include <string>

#include "model/form.h"
#include "visionpress/result.h"

namespace visionpress {

struct FormWish {
  Form form = {};
  /// Noise / signal, about, that the codes may add to the results of the weight's layer in exchange
  /// for fewer bits after DEFLATE; 0 to 1. 0: as little as the form allows.
  double noise = 0.0;

  friend bool operator==(const FormWish&, const FormWish&) = default;
};

/// "linear-4", or "linear-8:0.01" with noise.
[[nodiscard]] std::string name_of(const FormWish& wish);

/// errors: Usage for a form that is not offered, or has no codes to choose, and for a noise that is
/// not above 0 and at most 1.
[[nodiscard]] Result<FormWish> choose_wish(const std::string& name);

}  // namespace visionpress
