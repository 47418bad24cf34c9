#include "kernels/winograd.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/winograd.cc"
#include <hwy/foreach_target.h>

#include "kernels/float_vectors_inl.h"

HWY_BEFORE_NAMESPACE();
namespace visionpress {
namespace HWY_NAMESPACE {
namespace {

// B^T of four values in place.
HWY_INLINE void transform_line(FloatVector& a, FloatVector& b, FloatVector& c, FloatVector& d) {
  a = hn::Sub(a, c);
  d = hn::Sub(b, d);
  const auto sum = hn::Add(b, c);
  c = hn::Sub(c, b);
  b = sum;
}

// The channels of a tile's sixteen pixels; pixels beyond the image are zeros. kFull: a whole
// vector.
template <bool kFull>
HWY_INLINE void transform_tile(const float* const* pixels, std::size_t c, std::size_t valid,
                               float* v, std::size_t step) {
  const FloatTag d;
  const auto mask = hn::FirstN(d, valid);
  const auto load = [&](std::size_t i) HWY_ATTR {
    if (pixels[i] == nullptr) return hn::Zero(d);
    return kFull ? hn::LoadU(d, pixels[i] + c) : hn::MaskedLoad(mask, d, pixels[i] + c);
  };
  auto a0 = load(0), a1 = load(1), a2 = load(2), a3 = load(3);
  auto b0 = load(4), b1 = load(5), b2 = load(6), b3 = load(7);
  auto c0 = load(8), c1 = load(9), c2 = load(10), c3 = load(11);
  auto d0 = load(12), d1 = load(13), d2 = load(14), d3 = load(15);
  transform_line(a0, b0, c0, d0);
  transform_line(a1, b1, c1, d1);
  transform_line(a2, b2, c2, d2);
  transform_line(a3, b3, c3, d3);
  transform_line(a0, a1, a2, a3);
  transform_line(b0, b1, b2, b3);
  transform_line(c0, c1, c2, c3);
  transform_line(d0, d1, d2, d3);
  const auto store = [&](FloatVector value, std::size_t p) HWY_ATTR {
    if constexpr (kFull) {
      hn::StoreU(value, d, v + p * step + c);
    } else {
      hn::BlendedStore(value, mask, d, v + p * step + c);
    }
  };
  store(a0, 0), store(a1, 1), store(a2, 2), store(a3, 3);
  store(b0, 4), store(b1, 5), store(b2, 6), store(b3, 7);
  store(c0, 8), store(c1, 9), store(c2, 10), store(c3, 11);
  store(d0, 12), store(d1, 13), store(d2, 14), store(d3, 15);
}

void transform_input(const WinogradTiles& shape, const float* x, TileRange tiles, float* v,
                     std::size_t step) {
  const std::size_t lanes = hn::Lanes(FloatTag());
  const std::size_t channels = shape.in_channels;
  const std::size_t per_image = shape.across() * shape.down();
  for (std::size_t t = tiles.begin; t < tiles.end; ++t) {
    const float* image = x + t / per_image * shape.in_height * shape.in_width * channels;
    const std::size_t row = 2 * (t % per_image / shape.across());
    const std::size_t column = 2 * (t % shape.across());
    const float* pixels[kWinogradPositions];
    for (std::size_t i = 0; i < kWinogradPositions; ++i) {
      // Unsigned, so that what lies before the image is beyond it too.
      const std::size_t in_row = row + i / 4 - shape.pad_top;
      const std::size_t in_column = column + i % 4 - shape.pad_left;
      const bool is_inside = in_row < shape.in_height && in_column < shape.in_width;
      pixels[i] = is_inside ? image + (in_row * shape.in_width + in_column) * channels : nullptr;
    }
    float* to = v + (t - tiles.begin) * channels;
    std::size_t c = 0;
    for (; c + lanes <= channels; c += lanes)
      transform_tile<true>(pixels, c, lanes, to, step * channels);
    if (c < channels) transform_tile<false>(pixels, c, channels - c, to, step * channels);
  }
}

// A^T of four values.
struct Pair {
  FloatVector first, second;
};
HWY_INLINE Pair combine(FloatVector a, FloatVector b, FloatVector c, FloatVector d) {
  return {hn::Add(hn::Add(a, b), c), hn::Sub(hn::Sub(b, c), d)};
}

template <bool kLeaky>
void transform_output(const WinogradTiles& shape, const WinogradProducts& products, TileRange tiles,
                      float* y) {
  const FloatTag d;
  const std::size_t lanes = hn::Lanes(d);
  const std::size_t per_image = shape.across() * shape.down();
  const std::size_t position = products.step * products.columns;
  const auto slope = hn::Set(d, products.activation.slope);
  for (std::size_t t = tiles.begin; t < tiles.end; ++t) {
    const std::size_t row = 2 * (t % per_image / shape.across());
    const std::size_t column = 2 * (t % shape.across());
    const bool has_right = column + 1 < shape.out_width;
    const bool has_lower = row + 1 < shape.out_height;
    const std::size_t pixel = (t / per_image * shape.out_height + row) * shape.out_width + column;
    float* out = y + pixel * shape.out_channels + products.first_column;
    const std::size_t line = shape.out_width * shape.out_channels;
    const float* m = products.m + (t - tiles.begin) * products.columns;
    for (std::size_t c = 0; c < products.columns; c += lanes) {
      const std::size_t valid = std::min(lanes, products.columns - c);
      const auto mask = hn::FirstN(d, valid);
      const auto load = [&](std::size_t p) HWY_ATTR {
        return valid == lanes ? hn::LoadU(d, m + p * position + c)
                              : hn::MaskedLoad(mask, d, m + p * position + c);
      };
      const Pair a = combine(load(0), load(4), load(8), load(12));
      const Pair b = combine(load(1), load(5), load(9), load(13));
      const Pair e = combine(load(2), load(6), load(10), load(14));
      const Pair f = combine(load(3), load(7), load(11), load(15));
      const Pair upper = combine(a.first, b.first, e.first, f.first);
      const Pair lower = combine(a.second, b.second, e.second, f.second);
      const auto bias = hn::MaskedLoad(mask, d, products.bias + products.first_column + c);
      const auto store = [&](FloatVector value, std::size_t at) HWY_ATTR {
        value = hn::Add(value, bias);
        if constexpr (kLeaky)
          value = hn::IfThenElse(hn::Lt(value, hn::Zero(d)), hn::Mul(value, slope), value);
        value = clamp_keeping_nan(value, products.activation.low, products.activation.high);
        valid == lanes ? hn::StoreU(value, d, out + at + c)
                       : hn::BlendedStore(value, mask, d, out + at + c);
      };
      store(upper.first, 0);
      if (has_right) store(upper.second, shape.out_channels);
      if (has_lower) store(lower.first, line);
      if (has_right && has_lower) store(lower.second, line + shape.out_channels);
    }
  }
}

void transform_plain_output(const WinogradTiles& shape, const WinogradProducts& products,
                            TileRange tiles, float* y) {
  transform_output<false>(shape, products, tiles, y);
}

void transform_leaky_output(const WinogradTiles& shape, const WinogradProducts& products,
                            TileRange tiles, float* y) {
  transform_output<true>(shape, products, tiles, y);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace visionpress
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace visionpress {

HWY_EXPORT(transform_input);
HWY_EXPORT(transform_plain_output);
HWY_EXPORT(transform_leaky_output);

std::array<float, kWinogradPositions> transform_winograd_kernel(const std::array<float, 9>& taps) {
  // In double, so that each value is rounded once.
  const auto line = [](double a, double b, double c) {
    return std::array{a, 0.5 * (a + b + c), 0.5 * (a - b + c), c};
  };
  std::array<std::array<double, 4>, 3> columns = {};  // G kernel, by column of the kernel
  for (std::size_t x = 0; x < 3; ++x) columns[x] = line(taps[x], taps[3 + x], taps[6 + x]);
  std::array<float, kWinogradPositions> result = {};
  for (std::size_t i = 0; i < 4; ++i) {
    const std::array row = line(columns[0][i], columns[1][i], columns[2][i]);
    for (std::size_t j = 0; j < 4; ++j) result[i * 4 + j] = static_cast<float>(row[j]);
  }
  return result;
}

namespace {

// The references that VP_FORCE_ISA=scalar runs.
void transform_line_ref(float* first, std::size_t step) {
  const std::array v = {first[0], first[step], first[2 * step], first[3 * step]};
  first[0] = v[0] - v[2];
  first[step] = v[1] + v[2];
  first[2 * step] = v[2] - v[1];
  first[3 * step] = v[1] - v[3];
}

void transform_input_ref(const WinogradTiles& shape, const float* x, TileRange tiles, float* v,
                         std::size_t step) {
  const std::size_t per_image = shape.across() * shape.down();
  for (std::size_t t = tiles.begin; t < tiles.end; ++t) {
    const float* image = x + t / per_image * shape.in_height * shape.in_width * shape.in_channels;
    const std::size_t row = 2 * (t % per_image / shape.across());
    const std::size_t column = 2 * (t % shape.across());
    for (std::size_t c = 0; c < shape.in_channels; ++c) {
      std::array<float, kWinogradPositions> tile = {};
      for (std::size_t i = 0; i < tile.size(); ++i) {
        const std::size_t in_row = row + i / 4 - shape.pad_top;
        const std::size_t in_column = column + i % 4 - shape.pad_left;
        if (in_row < shape.in_height && in_column < shape.in_width)
          tile[i] = image[(in_row * shape.in_width + in_column) * shape.in_channels + c];
      }
      for (std::size_t j = 0; j < 4; ++j) transform_line_ref(tile.data() + j, 4);
      for (std::size_t i = 0; i < 4; ++i) transform_line_ref(tile.data() + i * 4, 1);
      for (std::size_t p = 0; p < tile.size(); ++p)
        v[(p * step + t - tiles.begin) * shape.in_channels + c] = tile[p];
    }
  }
}

void transform_output_ref(const WinogradTiles& shape, const WinogradProducts& products,
                          TileRange tiles, float* y) {
  const std::size_t per_image = shape.across() * shape.down();
  for (std::size_t t = tiles.begin; t < tiles.end; ++t) {
    const std::size_t row = 2 * (t % per_image / shape.across());
    const std::size_t column = 2 * (t % shape.across());
    for (std::size_t c = 0; c < products.columns; ++c) {
      const auto m = [&](std::size_t i, std::size_t j) {
        return products.m[((i * 4 + j) * products.step + t - tiles.begin) * products.columns + c];
      };
      for (std::size_t i = 0; i < 2; ++i) {
        std::array<float, 4> line = {};
        for (std::size_t j = 0; j < 4; ++j)
          line[j] = i == 0 ? m(0, j) + m(1, j) + m(2, j) : m(1, j) - m(2, j) - m(3, j);
        for (std::size_t j = 0; j < 2; ++j) {
          if (row + i >= shape.out_height || column + j >= shape.out_width) continue;
          float value = j == 0 ? line[0] + line[1] + line[2] : line[1] - line[2] - line[3];
          value += products.bias[products.first_column + c];
          const SmallConvActivation& activation = products.activation;
          if (value < 0.0F) value *= activation.slope;
          if (value < activation.low) value = activation.low;
          if (value > activation.high) value = activation.high;
          const std::size_t pixel =
              (t / per_image * shape.out_height + row + i) * shape.out_width + column + j;
          y[pixel * shape.out_channels + products.first_column + c] = value;
        }
      }
    }
  }
}

}  // namespace

void transform_winograd_input(const WinogradTiles& shape, const float* x, TileRange tiles, float* v,
                              std::size_t step) {
  if (active_isa() == Isa::Scalar) return transform_input_ref(shape, x, tiles, v, step);
  HWY_DYNAMIC_DISPATCH(transform_input)(shape, x, tiles, v, step);
}

void transform_winograd_output(const WinogradTiles& shape, const WinogradProducts& products,
                               TileRange tiles, float* y) {
  if (active_isa() == Isa::Scalar) return transform_output_ref(shape, products, tiles, y);
  products.activation.slope == 1.0F
      ? HWY_DYNAMIC_DISPATCH(transform_plain_output)(shape, products, tiles, y)
      : HWY_DYNAMIC_DISPATCH(transform_leaky_output)(shape, products, tiles, y);
}

}  // namespace visionpress
#endif  // HWY_ONCE
