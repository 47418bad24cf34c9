#include "eval/resize_image.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/resize_taps.h"

namespace visionpress {
namespace {

double triangle(double x) {
  x = std::abs(x);
  return x < 1.0 ? 1.0 - x : 0.0;
}

double cubic(double x) {
  constexpr double kA = -0.5;
  x = std::abs(x);
  if (x < 1.0) return ((kA + 2.0) * x - (kA + 3.0)) * x * x + 1.0;
  if (x < 2.0) return (((x - 5.0) * x + 8.0) * x - 4.0) * kA;
  return 0.0;
}

/// Which samples each result is made of, and by what weights.
struct Taps {
  std::size_t stride = 0;                  ///< weights kept for each result
  std::vector<int> first = {};             ///< first source sample
  std::vector<int> count = {};             ///< how many
  std::vector<std::int32_t> weights = {};  ///< fixed point, kTapWeightBits of fraction

  [[nodiscard]] RowTaps view() const { return {first, count, weights, stride}; }
  [[nodiscard]] std::span<const std::int32_t> of(std::size_t i) const {
    return {weights.data() + i * stride, static_cast<std::size_t>(count[i])};
  }
};

Taps make_taps(int from, int to, ResizeFilter filter) {
  const bool is_cubic = filter == ResizeFilter::Bicubic;
  const double scale = static_cast<double>(from) / to;
  const double filter_scale = std::max(scale, 1.0);
  const double support = (is_cubic ? 2.0 : 1.0) * filter_scale;
  const double inverse = 1.0 / filter_scale;
  Taps taps;
  const std::size_t most = static_cast<std::size_t>(std::ceil(support)) * 2 + 1;
  taps.stride = (most + kTapGroup - 1) / kTapGroup * kTapGroup;
  taps.first.resize(static_cast<std::size_t>(to));
  taps.count.resize(static_cast<std::size_t>(to));
  taps.weights.resize(static_cast<std::size_t>(to) * taps.stride);
  std::vector<double> exact(taps.stride);
  for (int i = 0; i < to; ++i) {
    const double center = (i + 0.5) * scale;
    const int first = std::max(static_cast<int>(std::floor(center - support + 0.5)), 0);
    const int count = std::min(static_cast<int>(std::floor(center + support + 0.5)), from) - first;
    double sum = 0.0;
    for (int k = 0; k < count; ++k) {
      const double x = (k + first - center + 0.5) * inverse;
      exact[static_cast<std::size_t>(k)] = is_cubic ? cubic(x) : triangle(x);
      sum += exact[static_cast<std::size_t>(k)];
    }
    std::int32_t* weights = taps.weights.data() + static_cast<std::size_t>(i) * taps.stride;
    for (int k = 0; k < count; ++k) {
      double weight = exact[static_cast<std::size_t>(k)];
      if (sum != 0.0) weight /= sum;
      weight *= 1 << kTapWeightBits;
      weights[k] = static_cast<std::int32_t>(weight < 0.0 ? weight - 0.5 : weight + 0.5);
    }
    taps.first[static_cast<std::size_t>(i)] = first;
    taps.count[static_cast<std::size_t>(i)] = count;
  }
  return taps;
}

Image copy_view(const ImageView& view) {
  Image image = make_image(view.width, view.height);
  for (int y = 0; y < view.height; ++y) std::copy_n(view.row(y), view.width * 3, image.row(y));
  return image;
}

Image resize_nearest(const ImageView& source, int width, int height) {
  // The position is summed up, not multiplied out: Pillow's own rounding.
  const auto pick = [](int from, int to) {
    std::vector<int> picked(static_cast<std::size_t>(to));
    const double step = static_cast<double>(from) / to;
    double position = step * 0.5;
    for (int& index : picked) {
      index = std::min(static_cast<int>(position), from - 1);
      position += step;
    }
    return picked;
  };
  const std::vector<int> columns = pick(source.width, width);
  const std::vector<int> rows = pick(source.height, height);
  Image image = make_image(width, height);
  for (int y = 0; y < height; ++y) {
    const std::uint8_t* from = source.row(rows[static_cast<std::size_t>(y)]);
    std::uint8_t* to = image.row(y);
    for (const int column : columns) {
      std::copy_n(from + static_cast<std::ptrdiff_t>(column) * 3, 3, to);
      to += 3;
    }
  }
  return image;
}

struct Blend {
  int first = 0;
  int second = 0;
  double share = 0.0;  ///< of the second
};

std::vector<Blend> make_blends(int from, int to) {
  std::vector<Blend> blends(static_cast<std::size_t>(to));
  for (int i = 0; i < to; ++i) {
    const double position =
        std::clamp((i + 0.5) * from / to - 0.5, 0.0, static_cast<double>(from - 1));
    const int first = static_cast<int>(position);
    blends[static_cast<std::size_t>(i)] = {first, std::min(first + 1, from - 1), position - first};
  }
  return blends;
}

}  // namespace

ImageView view_image(const Image& image) {
  return {image.rgb.data(), image.width, image.height,
          static_cast<std::ptrdiff_t>(image.width) * 3};
}

ImageView view_part(const ImageView& view, int x, int y, int width, int height) {
  return {view.row(y) + static_cast<std::ptrdiff_t>(x) * 3, width, height, view.row_bytes};
}

Image resize_image(const ImageView& source, int width, int height, ResizeFilter filter) {
  if (filter == ResizeFilter::Nearest) return resize_nearest(source, width, height);
  constexpr int kVeryHigh = 100;  // Pillow's own limit
  if (source.height / kVeryHigh >= source.width && source.height > source.width * kVeryHigh &&
      height < source.height && width != source.width) {
    const Image lower = resize_image(source, source.width, height, filter);
    return resize_image(view_image(lower), width, height, filter);
  }
  Image narrowed;
  ImageView rows = source;
  if (width != source.width) {
    const Taps taps = make_taps(source.width, width, filter);
    narrowed = make_image(width, source.height);
    for (int y = 0; y < source.height; ++y) {
      resize_rgb_row(source.row(y), static_cast<std::size_t>(source.width), taps.view(),
                     narrowed.row(y));
    }
    rows = view_image(narrowed);
  }
  if (height == source.height) return narrowed.width != 0 ? narrowed : copy_view(source);
  const Taps taps = make_taps(source.height, height, filter);
  Image image = make_image(width, height);
  for (int y = 0; y < height; ++y) {
    const auto i = static_cast<std::size_t>(y);
    blend_rows(rows.row(taps.first[i]), rows.row_bytes, taps.of(i),
               {image.row(y), static_cast<std::size_t>(width) * 3});
  }
  return image;
}

Image resize_plain_bilinear(const ImageView& source, int width, int height) {
  const std::vector<Blend> columns = make_blends(source.width, width);
  const std::vector<Blend> rows = make_blends(source.height, height);
  Image image = make_image(width, height);
  for (int y = 0; y < height; ++y) {
    const Blend& v = rows[static_cast<std::size_t>(y)];
    const std::uint8_t* upper = source.row(v.first);
    const std::uint8_t* lower = source.row(v.second);
    std::uint8_t* to = image.row(y);
    for (const Blend& h : columns) {
      const std::ptrdiff_t left = static_cast<std::ptrdiff_t>(h.first) * 3;
      const std::ptrdiff_t right = static_cast<std::ptrdiff_t>(h.second) * 3;
      for (std::ptrdiff_t c = 0; c < 3; ++c) {
        const double top = upper[left + c] * (1.0 - h.share) + upper[right + c] * h.share;
        const double bottom = lower[left + c] * (1.0 - h.share) + lower[right + c] * h.share;
        *to++ =
            static_cast<std::uint8_t>(std::floor(top * (1.0 - v.share) + bottom * v.share + 0.5));
      }
    }
  }
  return image;
}

}  // namespace visionpress
