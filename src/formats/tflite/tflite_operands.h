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

[[nodiscard]] std::optional<FusedActivation> find_activation(tfl::Activation activation);
[[nodiscard]] std::string activation_reason(tfl::Activation activation);
[[nodiscard]] SpatialPadding padding_of(tfl::Padding padding);

[[nodiscard]] Lowered lowered(Op op, std::vector<TensorId> inputs);
[[nodiscard]] Lowered unsupported(const TfliteOperator& source, std::string why);
[[nodiscard]] tl::unexpected<Error> missing_options(const TfliteOperator& source);

}  // namespace visionpress::tflite
