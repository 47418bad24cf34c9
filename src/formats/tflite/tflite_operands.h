#pragma once

// What every lowering asks of an operator: its inputs, constant parameters and activation, checked.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "formats/tflite/tflite_operators.h"

namespace visionpress::tflite {

/// Null when the operator lists no such input or leaves it out.
[[nodiscard]] const Tensor* find_input(const TfliteOperator& source, std::size_t slot);
/// errors: Malformed when one of the first `count` inputs is missing.
[[nodiscard]] Result<void> check_input_count(const TfliteOperator& source, std::size_t count);
/// errors: Malformed unless the operator has exactly so many of both.
[[nodiscard]] Result<void> check_operand_counts(const TfliteOperator& source, std::size_t inputs,
                                                std::size_t outputs);
/// errors: Malformed, naming both, unless the inputs `first` and `second` have one type.
[[nodiscard]] Result<void> check_same_type(const TfliteOperator& source, std::size_t first,
                                           std::size_t second);
/// errors: Malformed unless input `slot` is of the type.
[[nodiscard]] Result<void> check_type(const TfliteOperator& source, std::size_t slot, DType wanted);
/// errors: Malformed unless input `slot` is int32 or int64.
[[nodiscard]] Result<void> check_index_type(const TfliteOperator& source, std::size_t slot);
/// errors: Malformed unless input `slot` has four axes.
[[nodiscard]] Result<void> check_image(const TfliteOperator& source, std::size_t slot);
/// errors: Malformed, naming `what`, when the value is below 1.
[[nodiscard]] Result<void> check_positive(const TfliteOperator& source, const char* what,
                                          std::int64_t value);
/// An axis as a count from the outermost. errors: Malformed outside -rank..rank-1.
[[nodiscard]] Result<int> check_axis(const TfliteOperator& source, std::int64_t axis,
                                     std::size_t rank);
[[nodiscard]] Result<std::vector<int>> check_axes(const TfliteOperator& source,
                                                  const std::vector<std::int64_t>& axes,
                                                  std::size_t rank);

/// The values of an INT32 or INT64 constant; nothing when the tensor is computed or of another
/// type.
[[nodiscard]] std::optional<std::vector<std::int64_t>> find_integers(const Tensor* tensor);
[[nodiscard]] std::optional<std::int64_t> find_integer(const Tensor* tensor);
/// The one value of a float constant.
[[nodiscard]] std::optional<float> find_float(const TfliteOperator& source, std::size_t slot);

[[nodiscard]] bool is_whole(DType dtype);  ///< int32 or int64
/// What the file says of the sizes of output `slot`, -1 where they are known only in a run.
[[nodiscard]] Shape stated_shape(const TfliteOperator& source, std::size_t slot = 0);

/// What LiteRT applies: nothing for TANH and SIGN_BIT. Nothing is returned for values it has no
/// name for.
[[nodiscard]] std::optional<FusedActivation> find_activation(tfl::Activation activation);
/// Whether LiteRT's kernels read the activation and apply nothing; some operators refuse it.
[[nodiscard]] bool is_passed_over(tfl::Activation activation);
[[nodiscard]] std::string activation_reason(tfl::Activation activation);
[[nodiscard]] SpatialPadding padding_of(tfl::Padding padding);

[[nodiscard]] Lowered lowered(Op op, std::vector<TensorId> inputs);
/// A value between the steps of an operator. returns: its id once the reader has taken it over.
TensorId make_value(const TfliteOperator& source, LoweredOperator& result, Tensor value);
/// As above, of the type of input `like`.
TensorId make_value(const TfliteOperator& source, LoweredOperator& result, const char* suffix,
                    std::size_t like);
[[nodiscard]] Lowered unsupported(const TfliteOperator& source, std::string why);
[[nodiscard]] tl::unexpected<Error> missing_options(const TfliteOperator& source);

}  // namespace visionpress::tflite
