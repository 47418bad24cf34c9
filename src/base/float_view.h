#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/bytes.h"

namespace visionpress {

/// Borrowed float32 values at any alignment, as they lie in a mapped file or in memory.
class FloatView {
 public:
  FloatView() = default;
  /// bytes: a whole number of floats; a rest of fewer than four bytes is not part of the view.
  explicit FloatView(Bytes bytes)
      : bytes_(bytes.first(bytes.size() / sizeof(float) * sizeof(float))) {}
  // NOLINTNEXTLINE(google-explicit-constructor): every span of floats is such a view
  FloatView(std::span<const float> values) : bytes_(std::as_bytes(values)) {}
  // NOLINTNEXTLINE(google-explicit-constructor): likewise
  FloatView(std::span<float> values) : bytes_(std::as_bytes(values)) {}
  // NOLINTNEXTLINE(google-explicit-constructor): likewise
  FloatView(const std::vector<float>& values) : bytes_(std::as_bytes(std::span(values))) {}

  [[nodiscard]] std::size_t size() const { return bytes_.size() / sizeof(float); }
  [[nodiscard]] bool empty() const { return bytes_.empty(); }
  [[nodiscard]] Bytes bytes() const { return bytes_; }
  [[nodiscard]] float operator[](std::size_t index) const {
    return load_le<float>(bytes_, index * sizeof(float));
  }
  [[nodiscard]] FloatView subview(std::size_t begin, std::size_t count) const {
    return FloatView(bytes_.subspan(begin * sizeof(float), count * sizeof(float)));
  }

 private:
  Bytes bytes_ = {};
};

}  // namespace visionpress
