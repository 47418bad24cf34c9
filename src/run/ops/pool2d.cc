#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>

#include "base/bytes.h"
#include "base/error.h"
#include "base/parallel.h"
#include "kernels/max_pool.h"
#include "lower/window.h"
#include "run/operator.h"
#include "run/ops/elementwise.h"
#include "run/ops/running_window.h"

namespace visionpress {
namespace {

// A window is computed in two passes, whose work does not grow with the window, if a direct walk
// would read each value of the image at least this many times.
constexpr double kManyReads = 64.0;
// The same limit for sums in a runtime's exact order (64 x 64 pixels at stride 1). Above it, the
// exact order would take minutes and is given up.
constexpr double kManyReadsInOrder = 4096.0;
// The most values between the two passes: as many as a tensor may have. Only padding much larger
// than the image needs more.
constexpr std::size_t kMostBetweenPasses = std::size_t{1} << 28;

/// The first of equal values; NaN if either is NaN.
constexpr float larger(float a, float b) { return b > a || b != b ? b : a; }

/// The part of one window that lies inside the image.
struct Window {
  std::int64_t y0 = 0, y1 = 0, x0 = 0, x1 = 0;
};

class PoolOperator final : public Operator {
 public:
  PoolOperator(const Pool2d& op, const Shape& in, std::array<WindowGeometry, 2> geometry,
               const BuildContext& context)
      : op_(op),
        in_(in),
        geometry_(geometry),
        sums_by_nines_(op.kind == PoolKind::Average && context.float_math == FloatMath::Xnnpack),
        threads_(context.threads) {
    output_dims = {{in[0], geometry[0].out, geometry[1].out, in[3]}};
    const auto window = static_cast<std::size_t>(op.kernel[0] * op.kernel[1]);
    threads_ = threads_worth(count_of(output_dims[0]) * window, threads_);
    image_ = {{}, static_cast<std::size_t>(in[3]), threads_};
    for (std::size_t a = 0; a < 2; ++a) {
      image_.axes[a] = {in[a + 1], geometry[a].out, op.kernel[a], op.stride[a], geometry[a].before};
    }
    const bool keeps_order = op.kind != PoolKind::Max && context.float_math != FloatMath::Plain;
    is_running_ = reads_per_value() >= (keeps_order ? kManyReadsInOrder : kManyReads) &&
                  image_.height() * image_.out_row() <= kMostBetweenPasses;
    if (is_running_) {
      scratch_bytes =
          image_.scratch() * (op.kind == PoolKind::Max ? sizeof(float) : sizeof(double));
    }
  }

  void run(const RunContext& context) const override {
    if (is_running_) {
      run_in_passes(context);
      return;
    }
    const std::int64_t rows = output_dims[0][0] * output_dims[0][1];
    parallel_for(static_cast<std::size_t>(rows), threads_, [&](std::size_t row) {
      pool_row(static_cast<std::int64_t>(row), context.inputs[0], context.outputs[0]);
    });
  }

 private:
  /// How often a direct walk over every window reads each value of the image.
  [[nodiscard]] double reads_per_value() const {
    double reads = 1.0;
    for (const AxisWindows& axis : image_.axes) {
      reads *= static_cast<double>(axis.out) * static_cast<double>(std::min(axis.kernel, axis.in)) /
               static_cast<double>(std::max<std::int64_t>(axis.in, 1));
    }
    return reads;
  }

  void run_in_passes(const RunContext& context) const {
    const std::size_t in_size = image_.height() * image_.in_row();
    const std::size_t out_size = static_cast<std::size_t>(output_dims[0][1]) * image_.out_row();
    for (std::size_t item = 0; item < static_cast<std::size_t>(in_[0]); ++item) {
      const float* pixels = context.inputs[0] + item * in_size;
      float* out = context.outputs[0] + item * out_size;
      if (op_.kind == PoolKind::Max) {
        maximum_in_passes(pixels, view_as<float>(context.scratch), out);
      } else {
        mean_in_passes(pixels, view_as<double>(context.scratch), out);
      }
      if (is_fused(op_.activation)) apply_unary(unary_of(op_.activation), out, out, out_size);
    }
  }

