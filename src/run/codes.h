#pragma once

// Tensors of fully integer TFLite networks. Where the run follows the runtime, the buffer of such a
// tensor holds one byte per value, its code; where it computes in float, the real values.
//
// Codes are stored as bytes 0..255: an int8 code q as q + 128. Kernels then know one type.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "run/operator.h"

namespace visionpress {

/// real = scale * (code - zero_point), with stored codes.
struct TensorCode {
  float scale = 1.0F;
  std::int32_t zero_point = 0;
  bool is_signed = false;  ///< the file's codes are int8: stored ones less 128

  friend bool operator==(const TensorCode&, const TensorCode&) = default;
  /// The zero point as the file has it.
  [[nodiscard]] std::int32_t file_zero_point() const { return zero_point - (is_signed ? 128 : 0); }
  [[nodiscard]] float value_of(std::uint8_t code) const {
    return scale * static_cast<float>(static_cast<std::int32_t>(code) - zero_point);
  }
};

/// The code of a tensor of 8-bit activations, or of a constant among them; nothing for others.
/// weight: what the tensor's `weight` names; may be null.
[[nodiscard]] std::optional<TensorCode> find_code(const Tensor& tensor, const Weight* weight);
[[nodiscard]] std::optional<TensorCode> find_code(const Graph& graph, const Tensor& tensor);

/// Whether any activation of the graph is an 8-bit code.
[[nodiscard]] bool has_codes(const Graph& graph);
/// The tensors that each node writes, by node.
[[nodiscard]] std::vector<std::vector<const Tensor*>> list_output_tensors(const Graph& graph);
[[nodiscard]] bool follows_runtime(Arithmetic arithmetic);

/// Whether the operator reads or writes codes in this run.
[[nodiscard]] bool works_on_codes(const BuildContext& context);

/// The stored codes of a constant, one byte each. errors: those of load_codes.
[[nodiscard]] Result<std::vector<std::uint8_t>> load_stored_codes(const Weight& weight);

/// How real values and codes become each other.
enum class CodeRounding : std::uint8_t {
  /// round(x / s) + z, a half away from zero, as a caller of the runtime does; (q - z) * s.
  Exact,
  /// rint(x * (1 / s) + 0) + z, ties to even; (q - z) * s.
  Xnnpack,
  /// Builtin: eight elements at a time rint(x * (1 / s)) + z and q * s - z * s, the last elements
  /// round(x / s) + z in double and (q - z) * s. q and z are those of the file.
  Builtin,
};
void quantize(std::span<const float> values, const TensorCode& code, CodeRounding rounding,
              std::uint8_t* codes);
void dequantize(std::span<const std::uint8_t> codes, const TensorCode& code, CodeRounding rounding,
                float* values);

/// Bounds each value to what the codes can express, as a run in float needs it: a file may leave an
/// activation to the range of its codes.
void clamp_to_codes(std::span<float> values, const TensorCode& code);

}  // namespace visionpress
