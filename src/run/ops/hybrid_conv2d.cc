// Convolutions of float activations with 8-bit kernels, computed as LiteRT does: quantize the
// activations of each batch item, sum integers exactly, and convert the sums back to floats.
//
// The output is computed in tiles of whole rows (divided by output channels too if there are few
// rows). Each tile is summed and dequantized while its sums are still in the second-level cache.

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/bytes.h"
#include "base/error.h"
#include "base/parallel.h"
#include "run/ops/elementwise.h"
#include "run/ops/hybrid_parts.h"

namespace visionpress {
namespace {

/// One shape of tile: its primitive and the output channels it covers.
struct ChannelPart {
  Convolution convolution;
  std::int64_t begin = 0;
  std::int64_t count = 0;
};

struct Tiling {
  std::int64_t rows = 0;   ///< output rows per tile
  std::int64_t parts = 1;  ///< parts of the output channels
};

// Chooses tiles whose sums fit into the second-level cache, in a number that the threads can share
// evenly.
Tiling choose_tiling(const ConvSpec& spec, bool pools, int threads) {
  // A share of a 1 MB cache, which holds codes and kernel too.
  constexpr std::int64_t kTileBytes = std::int64_t{400} << 10;
  const std::int64_t row_bytes = spec.out[1] * spec.out_channels * 4;
  const std::int64_t step = pools ? 2 : 1;
  for (std::int64_t tiles = threads; tiles <= spec.out[0] / step; tiles += threads) {
    const std::int64_t rows = spec.out[0] / tiles;
    if (spec.out[0] % tiles == 0 && rows % step == 0 && rows * row_bytes <= kTileBytes)
      return {rows, 1};
  }
  constexpr std::int64_t kChannelBlock = 64;  // oneDNN's own blocking of output channels
  const std::int64_t parts = spec.out_channels % (kChannelBlock * threads) == 0 ? threads : 1;
  return {spec.out[0], parts};
}

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
      const ActivationCode code = choose_code(result_.rule, range_of(context, x, in_size));
      quantize_item(x, code, in_size, context.scratch);
      const ActivationRange range =
          sum_tiles(code, context.scratch, context.outputs[0] + item * out_size);
      seen = join(seen, range);
    }
    if (result_.after) {
      apply_unary(*result_.after, context.outputs[0], context.outputs[0], count_of(output_dims[0]));
    } else if (context.output_range != nullptr) {
      *context.output_range = seen;
    }
  }

 private:
  ActivationRange range_of(const RunContext& context, const float* x, std::size_t count) const {
    if (batch_ == 1 && context.input_ranges[0]) return *context.input_ranges[0];
    constexpr std::size_t kBlock = 1 << 16;
    const std::size_t blocks = (count + kBlock - 1) / kBlock;
    std::vector<ActivationRange> ranges(blocks);
    parallel_for(blocks, threads_, [&](std::size_t b) {
      range_with_zero(x + b * kBlock, std::min(kBlock, count - b * kBlock), &ranges[b].low,
                      &ranges[b].high);
    });
    ActivationRange all;
    for (const ActivationRange range : ranges) all = join(all, range);
    return all;
  }

  // Quantizes one item and frames the codes with pixels that hold the zero point, so that all tiles
  // have the same shape and padding needs no special case.
  void quantize_item(const float* x, const ActivationCode& code, std::size_t size,
                     std::byte* scratch) const {
    auto* padded = view_as<std::uint8_t>(scratch);
    const auto channels = static_cast<std::size_t>(spec_.in_channels);
    const std::size_t row = static_cast<std::size_t>(padded_width_) * channels;
    const std::size_t before = static_cast<std::size_t>(spec_.before[1]) * channels;
    const std::size_t line = static_cast<std::size_t>(spec_.in[1]) * channels;
    const int zero = code.zero_point + 128;
    const QuantizeJob job = {result_.rule, code, size};
    parallel_for(static_cast<std::size_t>(padded_height_), threads_, [&](std::size_t y) {
      std::uint8_t* out = padded + y * row;
      const auto source = static_cast<std::int64_t>(y) - spec_.before[0];
      if (source < 0 || source >= spec_.in[0]) {
        std::memset(out, zero, row);
        return;
      }
      const std::size_t copied = std::min(line, row - before);
      const std::size_t offset = static_cast<std::size_t>(source) * line;
      std::memset(out, zero, before);
      quantize_values(job, x + offset, offset, copied, out + before);
      std::memset(out + before + copied, zero, row - before - copied);
    });
    if (halves_) {
      halve_codes(padded, padded + codes_bytes_, row * static_cast<std::size_t>(padded_height_));
    }
  }

  ActivationRange sum_tiles(const ActivationCode& code, std::byte* scratch, float* y) const {
    const std::size_t row_tiles = static_cast<std::size_t>(spec_.out[0] / tiling_.rows);
    const std::size_t tiles = row_tiles * parts_.size();
    std::vector<ActivationRange> ranges(tiles);
    parallel_for_workers(tiles, threads_, [&](std::size_t tile, std::size_t worker) {
      std::byte* own = scratch + codes_bytes_ * (halves_ ? 2 : 1) + worker * tile_bytes_;
      ranges[tile] =
          run_tile(parts_[tile % parts_.size()], tile / parts_.size(), code, {scratch, own, y});
    });
    ActivationRange seen;
    for (const ActivationRange range : ranges) seen = join(seen, range);
    return seen;
  }

  struct TileBuffers {
    const std::byte* codes = nullptr;
    std::byte* own = nullptr;
    float* y = nullptr;
  };

  ActivationRange run_tile(const ChannelPart& part, std::size_t index, const ActivationCode& code,
                           const TileBuffers& buffers) const {
    const std::size_t row_begin = index * static_cast<std::size_t>(tiling_.rows);
    const std::size_t first =
        row_begin * static_cast<std::size_t>(spec_.stride[0] * padded_width_ * spec_.in_channels);
    auto* sums = view_as<std::int32_t>(buffers.own);
    std::byte* scratch = buffers.own + sums_bytes_ * (halves_ ? 2 : 1);
    part.convolution.run(buffers.codes + first, sums, scratch);
    const std::size_t width = static_cast<std::size_t>(spec_.out[1]);
    const auto channels = static_cast<std::size_t>(part.count);
    if (halves_) {
      auto* low = view_as<std::int32_t>(buffers.own + sums_bytes_);
      part.convolution.run(buffers.codes + codes_bytes_ + first, low, scratch);
      join_halves(sums, low, static_cast<std::size_t>(tiling_.rows) * width * channels);
    }
    const Dequantization how = result_.dequantization(code, static_cast<std::size_t>(part.begin));
    const auto all_channels = static_cast<std::size_t>(spec_.out_channels);
    FloatRows rows = {nullptr, all_channels, 0.0F, 0.0F};
    const std::size_t pool = pools_ ? 2 : 1;
    const std::size_t out_width = width / pool;
    for (std::size_t r = 0; r + pool <= static_cast<std::size_t>(tiling_.rows); r += pool) {
      rows.y = buffers.y + (row_begin + r) / pool * out_width * all_channels +
               static_cast<std::size_t>(part.begin);
      const std::int32_t* row = sums + r * width * channels;
      dequantize({row, pools_ ? row + width * channels : nullptr, channels}, out_width, how, rows);
    }
    return {rows.low, rows.high};
  }

  [[nodiscard]] bool is_single_tile() const {
    return tiling_.rows == spec_.out[0] && tiling_.parts == 1;
  }
  Result<void> make_parts(const std::vector<std::uint8_t>& kernel);

  ConvSpec spec_ = {};
  int threads_ = 1;
  std::size_t batch_ = 1;
  Shape in_dims_ = {};
  bool pools_ = false;
  bool halves_ = false;
  std::int64_t padded_height_ = 0;
  std::int64_t padded_width_ = 0;
  Tiling tiling_ = {};
  std::vector<ChannelPart> parts_ = {};
  std::size_t codes_bytes_ = 0;  ///< the framed codes of one item
  std::size_t sums_bytes_ = 0;   ///< the sums of one tile
  std::size_t tile_bytes_ = 0;   ///< all buffers of one thread's tile
  HybridResult result_ = {};
};

