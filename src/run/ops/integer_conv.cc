// Convolutions and matrix products of codes: integers are summed exactly, then each sum becomes a
// code with the runtime's rounding.

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <utility>

#include "base/bytes.h"
#include "base/error.h"
#include "base/parallel.h"
#include "kernels/byte_product.h"
#include "run/ops/integer_parts.h"

namespace visionpress {
namespace {

class IntegerConvOperator final : public Operator {
 public:
  static OperatorResult build(const ConvSpec& spec, const IntegerLayer& layer,
                              const BuildContext& context);

  void run(const RunContext& context) const override {
    const std::size_t in_size = as_size(spec_.in[0] * spec_.in[1] * spec_.in_channels);
    const std::size_t out_size = as_size(spec_.out[0] * spec_.out[1] * spec_.out_channels);
    const std::size_t pixels = as_size(spec_.out[0] * spec_.out[1]);
    const std::size_t tiles = (pixels + tile_pixels_ - 1) / tile_pixels_;
    for (std::size_t item = 0; item < as_size(spec_.batch); ++item) {
      const std::uint8_t* x = codes_in(context.inputs[0]) + item * in_size;
      std::uint8_t* y = codes_in(context.outputs[0]) + item * out_size;
      const std::uint8_t* framed = has_frame_ ? frame(x, context.scratch) : x;
      parallel_for_workers(tiles, threads_, [&](std::size_t tile, std::size_t worker) {
        run_tile({tile * tile_pixels_, std::min(pixels, (tile + 1) * tile_pixels_), item * pixels},
                 framed, context.scratch + frame_bytes_ + worker * tile_bytes_, y);
      });
    }
  }

 private:
  // Surrounds one item with pixels that hold the zero point, so that padding needs no special case.
  // Pixels between those of a transposed convolution's input hold it, too.
  const std::uint8_t* frame(const std::uint8_t* x, std::byte* scratch) const {
    auto* padded = view_as<std::uint8_t>(scratch);
    const std::size_t channels = as_size(spec_.in_channels);
    const std::size_t row = padded_width_ * channels;
    const std::size_t before = as_size(spec_.before[1]) * channels;
    const std::size_t step = as_size(spread_[1]) * channels;
    const std::size_t line = as_size(spec_.in[1]) * channels;
    parallel_for(padded_height_, threads_, [&](std::size_t y) {
      std::uint8_t* out = padded + y * row;
      const std::int64_t at = static_cast<std::int64_t>(y) - spec_.before[0];
      if (at < 0 || at % spread_[0] != 0 || at / spread_[0] >= spec_.in[0]) {
        std::memset(out, in_zero_, row);
        return;
      }
      const std::uint8_t* from = x + as_size(at / spread_[0]) * line;
      if (step == channels) {
        const std::size_t copied = std::min(line, row - before);
        std::memset(out, in_zero_, before);
        std::memcpy(out + before, from, copied);
        std::memset(out + before + copied, in_zero_, row - before - copied);
        return;
      }
      std::memset(out, in_zero_, row);
      const std::size_t pixels =
          std::min(as_size(spec_.in[1]), (row - before + step - channels) / step);
      for (std::size_t p = 0; p < pixels; ++p)
        std::memcpy(out + before + p * step, from + p * channels, channels);
    });
    return padded;
  }

  struct Pixels {
    std::size_t begin = 0;
    std::size_t end = 0;
    std::size_t before = 0;  ///< pixels of earlier items
  };

