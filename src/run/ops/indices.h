#pragma once

// Positions that a run computes, checked before they are used.

#include <cstddef>

#include "base/error.h"
#include "run/operator.h"
#include "run/ops/strided.h"

namespace visionpress {

/// The position that an index names among `size` elements. errors: Malformed if it is outside.
[[nodiscard]] Result<std::size_t> find_position(float index, std::size_t size, bool counts_back);

/// Rows of indices, each of which names one position on each of the first axes of a tensor.
struct IndexRows {
  Shape indexed = {};     ///< the sizes of those axes
  std::size_t count = 0;  ///< of rows
  std::size_t inner = 1;  ///< elements of the tensor for each row
  bool counts_back = false;

  /// Calls visit(row, first element). errors: those of find_position.
  template <typename Visit>
  [[nodiscard]] Result<void> visit(const float* index, const Visit& visit) const {
    for (std::size_t row = 0; row < count; ++row) {
      std::size_t place = 0;
      for (const std::int64_t size : indexed) {
        VP_ASSIGN_OR_RETURN(const std::size_t at,
                            find_position(*index++, static_cast<std::size_t>(size), counts_back));
        place = place * static_cast<std::size_t>(size) + at;
      }
      visit(row, place * inner);
    }
    return {};
  }
};
[[nodiscard]] IndexRows index_rows(const Shape& x, const Shape& indices, bool counts_back);

/// Indices along one axis of a tensor of as many axes.
struct IndexAlongAxis {
  Shape x = {};
  Shape indices = {};
  std::size_t axis = 0;
  bool counts_back = false;

  /// Calls visit(place among the indices, place in x). errors: those of find_position.
  template <typename Visit>
  [[nodiscard]] Result<void> visit(const float* index, const Visit& visit) const {
    Strides strides = dense_strides(x);
    const std::int64_t step = strides[axis];
    strides[axis] = 0;  // the index takes the place of the position along the axis
    Result<void> status = {};
    walk_lines(indices, strides, dense_strides(indices),
               [&](std::int64_t place, std::int64_t at, std::int64_t count, std::int64_t step_place,
                   std::int64_t step_at) {
                 for (std::int64_t i = 0; i < count && status; ++i) {
                   const auto from = static_cast<std::size_t>(at + i * step_at);
                   const auto position =
                       find_position(index[from], static_cast<std::size_t>(x[axis]), counts_back);
                   if (!position) {
                     status = tl::unexpected<Error>(position.error());
                     return;
                   }
                   visit(from, static_cast<std::size_t>(place + i * step_place) +
                                   *position * static_cast<std::size_t>(step));
                 }
               });
    return status;
  }
};

}  // namespace visionpress
