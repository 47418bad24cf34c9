// Convolutions of float activations with 8-bit kernels, computed as LiteRT does: quantize the
// activations of each batch item, sum integers exactly, and convert the sums back to floats.

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <utility>

#include "base/bytes.h"
#include "base/error.h"
#include "base/parallel.h"
#include "run/ops/column_parts.h"
#include "run/ops/elementwise.h"
#include "run/ops/hybrid_parts.h"
#include "run/ops/ordered_conv.h"

namespace visionpress {
namespace {

std::size_t size_of(std::int64_t value) { return static_cast<std::size_t>(value); }

class HybridConvOperator final : public Operator {
 public:
  static OperatorResult build(const Conv2d& op, const Epilogue& epilogue,
                              const BuildContext& context);

  void run(const RunContext& context) const override {
    const std::size_t in_size = count_of(in_dims_) / batch_;
    const std::size_t out_size = count_of(output_dims[0]) / batch_;
    ActivationRange seen;
    for (std::size_t item = 0; item < batch_; ++item) {
      const float* x = context.inputs[0] + item * in_size;
      const ActivationCode code =
          choose_code(result_.rule, find_item_range(context, batch_, {x, in_size}, threads_));
      quantize_item(x, code, in_size, context.scratch);
      seen = join(seen, sum_tiles(code, context.scratch, context.outputs[0] + item * out_size));
    }
    if (result_.after) {
      apply_unary(*result_.after, context.outputs[0], context.outputs[0], count_of(output_dims[0]));
    } else if (context.output_range != nullptr) {
      *context.output_range = seen;
    }
  }

 private:
  // Quantizes one item and frames the codes with pixels that hold the zero point, so that padding
  // needs no special case. Pixels between those of a transposed convolution's input hold it, too.
  void quantize_item(const float* x, const ActivationCode& code, std::size_t size,
                     std::byte* scratch) const {
    auto* padded = view_as<std::uint8_t>(scratch);
    const std::size_t channels = size_of(spec_.in_channels);
    const std::size_t row = padded_width_ * channels;
    const std::size_t before = size_of(spec_.before[1]) * channels;
    const std::size_t line = size_of(spec_.in[1]) * channels;
    const std::size_t step = spread_[1] * channels;
    const int zero = code.zero_point + 128;
    const QuantizeJob job = {result_.rule, code, size};
    parallel_for(padded_height_, threads_, [&](std::size_t y) {
      std::uint8_t* out = padded + y * row;
      const auto at = static_cast<std::int64_t>(y) - spec_.before[0];
      const auto spread = static_cast<std::int64_t>(spread_[0]);
      if (at < 0 || at % spread != 0 || at / spread >= spec_.in[0]) {
        std::memset(out, zero, row);
        return;
      }
      const std::size_t pixels = (row - before + step - channels) / step;  // that lie in the frame
      const std::size_t copied = std::min(line, pixels * channels);
      const std::size_t offset = size_of(at / spread) * line;
      std::memset(out, zero, before);
      quantize_values(job, x + offset, offset, copied, out + before);
      std::memset(out + before + copied, zero, row - before - copied);
      if (step > channels) spread_pixels(out + before, copied / channels, zero);
    });
  }

  // Moves pixels that lie side by side apart, the last one first.
  void spread_pixels(std::uint8_t* line, std::size_t pixels, int zero) const {
    const std::size_t channels = size_of(spec_.in_channels);
    for (std::size_t pixel = pixels; pixel-- > 1;) {
      std::uint8_t* to = line + pixel * spread_[1] * channels;
      std::memcpy(to, line + pixel * channels, channels);
      std::memset(to - (spread_[1] - 1) * channels, zero, (spread_[1] - 1) * channels);
    }
  }

  ActivationRange sum_tiles(const ActivationCode& code, std::byte* scratch, float* y) const {
    const std::size_t row_tiles = (out_rows_ + tile_rows_ - 1) / tile_rows_;
    std::vector<ActivationRange> ranges(row_tiles * parts_.count);
    parallel_for_workers(ranges.size(), threads_, [&](std::size_t tile, std::size_t worker) {
      const Tile place = {tile / parts_.count, tile % parts_.count, scratch,
                          scratch + codes_bytes_ + worker * tile_bytes_, y};
      ranges[tile] = run_tile(place, {code.zero_point + 128, code.scale, 0});
    });
    ActivationRange seen;
    for (const ActivationRange range : ranges) seen = join(seen, range);
    return seen;
  }