Result<void> HybridConvOperator::make_parts(const std::vector<std::uint8_t>& kernel) {
  // A tile reads only rows that exist, because the frame of zero points replaces the padding.
  ConvSpec tile = spec_;
  tile.arithmetic = ConvArithmetic::UnsignedBySigned;
  tile.batch = 1;
  tile.before = {0, 0};
  tile.after = {0, 0};
  const std::int64_t extent = (spec_.kernel[0] - 1) * spec_.dilation[0] + 1;
  tile.in = {(tiling_.rows - 1) * spec_.stride[0] + extent, padded_width_};
  tile.out = {tiling_.rows, spec_.out[1]};
  tile.out_channels = spec_.out_channels / tiling_.parts;
  const std::size_t part_bytes = kernel.size() / static_cast<std::size_t>(tiling_.parts);
  std::size_t scratch = 0;
  for (std::int64_t part = 0; part < tiling_.parts; ++part) {
    VP_ASSIGN_OR_RETURN(
        Convolution convolution,
        Convolution::create(tile, kernel.data() + static_cast<std::size_t>(part) * part_bytes,
                            nullptr, is_single_tile() ? threads_ : 1));
    scratch = std::max(scratch, convolution.scratch_bytes());
    parts_.push_back({std::move(convolution), part * tile.out_channels, tile.out_channels});
  }
  sums_bytes_ =
      align_up(static_cast<std::size_t>(tiling_.rows * spec_.out[1] * tile.out_channels) * 4);
  tile_bytes_ = align_up(sums_bytes_ * (halves_ ? 2 : 1) + scratch);
  codes_bytes_ =
      align_up(static_cast<std::size_t>(padded_height_ * padded_width_ * spec_.in_channels));
  scratch_bytes =
      codes_bytes_ * (halves_ ? 2 : 1) + tile_bytes_ * static_cast<std::size_t>(threads_);
  return {};
}

