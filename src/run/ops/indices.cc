#include "run/ops/indices.h"

namespace visionpress {

Result<std::size_t> find_position(float index, std::size_t size, bool counts_back) {
  const auto end = static_cast<float>(size);
  const float from_front = counts_back && index < 0.0F ? index + end : index;
  // The negated comparison also rejects NaN.
  if (!(from_front >= 0.0F && from_front < end)) {
    return fail(ErrorKind::Malformed, "index {} is outside {}..{}", index,
                counts_back ? -static_cast<std::int64_t>(size) : 0,
                static_cast<std::int64_t>(size) - 1);
  }
  return static_cast<std::size_t>(from_front);
}

IndexRows index_rows(const Shape& x, const Shape& indices, bool counts_back) {
  const auto indexed = x.begin() + indices.back();
  return {Shape(x.begin(), indexed), count_of(Shape(indices.begin(), indices.end() - 1)),
          count_of(Shape(indexed, x.end())), counts_back};
}

}  // namespace visionpress