  struct Tile {
    std::size_t index = 0;  ///< of its rows
    std::size_t part = 0;   ///< of the columns
    const std::byte* codes = nullptr;
    std::byte* own = nullptr;
    float* y = nullptr;
  };

  ActivationRange run_tile(const Tile& tile, const RowCode& code) const {
    const std::size_t pool_step = pools_ ? 2 : 1;
    const std::size_t begin = tile.index * tile_rows_;
    const std::size_t rows = std::min(tile_rows_, out_rows_ - begin) * pool_step;
    const std::size_t channels = size_of(spec_.out_channels);
    auto* starts = view_as<const std::uint8_t*>(tile.own);
    const std::size_t count =
        list_windows(view_as<const std::uint8_t>(tile.codes), begin * pool_step, rows, starts);
    float* target = tile.y + begin * (size_of(spec_.out[1]) / pool_step) * channels;
    auto* sums = pools_ ? view_as<float>(tile.own + starts_bytes_) : target;
    FloatRows out = {sums, channels, 0.0F, 0.0F};
    const ColumnRange columns = {parts_.begin(tile.part), parts_.end(tile.part)};
    for (std::size_t g = 0; g < groups_; ++g) {
      const ByteProduct product = {shape_, packed_.data() + g * group_bytes_,
                                   result_.dequantization({}, g * columns_)};
      out.y = sums + g * columns_;
      multiply_bytes(product, {starts, count, offsets_.data() + g * shape_.segments, &code, true},
                     columns, out);
    }
    if (pools_) return pool(sums, rows, target);
    return {out.low, out.high};
  }

  // The first code of each window of `rows` output rows. returns: how many there are.
  std::size_t list_windows(const std::uint8_t* codes, std::size_t first, std::size_t rows,
                           const std::uint8_t** starts) const {
    const std::size_t width = size_of(spec_.out[1]);
    const std::size_t channels = size_of(spec_.in_channels);
    for (std::size_t r = 0; r < rows; ++r) {
      const std::uint8_t* line =
          codes + (first + r) * size_of(spec_.stride[0]) * padded_width_ * channels;
      for (std::size_t x = 0; x < width; ++x)
        starts[r * width + x] = line + x * size_of(spec_.stride[1]) * channels;
    }
    return rows * width;
  }

  // Pools each pair of rows. returns: the range of the maxima.
  ActivationRange pool(const float* sums, std::size_t rows, float* y) const {
    const std::size_t width = size_of(spec_.out[1]);
    const std::size_t channels = size_of(spec_.out_channels);
    FloatRows out = {y, channels, 0.0F, 0.0F};
    for (std::size_t r = 0; r + 2 <= rows; r += 2) {
      const float* row = sums + r * width * channels;
      max_of_blocks(row, row + width * channels, channels, width / 2, out);
      out.y += width / 2 * channels;
    }
    return {out.low, out.high};
  }

  Result<void> turn_around(HybridKernel& kernel);
  void place_segments();
  void choose_tiles();
  void pack(const std::vector<std::uint8_t>& kernel);

