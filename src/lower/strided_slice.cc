#include "lower/strided_slice.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "base/error.h"

namespace visionpress {
namespace {

constexpr std::int64_t kOpenEnd = std::numeric_limits<std::int64_t>::max();

bool has_bit(std::int64_t mask, std::size_t bit) {
  return bit < 63 && (static_cast<std::uint64_t>(mask) >> bit & 1U) != 0;
}

void add_axis(Slice& slice, std::int64_t begin, std::int64_t end, std::int64_t stride) {
  slice.begin.push_back(begin);
  slice.end.push_back(end);
  slice.stride.push_back(stride);
}

/// errors: Malformed for lists of different lengths or several ellipses.
Result<void> check_bounds(const StridedBounds& bounds) {
  const std::size_t count = bounds.begin.size();
  if (bounds.end.size() != count || bounds.stride.size() != count) {
    return fail(ErrorKind::Malformed, "{} begins, {} ends and {} strides", count, bounds.end.size(),
                bounds.stride.size());
  }
  const auto ellipses = static_cast<std::uint64_t>(bounds.masks.ellipsis) &
                        ((std::uint64_t{1} << std::min<std::size_t>(count, 63)) - 1);
  if (std::popcount(ellipses) <= 1) return {};
  return fail(ErrorKind::Malformed, "{} of its indices are an ellipsis, at most one may be",
              std::popcount(ellipses));
}

/// An axis that is walked backwards is reversed first: element i becomes element -(i + 1), which
/// counts from the other end, whatever the axis' size is.
void add_range(StridedPlan& plan, const StridedBounds& bounds, std::size_t i) {
  std::int64_t begin = bounds.begin[i];
  std::int64_t end = bounds.end[i];
  const bool is_backward = bounds.stride[i] < 0;
  if (is_backward) {
    plan.reverse.axes.push_back(static_cast<int>(plan.slice.begin.size()));
    begin = -(begin + 1);
    end = -(end + 1);
  }
  add_axis(plan.slice, has_bit(bounds.masks.begin, i) ? 0 : begin,
           has_bit(bounds.masks.end, i) ? kOpenEnd : end,
           is_backward ? -bounds.stride[i] : bounds.stride[i]);
}

}  // namespace

Result<StridedPlan> plan_strided_slice(const StridedBounds& bounds, std::size_t rank) {
  VP_RETURN_IF_ERROR(check_bounds(bounds));
  const SliceMasks& masks = bounds.masks;
  StridedPlan plan;
  std::size_t named = 0;  // the number of entries that refer to an axis of the input
  for (std::size_t i = 0; i < bounds.begin.size(); ++i) {
    if (!has_bit(masks.ellipsis, i) && !has_bit(masks.new_axis, i)) ++named;
  }
  if (named > rank) return fail(ErrorKind::Malformed, "it indexes {} axes of {}", named, rank);
  int result_axis = 0;
  for (std::size_t i = 0; i < bounds.begin.size(); ++i) {
    if (has_bit(masks.ellipsis, i)) {
      for (std::size_t k = named; k < rank; ++k, ++result_axis)
        add_axis(plan.slice, 0, kOpenEnd, 1);
      continue;
    }
    if (has_bit(masks.new_axis, i)) {
      plan.new_axes.axes.push_back(result_axis++);
      continue;
    }
    const std::size_t axis = plan.slice.begin.size();
    if (axis >= rank) return fail(ErrorKind::Malformed, "it indexes more than {} axes", rank);
    if (has_bit(masks.shrink, i)) {
      const std::int64_t at = bounds.begin[i];
      add_axis(plan.slice, at, at == -1 ? kOpenEnd : at + 1, 1);
      plan.slice.squeeze_axes.push_back(static_cast<int>(axis));
      continue;
    }
    if (bounds.stride[i] == 0 || bounds.stride[i] == std::numeric_limits<std::int64_t>::min())
      return fail(ErrorKind::Malformed, "a stride is {}", bounds.stride[i]);
    add_range(plan, bounds, i);
    ++result_axis;
  }
  while (plan.slice.begin.size() < rank) add_axis(plan.slice, 0, kOpenEnd, 1);
  return plan;
}

}  // namespace visionpress