  void run_tile(const Pixels& pixels, const std::uint8_t* codes, std::byte* own,
                std::uint8_t* y) const {
    auto* starts = view_as<const std::uint8_t*>(own);
    auto* row_codes = view_as<RowCode>(own + starts_bytes_);
    const std::size_t width = as_size(spec_.out[1]);
    const std::size_t channels = as_size(spec_.in_channels);
    const std::size_t count = pixels.end - pixels.begin;
    const std::size_t step = as_size(spec_.stride[1]) * channels;
    std::size_t column = pixels.begin % width;
    const std::uint8_t* line =
        codes + pixels.begin / width * as_size(spec_.stride[0]) * padded_width_ * channels;
    for (std::size_t p = 0; p < count; ++p) {
      starts[p] = line + column * step;
      if (++column < width) continue;
      column = 0;
      line += as_size(spec_.stride[0]) * padded_width_ * channels;
    }
    const std::size_t all = as_size(spec_.out_channels);
    for (std::size_t g = 0; g < groups_; ++g) {
      const std::size_t* offsets = offsets_.data() + g * shape_.segments;
      row_codes[0] = {};
      if (kernel_zero_ != 0) {
        auto* sums = view_as<std::int32_t>(own + starts_bytes_ + rows_bytes_ - window_bytes_);
        sum_windows({starts, count, offsets, shape_.segments, shape_.segment}, sums);
        for (std::size_t p = 0; p < count; ++p) row_codes[p] = {0, 1.0F, -kernel_zero_ * sums[p]};
      }
      const ByteRows rows = {starts, count, offsets, row_codes, kernel_zero_ == 0};
      ByteProduct product = {shape_, packed_.data() + g * group_bytes_, {}, {}};
      const SumsToCodes how = result_.view(g * columns_);
      std::uint8_t* to = y + pixels.begin * all + g * columns_;
      if (how.scales != nullptr) {
        product.how.order = ScaleOrder::Codes;
        product.to_codes = {how, to, all};
        FloatRows unused = {};
        multiply_bytes(product, rows, {0, columns_}, unused);
        continue;
      }
      auto* sums = view_as<float>(own + starts_bytes_ + rows_bytes_);
      FloatRows out = {sums, columns_, 0.0F, 0.0F};
      product.how.order = ScaleOrder::Raw;
      product.how.kernel_sums = result_.offsets.data() + g * columns_;
      product.how.kernel_scales = unused_.data();
      product.how.bias = unused_.data();
      multiply_bytes(product, rows, {0, columns_}, out);
      for (std::size_t p = 0; p < count; ++p) {
        sums_to_codes(view_as<const std::int32_t>(sums + p * columns_),
                      row_codes[rows.has_one_code ? 0 : p].input_sum, columns_,
                      at_pixel(how, pixels.before + pixels.begin + p), to + p * all);
      }
    }
  }

  // The builtin uint8 kernel of transposed convolutions takes 16 codes at a time, whichever pixels
  // they belong to; the codes behind them round away from zero.
  [[nodiscard]] SumsToCodes at_pixel(SumsToCodes how, std::size_t pixel) const {
    if (upward_codes_ == 0) return how;
    const std::size_t first = pixel * columns_;
    how.upward_columns = first < upward_codes_ ? upward_codes_ - first : 0;
    return how;
  }

  Result<void> turn_around(IntegerKernel& kernel);
  void place_segments();
  void choose_tiles(int threads);
  void pack(const IntegerKernel& kernel);