  ConvSpec spec_ = {};
  int threads_ = 1;
  std::size_t batch_ = 1;
  Shape in_dims_ = {};
  bool pools_ = false;
  std::array<std::size_t, 2> spread_ = {1, 1};  ///< places per input pixel: a transposed stride
  std::size_t padded_height_ = 0;
  std::size_t padded_width_ = 0;
  std::size_t groups_ = 1;
  std::size_t columns_ = 0;    ///< output channels per group
  std::size_t out_rows_ = 0;   ///< after pooling
  std::size_t tile_rows_ = 0;  ///< of these
  ColumnParts parts_ = {};
  ByteProductShape shape_ = {};            ///< of one group
  std::vector<std::size_t> offsets_ = {};  ///< of the segments, group by group
  std::vector<std::uint8_t> packed_ = {};
  std::size_t group_bytes_ = 0;
  std::size_t codes_bytes_ = 0;   ///< the framed codes of one item
  std::size_t starts_bytes_ = 0;  ///< the windows of one tile
  std::size_t tile_bytes_ = 0;    ///< all buffers of one thread's tile
  HybridResult result_ = {};
};

// A transposed convolution is one of stride 1 over its input with zeros between the pixels, with
// the kernel turned around. Integer sums are exact, so the order of the taps does not matter.
Result<void> HybridConvOperator::turn_around(HybridKernel& kernel) {
  spec_.transposed = false;
  for (std::size_t axis = 0; axis < spread_.size(); ++axis) {
    spread_[axis] = size_of(spec_.stride[axis]);
    spec_.stride[axis] = 1;
    spec_.before[axis] = spec_.kernel[axis] - 1 - spec_.before[axis];
    if (spec_.before[axis] < 0 || spec_.dilation[axis] != 1 || spec_.groups != 1) {
      return fail(ErrorKind::Unsupported,
                  "a transposed convolution with an int8 kernel, and with groups, dilation or more "
                  "padding than its kernel covers");
    }
  }
  const std::size_t channels = size_of(spec_.in_channels);
  const std::size_t taps = size_of(spec_.kernel[0] * spec_.kernel[1]);
  const std::size_t rows = kernel.codes.size() / (taps * channels);
  for (std::size_t row = 0; row < rows; ++row) {
    std::uint8_t* codes = kernel.codes.data() + row * taps * channels;
    for (std::size_t tap = 0; tap < taps / 2; ++tap) {
      std::swap_ranges(codes + tap * channels, codes + (tap + 1) * channels,
                       codes + (taps - 1 - tap) * channels);
    }
  }
  return {};
}

// The codes of a window that lie side by side form a segment: a row of the kernel, or one pixel of
// a group or of a dilated row.
void HybridConvOperator::place_segments() {
  const std::size_t channels = size_of(spec_.in_channels);
  const std::size_t per_group = channels / groups_;
  const bool is_row = groups_ == 1 && spec_.dilation[1] == 1;
  const std::size_t width = size_of(spec_.kernel[1]);
  for (std::size_t g = 0; g < groups_; ++g) {
    for (std::size_t y = 0; y < size_of(spec_.kernel[0]); ++y) {
      const std::size_t row = y * size_of(spec_.dilation[0]) * padded_width_ * channels;
      for (std::size_t x = 0; x < (is_row ? 1 : width); ++x)
        offsets_.push_back(row + x * size_of(spec_.dilation[1]) * channels + g * per_group);
    }
  }
  shape_ = {offsets_.size() / groups_, is_row ? width * channels : per_group, columns_};
}

void HybridConvOperator::choose_tiles() {
  const std::size_t width = size_of(spec_.out[1]);
  const std::size_t pixels = size_of(spec_.out[0]) * width;
  const std::size_t kernel_bytes = columns_ * shape_.segments * shape_.segment;
  threads_ = threads_worth(count_products(spec_) / kBytesPerFloat, threads_);
  const auto threads = static_cast<std::size_t>(threads_);
  // Enough pixels per tile for each pass over the kernel; their windows stay in the cache.
  constexpr std::size_t kTilePixels = 512;
  // A kernel beyond the second-level cache is read once: threads share its columns, not the rows.
  constexpr std::size_t kLargeKernel = std::size_t{512} << 10;
  const std::size_t step = byte_product_column_step();
  parts_ = keep_columns(columns_);
  if (!pools_ && groups_ == 1 && threads > 1 && kernel_bytes > kLargeKernel &&
      pixels <= 2 * kTilePixels && columns_ >= threads * step) {
    parts_ = split_columns(columns_, step, threads);
    tile_rows_ = out_rows_;
    return;
  }
  const std::size_t rounds = (pixels + kTilePixels * threads - 1) / (kTilePixels * threads);
  tile_rows_ = (out_rows_ + rounds * threads - 1) / (rounds * threads);
}

void HybridConvOperator::pack(const std::vector<std::uint8_t>& kernel) {
  group_bytes_ = byte_product_packed_size(shape_);
  packed_.resize(groups_ * group_bytes_);
  const std::span<const std::uint8_t> codes(kernel);
  const std::size_t stored = kernel.size() / groups_;
  for (std::size_t g = 0; g < groups_; ++g) {
    pack_byte_product(shape_, codes.subspan(g * stored, stored),
                      std::span(packed_).subspan(g * group_bytes_, group_bytes_));
  }
  const std::size_t pixels = tile_rows_ * (pools_ ? 2 : 1) * size_of(spec_.out[1]);
  starts_bytes_ = align_up(pixels * sizeof(const std::uint8_t*));
  const std::size_t sums =
      pools_ ? align_up(pixels * size_of(spec_.out_channels) * sizeof(float)) : 0;
  tile_bytes_ = starts_bytes_ + sums;
  codes_bytes_ =
      align_up(padded_height_ * padded_width_ * size_of(spec_.in_channels) + kByteProductSlack);
  scratch_bytes = codes_bytes_ + tile_bytes_ * static_cast<std::size_t>(threads_);
}

/// XNNPACK leaves kernels that do not cover the stride to the builtin kernel, which quantizes with
/// a zero point whatever the scales, and adds floats in an order of its own (some ulps).
HybridRule transposed_rule(const Conv2d& op, const ConvSpec& spec, const BuildContext& context) {
  const bool covers = op.stride[0] <= spec.kernel[0] && op.stride[1] <= spec.kernel[1];
  return covers && is_taken_by_xnnpack(context) ? HybridRule::Xnnpack
                                                : HybridRule::BuiltinAsymmetric;
}

OperatorResult HybridConvOperator::build(const Conv2d& op, const Epilogue& epilogue,
                                         const BuildContext& context) {
  auto result = std::make_unique<HybridConvOperator>();
  HybridConvOperator& self = *result;
  VP_ASSIGN_OR_RETURN(self.spec_, conv_spec(op, context));
  const ConvSpec& spec = self.spec_;
  VP_ASSIGN_OR_RETURN(HybridKernel kernel, load_hybrid_kernel(context, spec.out_channels));
  if (op.transposed) VP_RETURN_IF_ERROR(self.turn_around(kernel));
  self.threads_ = std::max(context.threads, 1);
  self.batch_ = size_of(spec.batch);
  self.in_dims_ = context.inputs[0].dims;
  self.pools_ = epilogue.max_pool_2x2;
  self.padded_height_ =
      size_of((spec.out[0] - 1) * spec.stride[0] + (spec.kernel[0] - 1) * spec.dilation[0] + 1);
  self.padded_width_ =
      size_of((spec.out[1] - 1) * spec.stride[1] + (spec.kernel[1] - 1) * spec.dilation[1] + 1);
  self.groups_ = size_of(spec.groups);
  self.columns_ = size_of(spec.out_channels) / self.groups_;
  self.out_rows_ = size_of(spec.out[0]) / (self.pools_ ? 2 : 1);
  self.place_segments();
  self.choose_tiles();
  self.pack(kernel.codes);
  VP_ASSIGN_OR_RETURN(std::vector<float> bias, load_bias(context, spec.out_channels));
  const HybridRule rule = op.transposed ? transposed_rule(op, spec, context)
                                        : hybrid_rule(context, kernel.scales, spec.groups != 1);
  self.result_ = make_hybrid_result(rule, kernel, std::move(bias), conv_activation(op, epilogue));
  self.result_.is_grouped = spec.groups != 1;
  self.output_dims = {conv_output_dims(spec, epilogue)};
  self.is_hybrid = true;
  return result;
}

}  // namespace

OperatorResult make_hybrid_conv2d(const Conv2d& op, const Epilogue& epilogue,
                                  const BuildContext& context) {
  VP_ASSIGN_OR_RETURN(const ConvSpec spec, conv_spec(op, context));
  if (op.kernel_layout == KernelLayout::Hwo) return make_hybrid_depthwise(op, epilogue, context);
  // XNNPACK runs an ungrouped 1x1 stride-1 convolution as a matrix product with one row per pixel.
  if (is_pointwise(spec) && is_taken_by_xnnpack(context)) {
    HybridRows rows;
    rows.rows = spec.batch * spec.out[0] * spec.out[1];
    rows.inner = spec.in_channels;
    rows.columns = spec.out_channels;
    rows.activation = conv_activation(op, epilogue);
    rows.output_dims = conv_output_dims(spec, epilogue);
    return make_hybrid_rows(rows, HybridRule::Xnnpack, context);
  }
  return HybridConvOperator::build(op, epilogue, context);
}

bool can_pool_in_hybrid_conv2d(const Conv2d& op, const BuildContext& context) {
  const auto spec = conv_spec(op, context);
  if (!spec || op.transposed || op.kernel_layout == KernelLayout::Hwo) return false;
  if (spec->kernel[0] == 1 && spec->kernel[1] == 1 && is_taken_by_xnnpack(context)) return false;
  const auto kernel = load_hybrid_scales(context, spec->out_channels);
  return kernel &&
         std::all_of(kernel->begin(), kernel->end(), [](float scale) { return scale >= 0.0F; });
}

}  // namespace visionpress
