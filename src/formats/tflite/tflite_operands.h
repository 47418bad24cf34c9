#pragma once

// Checked access to an operator's inputs, constant parameters and activation, for all lowerings.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "formats/tflite/tflite_operators.h"

namespace visionpress::tflite {

/// Returns null if the operator does not list the input or omits it.
[[nodiscard]] const Tensor* find_input(const TfliteOperator& source, std::size_t slot);
/// errors: Malformed when one of the first `count` inputs is missing.
[[nodiscard]] Result<void> check_input_count(const TfliteOperator& source, std::size_t count);
/// errors: Malformed unless the operator has exactly this many inputs and outputs.
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
/// Converts an axis to a count from the outermost. errors: Malformed outside -rank..rank-1.
[[nodiscard]] Result<int> check_axis(const TfliteOperator& source, std::int64_t axis,
                                     std::size_t rank);
[[nodiscard]] Result<std::vector<int>> check_axes(const TfliteOperator& source,
                                                  const std::vector<std::int64_t>& axes,
                                                  std::size_t rank);

/// The values of an INT32 or INT64 constant; nothing when the tensor is computed or of another
/// type.
[[nodiscard]] std::optional<std::vector<std::int64_t>> find_integers(const Tensor* tensor);
[[nodiscard]] std::optional<std::int64_t> find_integer(const Tensor* tensor);
/// The value of a float constant with one element.
[[nodiscard]] std::optional<float> find_float(const TfliteOperator& source, std::size_t slot);

/// Whether the operator has activations of 8-bit integers.
[[nodiscard]] bool has_codes(const TfliteOperator& source);
/// The real value of a constant of one element, a float or an 8-bit code.
[[nodiscard]] std::optional<float> find_real(const TfliteOperator& source, std::size_t slot);

[[nodiscard]] bool is_whole(DType dtype);  ///< int32 or int64
/// The sizes that the file states for output `slot`; -1 if known only during a run.
[[nodiscard]] Shape stated_shape(const TfliteOperator& source, std::size_t slot = 0);

/// The activation that LiteRT applies: FusedActivation::None for TANH and SIGN_BIT, which it
/// ignores; nullopt for values that the schema does not name.
[[nodiscard]] std::optional<FusedActivation> find_activation(tfl::Activation activation);
/// Whether LiteRT's kernels ignore the activation; some operators refuse it instead.
[[nodiscard]] bool is_passed_over(tfl::Activation activation);
[[nodiscard]] std::string activation_reason(tfl::Activation activation);
[[nodiscard]] SpatialPadding padding_of(tfl::Padding padding);

[[nodiscard]] Lowered lowered(Op op, std::vector<TensorId> inputs);
/// Adds a value between the steps of an operator. returns: the id it will have in the graph.
TensorId make_value(const TfliteOperator& source, LoweredOperator& result, Tensor value);
/// The same, with the type of input `like`, and its scale where the operator computes codes.
TensorId make_value(const TfliteOperator& source, LoweredOperator& result, const char* suffix,
                    std::size_t like);
[[nodiscard]] Lowered unsupported(const TfliteOperator& source, std::string why);
[[nodiscard]] tl::unexpected<Error> missing_options(const TfliteOperator& source);

}  // namespace visionpress::tflite
