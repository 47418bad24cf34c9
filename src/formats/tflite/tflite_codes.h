#pragma once

// Which operator of the format is which kind of ours, where one stands for the other: the reader
// and the builder both go by these tables. Private to this folder.

#include <optional>

#include "model/ops.h"
#include "tflite_schema_generated.h"

namespace visionpress::tflite {

/// LEAKY_RELU's alpha is in its options, ELU's is 1, RSQRT adds nothing to x.
[[nodiscard]] std::optional<UnaryKind> find_unary_kind(tfl::BuiltinOperator code);
[[nodiscard]] std::optional<tfl::BuiltinOperator> find_unary_code(UnaryKind kind);

[[nodiscard]] std::optional<BinaryKind> find_binary_kind(tfl::BuiltinOperator code);
[[nodiscard]] std::optional<tfl::BuiltinOperator> find_binary_code(BinaryKind kind);

[[nodiscard]] std::optional<ReduceKind> find_reduce_kind(tfl::BuiltinOperator code);
[[nodiscard]] std::optional<tfl::BuiltinOperator> find_reduce_code(ReduceKind kind);

/// Whether the kind gives truth values of truth values.
[[nodiscard]] bool is_logical(BinaryKind kind);

}  // namespace visionpress::tflite
