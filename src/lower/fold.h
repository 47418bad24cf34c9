#pragma once

// Constant folding: an operator on values that are known before a run. Readers use it for sizes and
// scalars that graphs compute, conversion for operators that read only constants. Each element is
// computed in double and rounded once to the type of the result. Whole numbers follow TensorFlow:
// an integer quotient is cut towards zero, a floor quotient is not.

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

/// The values that the elements of a result may have.
struct FoldType {
  FoldRounding rounding = FoldRounding::Float32;
  /// Whole: the type's range. Doubles do not hold every integer beyond 2^53.
  double least = -9007199254740992.0;
  double most = 9007199254740992.0;
};

/// The FoldType of a tensor of this type. Types without an entry of their own (int64, truth values)
/// are whole numbers of the widest range.
[[nodiscard]] FoldType fold_type_of(DType dtype);

/// A constant operand, row-major.
struct FoldOperand {
  const Shape& shape;
  const std::vector<double>& values;
};

/// Computes the one result of `op`, row-major. NaN stands for an unknown integer; a result that
/// depends on one is NaN too.
/// shape: the result's, by the operator's shape rule; no size is open.
/// returns: nothing for operators that are not folded, for results that the operands do not decide,
/// and for whole numbers outside their type's range: there TensorFlow wraps around or is undefined.
[[nodiscard]] std::optional<std::vector<double>> fold(const Op& op,
                                                      const std::vector<FoldOperand>& operands,
                                                      const Shape& shape, const FoldType& type);

}  // namespace visionpress
