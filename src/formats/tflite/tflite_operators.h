#pragma once

// The lowerings of operators, grouped by function; lower_operator chooses among them. Each reads
// the operator's options (tflite_schema.fbs) and constant inputs. errors: Malformed when options or
// inputs that the operator needs are missing or out of range.

#include "formats/tflite/tflite_lowering.h"

namespace visionpress::tflite {

using Lowered = Result<LoweredOperator>;

// Operators with weights (tflite_operators_weighted.cc).
[[nodiscard]] Lowered lower_convolution(const TfliteOperator& source);
[[nodiscard]] Lowered lower_transpose_conv(const TfliteOperator& source);
[[nodiscard]] Lowered lower_fully_connected(const TfliteOperator& source);
[[nodiscard]] Lowered lower_batch_matmul(const TfliteOperator& source);

// Custom operators by name: those of MediaPipe's graphs (tflite_operators_custom.cc).
[[nodiscard]] Lowered lower_custom(const TfliteOperator& source);

// Elementwise operators, chosen by code (tflite_codes.h); an operator that no lowering knows
// becomes Unsupported (tflite_operators_elementwise.cc).
[[nodiscard]] Lowered lower_requantize(const TfliteOperator& source);  // QUANTIZE, DEQUANTIZE
[[nodiscard]] Lowered lower_elementwise(const TfliteOperator& source);

// Operators that are several of the graph's (tflite_operators_composed.cc).
[[nodiscard]] Lowered lower_l2_normalization(const TfliteOperator& source);
[[nodiscard]] Lowered lower_log_softmax(const TfliteOperator& source);
[[nodiscard]] Lowered lower_gelu(const TfliteOperator& source);
[[nodiscard]] Lowered lower_one_hot(const TfliteOperator& source);
[[nodiscard]] Lowered lower_fake_quant(const TfliteOperator& source);

// Operators over the image plane (tflite_operators_spatial.cc).
[[nodiscard]] Lowered lower_pool(const TfliteOperator& source);
[[nodiscard]] Lowered lower_local_response_norm(const TfliteOperator& source);
[[nodiscard]] Lowered lower_pad(const TfliteOperator& source);
[[nodiscard]] Lowered lower_resize(const TfliteOperator& source);
[[nodiscard]] Lowered lower_space_depth(const TfliteOperator& source);
[[nodiscard]] Lowered lower_space_batch(const TfliteOperator& source);

// Operators that move or gather elements (tflite_operators_shape.cc).
[[nodiscard]] Lowered lower_softmax(const TfliteOperator& source);
[[nodiscard]] Lowered lower_concatenation(const TfliteOperator& source);
[[nodiscard]] Lowered lower_reshape(const TfliteOperator& source);
[[nodiscard]] Lowered lower_squeeze(const TfliteOperator& source);
[[nodiscard]] Lowered lower_expand_dims(const TfliteOperator& source);
[[nodiscard]] Lowered lower_transpose(const TfliteOperator& source);
[[nodiscard]] Lowered lower_slice(const TfliteOperator& source);
[[nodiscard]] Lowered lower_strided_slice(const TfliteOperator& source);
[[nodiscard]] Lowered lower_split(const TfliteOperator& source);
[[nodiscard]] Lowered lower_reduce(const TfliteOperator& source);
[[nodiscard]] Lowered lower_pack(const TfliteOperator& source);
[[nodiscard]] Lowered lower_unpack(const TfliteOperator& source);
[[nodiscard]] Lowered lower_tile(const TfliteOperator& source);
[[nodiscard]] Lowered lower_broadcast_to(const TfliteOperator& source);
[[nodiscard]] Lowered lower_fill(const TfliteOperator& source);
[[nodiscard]] Lowered lower_range(const TfliteOperator& source);
[[nodiscard]] Lowered lower_shape_of(const TfliteOperator& source);
[[nodiscard]] Lowered lower_rank(const TfliteOperator& source);
[[nodiscard]] Lowered lower_zeros_like(const TfliteOperator& source);
[[nodiscard]] Lowered lower_reverse(const TfliteOperator& source);
[[nodiscard]] Lowered lower_cumulative_sum(const TfliteOperator& source);

// Operators that choose elements by values computed during the run (tflite_operators_selection.cc).
[[nodiscard]] Lowered lower_gather(const TfliteOperator& source);
[[nodiscard]] Lowered lower_gather_nd(const TfliteOperator& source);
[[nodiscard]] Lowered lower_embedding_lookup(const TfliteOperator& source);
[[nodiscard]] Lowered lower_scatter_nd(const TfliteOperator& source);
[[nodiscard]] Lowered lower_select(const TfliteOperator& source);
[[nodiscard]] Lowered lower_where(const TfliteOperator& source);
[[nodiscard]] Lowered lower_top_k(const TfliteOperator& source);
/// The custom operator TFLite_Detection_PostProcess.
inline constexpr const char* kDetectionName = "TFLite_Detection_PostProcess";
[[nodiscard]] Lowered lower_detection(const TfliteOperator& source);
[[nodiscard]] Lowered lower_suppression(const TfliteOperator& source);

}  // namespace visionpress::tflite