  void maximum_in_passes(const float* pixels, float* scratch, float* out) const {
    const auto store = [&](std::size_t y, std::size_t x, std::size_t c, float value) {
      out[y * image_.out_row() + x * image_.channels + c] = value;
    };
    const FoldBy by = {-std::numeric_limits<float>::infinity(), larger};
    fold_windows(
        pixels, image_, scratch, by, [](float value) { return value; }, store);
  }

  /// Sums in double, which are closer to the true sum than a float sum of the direct walk.
  void mean_in_passes(const float* pixels, double* scratch, float* out) const {
    const auto store = [&](std::size_t y, std::size_t x, std::size_t c, double sum) {
      const auto out_y = static_cast<std::int64_t>(y);
      const auto out_x = static_cast<std::int64_t>(x);
      const double mean = sum / static_cast<double>(divisor(window_at(out_y, out_x), out_y, out_x));
      out[y * image_.out_row() + x * image_.channels + c] =
          static_cast<float>(has_squares() ? std::sqrt(mean) : mean);
    };
    const FoldBy by = {0.0, std::plus<double>()};
    const auto load = [is_square = has_squares()](float value) {
      return is_square ? static_cast<double>(value) * value : static_cast<double>(value);
    };
    fold_windows(pixels, image_, scratch, by, load, store);
  }

  [[nodiscard]] bool has_squares() const {
    return op_.kind == PoolKind::L2 || op_.kind == PoolKind::L2Sum;
  }

  /// The first row or column of a window; may lie outside the image.
  [[nodiscard]] std::int64_t first_of(std::int64_t out, std::size_t axis) const {
    return out * op_.stride[axis] - geometry_[axis].before;
  }

  [[nodiscard]] Window window_at(std::int64_t out_y, std::int64_t out_x) const {
    const std::int64_t top = first_of(out_y, 0);
    const std::int64_t left = first_of(out_x, 1);
    return {std::max<std::int64_t>(top, 0), std::min(top + op_.kernel[0], in_[1]),
            std::max<std::int64_t>(left, 0), std::min(left + op_.kernel[1], in_[2])};
  }

  /// The divisor of a window's sum.
  [[nodiscard]] std::int64_t divisor(const Window& window, std::int64_t out_y,
                                     std::int64_t out_x) const {
    if (op_.kind == PoolKind::L2Sum) return 1;
    const std::int64_t inside = (window.y1 - window.y0) * (window.x1 - window.x0);
    const std::int64_t padded =
        count_padded(first_of(out_y, 0), 0) * count_padded(first_of(out_x, 1), 1);
    return std::max<std::int64_t>(op_.count_padding ? padded : inside, 1);
  }

  void pool_row(std::int64_t row, const float* x, float* y) const {
    const std::int64_t item = row / output_dims[0][1];
    const std::int64_t out_y = row % output_dims[0][1];
    const auto channels = static_cast<std::size_t>(in_[3]);
    const float* image = x + item * in_[1] * in_[2] * in_[3];
    float* out = y + row * output_dims[0][2] * in_[3];
    std::vector<const float*> pixels;  // of a window, in memory that all windows of the row share
    for (std::int64_t out_x = 0; out_x < output_dims[0][2]; ++out_x, out += channels) {
      const Window window = window_at(out_y, out_x);
      if (op_.kind == PoolKind::Max) {
        list_pixels(image, window, pixels);
        max_of_pixels(pixels.data(), pixels.size(), channels, out);
      } else if (sums_by_nines_) {
        xnnpack_mean(image, first_of(out_y, 0), first_of(out_x, 1), channels, out);
      } else {
        mean(image, window, divisor(window, out_y, out_x), channels, out);
      }
    }
    if (is_fused(op_.activation)) {
      float* begin = y + row * output_dims[0][2] * in_[3];
      apply_unary(unary_of(op_.activation), begin, begin,
                  static_cast<std::size_t>(output_dims[0][2]) * channels);
    }
  }

  void list_pixels(const float* image, const Window& window,
                   std::vector<const float*>& pixels) const {
    pixels.clear();
    for (std::int64_t y = window.y0; y < window.y1; ++y) {
      for (std::int64_t x = window.x0; x < window.x1; ++x)
        pixels.push_back(image + (y * in_[2] + x) * in_[3]);
    }
  }

