#pragma once

// Operators on small constants, for the shapes and scalars that graphs compute.

#include <optional>
#include <vector>

#include "formats/graphdef/graphdef_schema.h"
#include "model/ops.h"

namespace visionpress::graphdef {

/// A constant operand, row-major.
struct FoldOperand {
  const Shape& shape;
  const std::vector<double>& values;
};

/// The result of `op` with the given shape and type, rounded as that type is; an unknown integer
/// (NaN) gives an unknown one. Nothing for operators that are not computed here.
/// `shape` has no open size and no more elements than its operands allow.
[[nodiscard]] std::optional<std::vector<double>> fold(const Op& op,
                                                      const std::vector<FoldOperand>& operands,
                                                      const Shape& shape, DataType dtype);

}  // namespace visionpress::graphdef
