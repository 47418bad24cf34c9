#include "lower/known_values.h"

#include "base/bytes.h"

namespace visionpress {

std::optional<std::vector<std::int64_t>> find_integers(const Tensor& tensor, std::size_t most) {
  const bool is_whole = tensor.dtype == DType::Int32 || tensor.dtype == DType::Int64;
  if (!is_whole) return std::nullopt;
  // An empty list has no bytes, like a computed tensor, so its shape is looked at first.
  if (element_count(tensor.shape) == 0) return std::vector<std::int64_t>();
  if (!tensor.literal.empty() && tensor.literal.size() <= most)
    return std::vector<std::int64_t>(tensor.literal.begin(), tensor.literal.end());
  if (tensor.constant.empty()) return std::nullopt;
  const std::size_t width = element_bytes(tensor.dtype);
  if (tensor.constant.size() / width > most) return std::nullopt;
  std::vector<std::int64_t> values;
  for (std::size_t at = 0; at + width <= tensor.constant.size(); at += width) {
    values.push_back(width == 4 ? load_le<std::int32_t>(tensor.constant, at)
                                : load_le<std::int64_t>(tensor.constant, at));
  }
  return values;
}

}  // namespace visionpress