  // XNNPACK adds nine pixels at a time, down each column of the window, with zeros for pixels
  // outside the image; NaN becomes the lower bound of its clamp.
  void xnnpack_mean(const float* image, std::int64_t top, std::int64_t left, std::size_t channels,
                    float* out) const {
    const std::int64_t taps = op_.kernel[0] * op_.kernel[1];
    std::int64_t inside = 0;
    const auto pixel = [&](std::int64_t tap) -> const float* {
      const std::int64_t y = top + tap % op_.kernel[0];
      const std::int64_t x = left + tap / op_.kernel[0];
      if (tap >= taps || y < 0 || y >= in_[1] || x < 0 || x >= in_[2]) return nullptr;
      return image + (y * in_[2] + x) * in_[3];
    };
    std::fill(out, out + channels, 0.0F);
    for (std::int64_t first = 0; first < taps; first += 9) {
      std::array<const float*, 9> p = {};
      for (std::int64_t i = 0; i < 9; ++i) {
        p[static_cast<std::size_t>(i)] = pixel(first + i);
        if (p[static_cast<std::size_t>(i)] != nullptr) ++inside;
      }
      const auto value = [&p](std::size_t i, std::size_t c) {
        return p[i] == nullptr ? 0.0F : p[i][c];
      };
      for (std::size_t c = 0; c < channels; ++c) {
        const float middle = (value(2, c) + value(3, c)) + (value(4, c) + value(5, c));
        const float ends =
            ((value(0, c) + value(1, c)) + value(8, c)) + (value(6, c) + value(7, c));
        out[c] += middle + ends;
      }
    }
    const float scale = 1.0F / static_cast<float>(std::max<std::int64_t>(inside, 1));
    for (std::size_t c = 0; c < channels; ++c) {
      out[c] *= scale;
      if (std::isnan(out[c])) out[c] = -std::numeric_limits<float>::infinity();
    }
  }

  // How many of a window's pixels from `begin` on, along one axis, lie in the image or its padding.
  // Only with IncludeLastPixel do windows reach beyond the padding.
  [[nodiscard]] std::int64_t count_padded(std::int64_t begin, std::size_t axis) const {
    if (op_.padding.rule != PadRule::IncludeLastPixel) return op_.kernel[axis];
    const std::int64_t end = in_[axis + 1] + op_.padding.after[axis];
    return std::min(begin + op_.kernel[axis], end) - begin;
  }

  void mean(const float* image, const Window& window, std::int64_t counted, std::size_t channels,
            float* out) const {
    const bool squares = has_squares();
    std::fill(out, out + channels, 0.0F);
    for (std::int64_t y = window.y0; y < window.y1; ++y) {
      for (std::int64_t x = window.x0; x < window.x1; ++x) {
        const float* pixel = image + (y * in_[2] + x) * in_[3];
        for (std::size_t c = 0; c < channels; ++c)
          out[c] += squares ? pixel[c] * pixel[c] : pixel[c];
      }
    }
    const auto divisor = static_cast<float>(counted);
    for (std::size_t c = 0; c < channels; ++c)
      out[c] = squares ? std::sqrt(out[c] / divisor) : out[c] / divisor;
  }

  Pool2d op_;
  Shape in_;
  std::array<WindowGeometry, 2> geometry_;
  WindowedImage image_ = {};
  bool sums_by_nines_;
  bool is_running_ = false;
  int threads_;
};

}  // namespace

OperatorResult build_operator(const Pool2d& op, const BuildContext& context) {
  const Shape& in = context.inputs[0].dims;
  Pool2d pool = op;
  if (pool.global) {
    pool.kernel = {in[1], in[2]};
    pool.stride = {1, 1};
    pool.padding = {};
  }
  std::array<WindowGeometry, 2> geometry;
  for (std::size_t a = 0; a < 2; ++a) {
    VP_ASSIGN_OR_RETURN(
        geometry[a], window_geometry(in[a + 1], pool.kernel[a], pool.stride[a], pool.padding, a));
  }
  return std::make_unique<PoolOperator>(pool, in, geometry, context);
}

}  // namespace visionpress
