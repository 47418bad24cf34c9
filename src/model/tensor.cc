#include "model/tensor.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace visionpress {

std::size_t element_bytes(DType dtype) {
  switch (dtype) {
    case DType::Float64:
    case DType::Int64:
      return 8;
    case DType::Float32:
    case DType::Int32:
      return 4;
    case DType::Float16:
    case DType::Int16:
      return 2;
    case DType::Int8:
    case DType::UInt8:
    case DType::Bool:
      return 1;
    case DType::String:
    case DType::Other:
      return 0;
  }
  return 0;
}

const char* name_of(DType dtype) {
  switch (dtype) {
    case DType::Float32:
      return "float32";
    case DType::Float16:
      return "float16";
    case DType::Float64:
      return "float64";
    case DType::Int8:
      return "int8";
    case DType::UInt8:
      return "uint8";
    case DType::Int16:
      return "int16";
    case DType::Int32:
      return "int32";
    case DType::Int64:
      return "int64";
    case DType::Bool:
      return "bool";
    case DType::String:
      return "string";
    case DType::Other:
      return "other";
  }
  return "other";
}

std::optional<std::int64_t> element_count(const Shape& shape) {
  std::optional<std::int64_t> count = 1;
  for (const std::int64_t size : shape) {
    count = checked_multiply(*count, size);
    if (!count) return std::nullopt;
  }
  return count;
}

std::string to_string(const Shape& shape) { return fmt::format("[{}]", fmt::join(shape, ",")); }

AxisSplit split_at(const Shape& shape, std::size_t axis) {
  AxisSplit split;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const auto size = static_cast<std::size_t>(shape[i]);
    if (i < axis) split.outer *= size;
    if (i == axis) split.channels = size;
    if (i > axis) split.inner *= size;
  }
  return split;
}

int find_same_axis(const Shape& from, int axis, const Shape& to) {
  const AxisSplit wanted = split_at(from, static_cast<std::size_t>(axis));
  for (std::size_t a = 0; a < to.size(); ++a) {
    const AxisSplit split = split_at(to, a);
    if (split.channels == wanted.channels && split.inner == wanted.inner)
      return static_cast<int>(a);
  }
  return 0;
}

}  // namespace visionpress
