#pragma once

// Windows that slide over an image, folded in time that does not grow with the window: first along
// the rows, then down the columns; along each line by van Herk's and Gil-Werman's method. (M. van
// Herk, A fast algorithm for local minimum and maximum filters on rectangular and octagonal
// kernels, 1992.) Nothing is ever subtracted, so that sums lose no digits and NaN stays where it
// is.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "base/parallel.h"

namespace visionpress {

/// Windows along one axis: window o holds the elements from o * stride - before on, `kernel` of
/// them, those alone that lie in 0..in-1.
struct AxisWindows {
  std::int64_t in = 0;
  std::int64_t out = 0;
  std::int64_t kernel = 1;
  std::int64_t stride = 1;
  std::int64_t before = 0;

  [[nodiscard]] std::int64_t begin(std::int64_t o) const {
    return std::max<std::int64_t>(o * stride - before, 0);
  }
  [[nodiscard]] std::int64_t end(std::int64_t o) const {
    return std::min(o * stride - before + kernel, in);
  }
};

/// How values are folded: `fold` is associative, fold(nothing, x) is x or, of NaN in a maximum,
/// `nothing`. Of equal operands it must return the first for the result to be that of a walk over
/// each window row by row.
template <typename T, typename Fold>
struct FoldBy {
  T nothing;
  Fold fold;
};

/// Folds each window of one line, whose elements are `lanes` values each: load(i, c) reads one,
/// store(o, c, value) takes the result of window o.
/// scratch: 2 * windows.in * lanes values.   cost: O(windows.in + windows.out) folds of elements.
template <typename T, typename Fold, typename Load, typename Store>
void fold_line(const AxisWindows& windows, std::size_t lanes, T* scratch, const FoldBy<T, Fold>& by,
               const Load& load, const Store& store) {
  const auto count = static_cast<std::size_t>(windows.in);
  const auto block = static_cast<std::size_t>(std::min(windows.kernel, windows.in));
  T* from_start = scratch;              // of each element: its block from the start up to it
  T* to_end = scratch + count * lanes;  // its block from it to the end
  for (std::size_t i = 0; i < count; ++i) {
    const T* before = i % block == 0 ? nullptr : from_start + (i - 1) * lanes;
    for (std::size_t c = 0; c < lanes; ++c) {
      from_start[i * lanes + c] = by.fold(before == nullptr ? by.nothing : before[c], load(i, c));
    }
  }
  for (std::size_t i = count; i-- > 0;) {
    const bool ends = (i + 1) % block == 0 || i + 1 == count;
    for (std::size_t c = 0; c < lanes; ++c) {
      const T value = by.fold(by.nothing, load(i, c));
      to_end[i * lanes + c] = ends ? value : by.fold(value, to_end[(i + 1) * lanes + c]);
    }
  }
  for (std::int64_t o = 0; o < windows.out; ++o) {
    const auto at = static_cast<std::size_t>(o);
    const std::int64_t begin = windows.begin(o);
    const std::int64_t end = windows.end(o);
    if (begin >= end) {
      for (std::size_t c = 0; c < lanes; ++c) store(at, c, by.nothing);
      continue;
    }
    // A window is no longer than a block. One that lies in one block begins or ends with it.
    const auto first = static_cast<std::size_t>(begin);
    const auto last = static_cast<std::size_t>(end) - 1;
    const T* head = to_end + first * lanes;
    const T* tail = from_start + last * lanes;
    const bool has_two = first / block != last / block;
    for (std::size_t c = 0; c < lanes; ++c) {
      const T one = first % block == 0 ? tail[c] : head[c];
      store(at, c, has_two ? by.fold(head[c], tail[c]) : one);
    }
  }
}

/// The image [H,W,C] that windows slide over.
struct WindowedImage {
  std::array<AxisWindows, 2> axes = {};  ///< down the columns, along the rows
  std::size_t channels = 0;
  int threads = 1;

  [[nodiscard]] std::size_t in_row() const {
    return static_cast<std::size_t>(axes[1].in) * channels;
  }
  [[nodiscard]] std::size_t out_row() const {
    return static_cast<std::size_t>(axes[1].out) * channels;
  }
  [[nodiscard]] std::size_t height() const { return static_cast<std::size_t>(axes[0].in); }
  /// Columns that are folded at a time, in values: a cache line of floats.
  static constexpr std::size_t kLanes = 16;
  /// Values that each thread needs for one line.
  [[nodiscard]] std::size_t line_scratch() const {
    return 2 * std::max(in_row(), height() * kLanes);
  }
  /// Values that fold_windows needs.
  [[nodiscard]] std::size_t scratch() const {
    return height() * out_row() + static_cast<std::size_t>(std::max(threads, 1)) * line_scratch();
  }
};

/// Folds each window of one image, whose values load(value) turns into T.
/// store(y, x, c, value) takes each result, from any thread.   scratch: image.scratch() values.
template <typename T, typename Fold, typename Load, typename Store>
void fold_windows(const float* pixels, const WindowedImage& image, T* scratch,
                  const FoldBy<T, Fold>& by, const Load& load, const Store& store) {
  const std::size_t channels = image.channels;
  const std::size_t row = image.out_row();
  T* lines = scratch + image.height() * row;
  parallel_for_workers(image.height(), image.threads, [&](std::size_t y, std::size_t worker) {
    const float* x = pixels + y * image.in_row();
    T* folded = scratch + y * row;
    fold_line(
        image.axes[1], channels, lines + worker * image.line_scratch(), by,
        [&](std::size_t i, std::size_t c) { return load(x[i * channels + c]); },
        [&](std::size_t o, std::size_t c, T value) { folded[o * channels + c] = value; });
  });
  constexpr std::size_t kLanes = WindowedImage::kLanes;
  const std::size_t groups = (row + kLanes - 1) / kLanes;
  parallel_for_workers(groups, image.threads, [&](std::size_t group, std::size_t worker) {
    const std::size_t first = group * kLanes;
    const T* x = scratch + first;
    fold_line(
        image.axes[0], std::min(kLanes, row - first), lines + worker * image.line_scratch(), by,
        [&](std::size_t i, std::size_t c) { return x[i * row + c]; },
        [&](std::size_t o, std::size_t c, T value) {
          store(o, (first + c) / channels, (first + c) % channels, value);
        });
  });
}

}  // namespace visionpress
