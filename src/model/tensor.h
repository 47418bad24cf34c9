#pragma once

// Tensors, independent of the file format.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace visionpress {

enum class DType : std::uint8_t {
  Float32,
  Float16,
  Float64,
  Int8,
  UInt8,
  Int16,
  Int32,
  Int64,
  Bool,
  String,
  Other,
};

/// Bytes of one element; 0 for String and Other.
[[nodiscard]] std::size_t element_bytes(DType dtype);
/// The field's spelling: "float32", "int8", ...
[[nodiscard]] const char* name_of(DType dtype);

/// Sizes per axis, outermost first; -1 where the file leaves one open. Empty is a scalar.
using Shape = std::vector<std::int64_t>;

/// Product of the sizes; nothing when one is negative or the product does not fit.
[[nodiscard]] std::optional<std::int64_t> element_count(const Shape& shape);
/// "[64,3,3,3]"
[[nodiscard]] std::string to_string(const Shape& shape);

/// How elements lie around the channels of an axis: (o, c, i) at (o * channels + c) * inner + i.
struct AxisSplit {
  std::size_t outer = 1;
  std::size_t channels = 1;
  std::size_t inner = 1;
};

/// All sizes must be known; the axis must be inside the shape.
[[nodiscard]] AxisSplit split_at(const Shape& shape, std::size_t axis);

/// The axis of `to` that divides the elements exactly as `axis` of `from` does; 0 where there is
/// none. Both shapes have the same elements.
[[nodiscard]] int find_same_axis(const Shape& from, int axis, const Shape& to);

/// real = scale * (code - zero_point), per tensor (one entry) or along `axis`.
struct QuantParams {
  std::vector<float> scales = {};
  std::vector<std::int64_t> zero_points = {};  ///< empty: all zero
  int axis = 0;
};

using TensorId = std::int32_t;
inline constexpr TensorId kNoTensor = -1;  ///< an optional input that is absent

/// One value of the graph: an activation, or a constant.
/// A constant has exactly one of: `weight` (float-valued payload, maybe encoded), `constant`
/// (integer bytes such as axes and shapes), or `literal` (a few floats that the reader made).
struct Tensor {
  std::string name = {};
  Shape shape = {};
  bool has_rank = true;  ///< false: the file has no shape; `shape` is inferred, or empty
  DType dtype = DType::Float32;
  std::optional<QuantParams> quantization = std::nullopt;  ///< of activations; weights carry theirs
  std::optional<std::size_t> weight = std::nullopt;        ///< index into Graph::weights
  Bytes constant = {};                                     ///< borrowed from the mapped file
  std::vector<float> literal = {};

  [[nodiscard]] bool is_constant() const {
    return weight.has_value() || !constant.empty() || !literal.empty();
  }
};

}  // namespace visionpress
