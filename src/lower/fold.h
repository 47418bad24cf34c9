#pragma once

// Constant folding: an operator on values that are known before a run. Readers work out the sizes
// and scalars that graphs compute, conversion the constants that nothing else is read for. One
// result per element in double, rounded once to the type of the result, as TensorFlow computes
// whole numbers: an integer quotient is cut towards zero, a floor quotient is not.

#include <cstdint>
#include <optional>
#include <vector>

#include "model/ops.h"

namespace visionpress {

/// How a result is rounded.
enum class FoldRounding : std::uint8_t {
  Float32,  ///< to the nearest float
  None,     ///< a float of another width: kept as computed
  Whole,    ///< cut towards zero: integers and truth values
};

/// What the elements of a result may be.
struct FoldType {
  FoldRounding rounding = FoldRounding::Float32;
  /// Of Whole: what the type holds. Beyond 2^53 a double holds no integer exactly.
  double least = -9007199254740992.0;
  double most = 9007199254740992.0;
};

/// Of a tensor of this type; whole numbers without a narrower range for those that are none.
[[nodiscard]] FoldType fold_type_of(DType dtype);

/// A constant operand, row-major.
struct FoldOperand {
  const Shape& shape;
  const std::vector<double>& values;
};

/// The one result of `op`, row-major; an unknown integer (NaN) gives an unknown one.
/// shape: the result's, by the operator's shape rule; no size is open.
/// returns: nothing for operators that are not computed here, for results that their operands do
/// not settle, and for whole numbers that their type does not hold: there TensorFlow wraps around,
/// or what it does is undefined.
[[nodiscard]] std::optional<std::vector<double>> fold(const Op& op,
                                                      const std::vector<FoldOperand>& operands,
                                                      const Shape& shape, const FoldType& type);

}  // namespace visionpress
