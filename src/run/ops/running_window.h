#pragma once

// Folds sliding windows over an image (a maximum or a sum, say) in time that does not grow with the
// window: first along the rows, then down the columns, each line by the method of van Herk and of
// Gil and Werman. (M. van Herk, A fast algorithm for local minimum and maximum filters on
// rectangular and octagonal kernels, 1992.) Nothing is ever subtracted, so sums lose no digits and
// a NaN affects only the windows that contain it.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "base/parallel.h"

namespace visionpress {

/// Windows along one axis: window o starts at element o * stride - before and has `kernel`
/// elements, of which only those in 0..in-1 count.
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

/// How values are folded: `fold` is associative, and fold(nothing, x) is x. If it returns the first
/// of equal operands, the result is that of a walk over each window row by row.
template <typename T, typename Fold>
struct FoldBy {
  T nothing;
  Fold fold;
};
/// clang 14 deduces no arguments of an aggregate by itself.
template <typename T, typename Fold>
FoldBy(T, Fold) -> FoldBy<T, Fold>;

/// Folds each window of one line whose elements have `lanes` values each. load(i, c) reads one
/// value; store(o, c, value) takes a result of window o.
/// scratch: 2 * windows.in * lanes values.   cost: O(windows.in + windows.out) folds of elements.
template <typename T, typename Fold, typename Load, typename Store>
void fold_line(const AxisWindows& windows, std::size_t lanes, T* scratch, const FoldBy<T, Fold>& by,
               const Load& load, const Store& store) {
  const auto count = static_cast<std::size_t>(windows.in);
  const auto block = static_cast<std::size_t>(std::min(windows.kernel, windows.in));
  T* from_start = scratch;  // per element: the fold of its block from the start up to it
  T* to_end = scratch + count * lanes;  // per element: the fold of its block from it to the end
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
    // A window is at most as long as a block, so a window inside one block begins or ends with the
    // block.
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

/// The image [H,W,C] and the windows that slide over it.
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
  /// Values of neighbouring columns that are folded at a time: one cache line of floats.
  static constexpr std::size_t kLanes = 16;
  /// Length of one thread's scratch for a line, in values.
  [[nodiscard]] std::size_t line_scratch() const {
    return 2 * std::max(in_row(), height() * kLanes);
  }
  /// Length of the scratch that fold_windows needs, in values.
  [[nodiscard]] std::size_t scratch() const {
    return height() * out_row() + static_cast<std::size_t>(std::max(threads, 1)) * line_scratch();
  }
};

/// Folds each window of one image. load(value) converts a value to T; store(y, x, c, value) takes
/// each result and is called from any thread. scratch: image.scratch() values.
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