OperatorResult HybridConvOperator::build(const Conv2d& op, const Epilogue& epilogue,
                                         const BuildContext& context) {
  auto result = std::make_unique<HybridConvOperator>();
  HybridConvOperator& self = *result;
  VP_ASSIGN_OR_RETURN(self.spec_, conv_spec(op, context));
  const ConvSpec& spec = self.spec_;
  VP_ASSIGN_OR_RETURN(const HybridKernel kernel, load_hybrid_kernel(context, spec.out_channels));
  self.threads_ = context.threads;
  self.batch_ = static_cast<std::size_t>(spec.batch);
  self.in_dims_ = context.inputs[0].dims;
  self.pools_ = epilogue.max_pool_2x2;
  self.halves_ = !has_exact_unsigned_by_signed();
  const std::int64_t extent_h = (spec.kernel[0] - 1) * spec.dilation[0] + 1;
  const std::int64_t extent_w = (spec.kernel[1] - 1) * spec.dilation[1] + 1;
  self.padded_height_ = (spec.out[0] - 1) * spec.stride[0] + extent_h;
  self.padded_width_ = (spec.out[1] - 1) * spec.stride[1] + extent_w;
  self.tiling_ =
      spec.groups == 1 ? choose_tiling(spec, self.pools_, context.threads) : Tiling{spec.out[0], 1};
  VP_RETURN_IF_ERROR(self.make_parts(kernel.codes));
  VP_ASSIGN_OR_RETURN(std::vector<float> bias, load_bias(context, spec.out_channels));
  const HybridRule rule = hybrid_rule(context, kernel.scales, spec.groups != 1);
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
  if (op.transposed) {
    return fail(ErrorKind::Unsupported,
                "a transposed convolution with an int8 kernel has no hybrid kernel here");
  }
  if (op.kernel_layout == KernelLayout::Hwo) return make_hybrid_depthwise(op, epilogue, context);
  // XNNPACK runs an ungrouped 1x1 stride-1 convolution as a matrix product with one row per pixel.
  const bool is_pointwise = spec.kernel[0] == 1 && spec.kernel[1] == 1 && spec.stride[0] == 1 &&
                            spec.stride[1] == 1 && spec.groups == 1;
  if (is_pointwise && is_taken_by_xnnpack(context)) {
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
