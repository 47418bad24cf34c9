#pragma once

// The values that the user gives for inputs of a network other than the image.

#include <optional>
#include <vector>

#include "model/tensor.h"
#include "visionpress/result.h"
#include "visionpress/vocabulary.h"

namespace visionpress {

/// Whether `--set` can give values of this type.
[[nodiscard]] bool can_be_set(DType dtype);

struct InputValues {
  Shape shape = {};
  std::vector<double> values = {};
};

/// Parses the setting's number or truth value, or reads the array file that it names (.npy), for an
/// input of this type and shape, in which -1 is open. One number fills the whole input.
/// returns: a shape without open sizes, and as many values.
/// errors: Usage for a value that the type does not have or a shape that does not fit, with the
/// input's name; Io and Malformed from the array file.
[[nodiscard]] Result<InputValues> load_input_values(const InputSetting& setting, DType dtype,
                                                    const std::optional<Shape>& shape);

}  // namespace visionpress
