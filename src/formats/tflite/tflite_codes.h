#pragma once

// Maps operators of the format to operator kinds of the graph, where they correspond one to one.
// The reader and the builder share these tables. Private to this folder.

#include <optional>

#include "model/ops.h"
#include "tflite_schema_generated.h"

namespace visionpress::tflite {

/// The parameters of the kinds: LEAKY_RELU's alpha is in its options, ELU's alpha is 1, and RSQRT
/// adds no epsilon to x.
[[nodiscard]] std::optional<UnaryKind> find_unary_kind(tfl::BuiltinOperator code);
[[nodiscard]] std::optional<tfl::BuiltinOperator> find_unary_code(UnaryKind kind);

[[nodiscard]] std::optional<BinaryKind> find_binary_kind(tfl::BuiltinOperator code);
[[nodiscard]] std::optional<tfl::BuiltinOperator> find_binary_code(BinaryKind kind);

[[nodiscard]] std::optional<ReduceKind> find_reduce_kind(tfl::BuiltinOperator code);
[[nodiscard]] std::optional<tfl::BuiltinOperator> find_reduce_code(ReduceKind kind);

/// Whether both the operands and the result of the kind are truth values.
[[nodiscard]] bool is_logical(BinaryKind kind);

}  // namespace visionpress::tflite