  ConvSpec spec_ = {};
  int threads_ = 1;
  std::int32_t in_zero_ = 0;
  std::int32_t kernel_zero_ = 0;
  std::array<std::int64_t, 2> spread_ = {1, 1};  ///< places per input pixel: a transposed stride
  std::size_t upward_codes_ = 0;  ///< of the whole result, where its end rounds otherwise
  std::size_t padded_height_ = 0;
  std::size_t padded_width_ = 0;
  bool has_frame_ = false;
  std::size_t groups_ = 1;
  std::size_t columns_ = 0;  ///< output channels per group
  std::size_t tile_pixels_ = 0;
  ByteProductShape shape_ = {};            ///< of one group
  std::vector<std::size_t> offsets_ = {};  ///< of the segments, group by group
  std::vector<std::uint8_t> packed_ = {};
  std::vector<float> unused_ = {};  ///< scales that raw sums do not need
  std::size_t group_bytes_ = 0;
  std::size_t frame_bytes_ = 0;
  std::size_t starts_bytes_ = 0;
  std::size_t rows_bytes_ = 0;    ///< what their windows add to the sums
  std::size_t window_bytes_ = 0;  ///< the sums of the windows, the last of these
  std::size_t tile_bytes_ = 0;
  IntegerResult result_ = {};
};

// The codes of a window that lie side by side form a segment: a row of the kernel, or one pixel of
// a group or of a dilated row.
void IntegerConvOperator::place_segments() {
  const std::size_t channels = as_size(spec_.in_channels);
  const std::size_t per_group = channels / std::max<std::size_t>(groups_, 1);
  const bool is_row = groups_ == 1 && spec_.dilation[1] == 1;
  const std::size_t width = as_size(spec_.kernel[1]);
  for (std::size_t g = 0; g < groups_; ++g) {
    for (std::size_t y = 0; y < as_size(spec_.kernel[0]); ++y) {
      const std::size_t row = y * as_size(spec_.dilation[0]) * padded_width_ * channels;
      for (std::size_t x = 0; x < (is_row ? 1 : width); ++x)
        offsets_.push_back(row + x * as_size(spec_.dilation[1]) * channels + g * per_group);
    }
  }
  shape_ = {offsets_.size() / std::max<std::size_t>(groups_, 1),
            is_row ? width * channels : per_group, columns_};
}

void IntegerConvOperator::choose_tiles(int threads) {
  // Products of bytes done in the time of one of floats, about.
  constexpr std::size_t kBytesPerFloat = 4;
  threads_ = threads_worth(count_products(spec_) / kBytesPerFloat, std::max(threads, 1));
  // The sums of a tile stay in the first-level cache until they are codes.
  constexpr std::size_t kTileSums = std::size_t{6} << 10;
  const std::size_t pixels = as_size(spec_.out[0] * spec_.out[1]);
  const std::size_t share = (pixels + as_size(threads_) - 1) / as_size(threads_);
  tile_pixels_ = std::clamp<std::size_t>(kTileSums / columns_ / 4 * 4, 8, 256);
  tile_pixels_ = std::max<std::size_t>(1, std::min(tile_pixels_, share));
  starts_bytes_ = align_up(tile_pixels_ * sizeof(const std::uint8_t*));
  window_bytes_ = align_up(tile_pixels_ * sizeof(std::int32_t));
  rows_bytes_ = align_up(tile_pixels_ * sizeof(RowCode)) + window_bytes_;
  const bool keeps_sums = result_.scales.empty();
  tile_bytes_ = starts_bytes_ + rows_bytes_ +
                (keeps_sums ? align_up(tile_pixels_ * columns_ * sizeof(float)) : 0);
}

void IntegerConvOperator::pack(const IntegerKernel& kernel) {
  group_bytes_ = byte_product_packed_size(shape_);
  packed_.resize(groups_ * group_bytes_);
  const std::span<const std::uint8_t> codes(kernel.codes);
  const std::size_t stored = kernel.codes.size() / groups_;
  for (std::size_t g = 0; g < groups_; ++g) {
    pack_byte_product(shape_, codes.subspan(g * stored, stored),
                      std::span(packed_).subspan(g * group_bytes_, group_bytes_));
  }
  // With x and w the stored codes, and zx and zw their zero points, the sum of (x - zx) * (w - zw)
  // over n taps is that of x * w - zw * x, less zx * (sum of w - n * zw).
  kernel_zero_ = kernel.zero_point;
  const std::size_t taps = kernel.codes.size() / kernel.scales.size();
  for (std::size_t o = 0; o < kernel.scales.size(); ++o) {
    std::int32_t sum = 0;
    for (std::size_t t = 0; t < taps; ++t)
      sum += static_cast<std::int8_t>(kernel.codes[o * taps + t]) - kernel_zero_;
    result_.offsets[o] -= in_zero_ * sum;
  }
  if (result_.scales.empty()) unused_.assign(columns_, 0.0F);
}

// A transposed convolution is one of stride 1 over its input with zero points between the pixels,
// with the kernel turned around. Sums are exact, so the order of the taps does not matter.
Result<void> IntegerConvOperator::turn_around(IntegerKernel& kernel) {
  spec_.transposed = false;
  for (std::size_t axis = 0; axis < spread_.size(); ++axis) {
    spread_[axis] = spec_.stride[axis];
    spec_.stride[axis] = 1;
    spec_.before[axis] = spec_.kernel[axis] - 1 - spec_.before[axis];
    if (spec_.before[axis] < 0 || spec_.dilation[axis] != 1 || spec_.groups != 1) {
      return fail(ErrorKind::Unsupported,
                  "a transposed convolution of 8-bit integers with more padding than its kernel "
                  "covers");
    }
  }
  const std::size_t channels = as_size(spec_.in_channels);
  const std::size_t taps = as_size(spec_.kernel[0] * spec_.kernel[1]);
  for (std::size_t row = 0; row < kernel.codes.size() / (taps * channels); ++row) {
    std::uint8_t* codes = kernel.codes.data() + row * taps * channels;
    for (std::size_t tap = 0; tap < taps / 2; ++tap) {
      std::swap_ranges(codes + tap * channels, codes + (tap + 1) * channels,
                       codes + (taps - 1 - tap) * channels);
    }
  }
  return {};
}

OperatorResult IntegerConvOperator::build(const ConvSpec& given, const IntegerLayer& layer,
                                          const BuildContext& context) {
  auto result = std::make_unique<IntegerConvOperator>();
  IntegerConvOperator& self = *result;
  self.spec_ = given;
  const ConvSpec& spec = self.spec_;
  VP_ASSIGN_OR_RETURN(IntegerKernel kernel, load_integer_kernel(context, spec.out_channels));
  VP_ASSIGN_OR_RETURN(self.result_, make_integer_result(context, kernel, layer));
  // Grouped convolutions are left to the reference kernel.
  self.result_.upward_columns = spec.groups == 1 ? as_size(spec.out_channels) : 0;
  if (spec.transposed) {
    // Vectors of the builtin kernels: eight channels, or 16 codes.
    const bool is_signed = input_code(context, 0).is_signed;
    self.result_.upward_columns = is_signed ? as_size(spec.out_channels) / 8 * 8 : 0;
    if (!is_signed) self.upward_codes_ = count_of(context.results[0]) / 16 * 16;
    VP_RETURN_IF_ERROR(self.turn_around(kernel));
  }
  self.in_zero_ = input_code(context, 0).zero_point;
  self.padded_height_ =
      as_size((spec.out[0] - 1) * spec.stride[0] + (spec.kernel[0] - 1) * spec.dilation[0] + 1);
  self.padded_width_ =
      as_size((spec.out[1] - 1) * spec.stride[1] + (spec.kernel[1] - 1) * spec.dilation[1] + 1);
  const bool fits = self.spread_[0] == 1 && self.spread_[1] == 1 && spec.before[0] == 0 &&
                    spec.before[1] == 0 && as_size(spec.in[0]) >= self.padded_height_ &&
                    as_size(spec.in[1]) >= self.padded_width_;
  self.has_frame_ = !fits;
  if (fits) self.padded_width_ = as_size(spec.in[1]);
  self.groups_ = as_size(spec.groups);
  self.columns_ = as_size(spec.out_channels) / self.groups_;
  self.place_segments();
  self.choose_tiles(context.threads);
  self.pack(kernel);
  if (self.has_frame_) {
    self.frame_bytes_ = align_up(
        self.padded_height_ * self.padded_width_ * as_size(spec.in_channels) + kByteProductSlack);
  }
  self.scratch_bytes = self.frame_bytes_ + self.tile_bytes_ * as_size(self.threads_);
  self.is_hybrid = true;
  return result;
}

// source: CalculateTransposeConvPaddings in tflite/delegates/xnnpack/xnnpack_delegate.cc, LiteRT
// 2.3.
bool takes_transposed(const Conv2d& op, const ConvSpec& spec) {
  const bool is_same = op.padding.rule == PadRule::SameUpper;
  for (std::size_t axis = 0; axis < spec.out.size(); ++axis) {
    if (!is_same && spec.out[axis] < spec.kernel[axis]) return false;
    if (is_same && spec.kernel[axis] < spec.stride[axis]) return false;
    const std::int64_t in = (spec.out[axis] + spec.stride[axis] - 1) / spec.stride[axis];
    if (is_same && in != spec.in[axis]) return false;
  }
  return true;
}

}  // namespace

OperatorResult make_integer_conv(const Conv2d& op, const BuildContext& context) {
  if (op.kernel_layout == KernelLayout::Hwo) return make_integer_depthwise(op, context);
  VP_ASSIGN_OR_RETURN(const ConvSpec spec, conv_spec(op, context));
  IntegerLayer layer = {op.activation, false, has_bias(context)};
  if (op.transposed) layer.is_taken_by_xnnpack = takes_transposed(op, spec);
  VP_ASSIGN_OR_RETURN(auto result, IntegerConvOperator::build(spec, layer, context));
  result->output_dims = {conv_output_dims(spec, {})};
  return result;
}

OperatorResult make_integer_matrix(const FullyConnected& op, const BuildContext& context) {
  VP_ASSIGN_OR_RETURN(const Shape kernel, kernel_shape(context));
  if (op.kernel_is_in_out || kernel.size() != 2)
    return fail(ErrorKind::Unsupported, "a kernel of shape {}", to_string(kernel));
  // A matrix product is a 1x1 convolution over as many pixels as there are rows.
  ConvSpec spec;
  spec.in_channels = kernel[1];
  spec.out_channels = kernel[0];
  spec.in = {static_cast<std::int64_t>(count_of(context.inputs[0].dims)) / kernel[1], 1};
  spec.out = spec.in;
  VP_ASSIGN_OR_RETURN(auto result,
                      IntegerConvOperator::build(spec, {op.activation, true, true}, context));
  result->output_dims = {context.results[0]};
  return result;
}

}  // namespace visionpress
