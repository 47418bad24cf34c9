#pragma once

// Where a value stands in a JSON file, for messages: `annotations[3].bbox`.

#include <concepts>
#include <cstddef>
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace visionpress {

/// Becomes a text only when a message needs it, since files have millions of values. Borrows its
/// parent and its texts, so it lives no longer than the call it is passed to.
class JsonPath {
 public:
  // NOLINTNEXTLINE(google-explicit-constructor): a text is a whole path, as most callers have it.
  JsonPath(const std::convertible_to<std::string_view> auto& text) : name_(text) {}
  JsonPath(const JsonPath& parent, std::string_view field) : parent_(&parent), name_(field) {}
  JsonPath(const JsonPath& parent, std::size_t index)
      : parent_(&parent), index_(index), is_index_(true) {}

  [[nodiscard]] std::string text() const {
    if (parent_ == nullptr) return std::string(name_);
    return is_index_ ? fmt::format("{}[{}]", parent_->text(), index_)
                     : fmt::format("{}.{}", parent_->text(), name_);
  }

  // NOLINTNEXTLINE(google-explicit-constructor): for callers that keep the path.
  operator std::string() const { return text(); }

 private:
  const JsonPath* parent_ = nullptr;
  std::string_view name_ = {};
  std::size_t index_ = 0;
  bool is_index_ = false;
};

}  // namespace visionpress
