// Float 3x3 convolutions of stride 1 by Winograd's F(2x2, 3x3).

#include <algorithm>
#include <limits>
#include <utility>

#include "base/bytes.h"
#include "base/parallel.h"
#include "kernels/float_product.h"
#include "kernels/winograd.h"
#include "run/ops/column_parts.h"
#include "run/ops/conv_shape.h"
#include "run/ops/ordered_conv.h"

namespace visionpress {
namespace {

// Below these sizes the transforms cost more than the products save: measured by bench/networks.
constexpr std::int64_t kLeastChannels = 16;
constexpr std::int64_t kLeastTiles = 16;

// Kernels of more bytes stay in no core's cache: the threads then share the columns, not the tiles.
constexpr std::size_t kKernelBytes = std::size_t{1} << 20;
// The transformed tiles and the products of a task, in the second-level cache.
constexpr std::size_t kTaskBytes = std::size_t{256} << 10;
// Tiles that pass by a large kernel at a time: enough that reading it from memory costs little.
constexpr std::size_t kMostTiles = 512;
constexpr std::size_t kRowStep = kFloatProductRows;

class WinogradOperator final : public Operator {
 public:
  WinogradOperator(const ConvSpec& spec, const FloatKernel& kernel, const ActivationBounds& bounds,
                   int threads)
      : bias_(kernel.bias),
        no_bias_(kernel.bias.size(), 0.0F),
        activation_{bounds.slope, bounds.low, bounds.high},
        threads_(threads_worth(count_products(spec), threads)) {
    const auto size = [](std::int64_t value) { return static_cast<std::size_t>(value); };
    tiles_ = {.in_height = size(spec.in[0]),
              .in_width = size(spec.in[1]),
              .in_channels = size(spec.in_channels),
              .out_height = size(spec.out[0]),
              .out_width = size(spec.out[1]),
              .out_channels = size(spec.out_channels),
              .pad_top = size(spec.before[0]),
              .pad_left = size(spec.before[1])};
    count_ = size(spec.batch) * tiles_.across() * tiles_.down();
    is_winograd = true;
    pack(spec, kernel.weights);
    choose_tasks();
  }

  void finish(Shape dims) { output_dims = {std::move(dims)}; }

  void run(const RunContext& context) const override {
    shares_columns_ ? run_by_columns(context) : run_by_tiles(context);
  }

 private:
  /// One packed matrix per position, so that a product is a call of multiply_floats.
  void pack(const ConvSpec& spec, const std::vector<float>& weights) {
    const auto strides = kernel_strides(spec);  // group, out, in, height, width
    const FloatProductShape shape = {tiles_.in_channels, tiles_.out_channels};
    const std::size_t lanes = float_product_lanes();
    position_floats_ = float_product_packed_size(shape);
    packed_.assign(kWinogradPositions * position_floats_, 0.0F);
    const std::size_t groups = (tiles_.out_channels + lanes - 1) / lanes;
    parallel_for(groups, threads_, [&](std::size_t group) {
      const std::size_t first = group * lanes;
      const std::size_t valid = std::min(lanes, tiles_.out_channels - first);
      for (std::size_t c = 0; c < tiles_.in_channels; ++c) {
        for (std::size_t lane = 0; lane < valid; ++lane) {
          std::array<float, 9> taps = {};
          const auto at = static_cast<std::int64_t>(first + lane) * strides[1] +
                          static_cast<std::int64_t>(c) * strides[2];
          for (std::size_t i = 0; i < taps.size(); ++i) {
            const auto row = static_cast<std::int64_t>(i / 3);
            const auto column = static_cast<std::int64_t>(i % 3);
            taps[i] =
                weights[static_cast<std::size_t>(at + row * strides[3] + column * strides[4])];
          }
          const auto values = transform_winograd_kernel(taps);
          float* to = packed_.data() + (group * tiles_.in_channels + c) * lanes + lane;
          for (std::size_t p = 0; p < values.size(); ++p) to[p * position_floats_] = values[p];
        }
      }
    });
  }

  void choose_tasks() {
    const auto threads = static_cast<std::size_t>(threads_);
    const std::size_t step = 2 * float_product_lanes();
    constexpr std::size_t kPositionBytes = kWinogradPositions * sizeof(float);
    shares_columns_ = packed_.size() * sizeof(float) > kKernelBytes;
    if (shares_columns_) {
      block_ = std::min(count_, kMostTiles);
      const std::size_t most = std::max(kTaskBytes / kPositionBytes / block_, step);
      const std::size_t even = even_share(tiles_.out_channels, most, threads);
      parts_ = {tiles_.out_channels, (even + step - 1) / step * step, 1};
      parts_.count = (parts_.columns + parts_.size - 1) / parts_.size;
      shared_floats_ = kWinogradPositions * block_ * tiles_.in_channels;
    } else {
      const std::size_t most =
          std::max(kTaskBytes / kPositionBytes / tiles_.in_channels / kRowStep, std::size_t{2}) *
          kRowStep;
      const std::size_t even = even_share(count_, most, threads);
      block_ = (even + kRowStep - 1) / kRowStep * kRowStep;
      const std::size_t columns =
          std::max(kTaskBytes / kPositionBytes / block_ / step, std::size_t{1});
      parts_ = {tiles_.out_channels, columns * step, 1};
      parts_.count = (parts_.columns + parts_.size - 1) / parts_.size;
      worker_input_floats_ = kWinogradPositions * block_ * tiles_.in_channels;
    }
    product_floats_ = kWinogradPositions * block_ * std::min(parts_.size, parts_.columns);
    scratch_bytes =
        (shared_floats_ + threads * (worker_input_floats_ + product_floats_)) * sizeof(float);
  }

  /// v: the transformed input of `range`, positions block_ tiles apart.  m: product_floats_.
  void multiply(const float* v, TileRange range, std::size_t part, float* m, float* y) const {
    const std::size_t first = parts_.begin(part);
    const std::size_t columns = parts_.end(part) - first;
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    const std::size_t tiles = range.end - range.begin;
    for (std::size_t p = 0; p < kWinogradPositions; ++p) {
      const FloatProduct product = {
          .shape = {tiles_.in_channels, columns},
          .packed = packed_.data() + p * position_floats_ + first * tiles_.in_channels,
          .bias = no_bias_.data(),
          .activation = {1.0F, -kInfinity, kInfinity}};
      multiply_floats(product, {v + p * block_ * tiles_.in_channels, tiles_.in_channels, tiles}, 0,
                      columns, m + p * block_ * columns);
    }
    transform_winograd_output(tiles_, {m, block_, first, columns, bias_.data(), activation_}, range,
                              y);
  }

  void run_by_columns(const RunContext& context) const {
    auto* v = view_as<float>(context.scratch);
    float* products = v + shared_floats_;
    for (std::size_t begin = 0; begin < count_; begin += block_) {
      const TileRange range = {begin, std::min(begin + block_, count_)};
      const std::size_t tiles = range.end - range.begin;
      const std::size_t share =
          std::max<std::size_t>(even_share(tiles, kRowStep, static_cast<std::size_t>(threads_)), 1);
      parallel_for((tiles + share - 1) / share, threads_, [&](std::size_t task) {
        const TileRange part = {begin + task * share,
                                std::min(begin + (task + 1) * share, range.end)};
        transform_winograd_input(tiles_, context.inputs[0], part,
                                 v + task * share * tiles_.in_channels, block_);
      });
      parallel_for_workers(parts_.count, threads_, [&](std::size_t part, std::size_t worker) {
        multiply(v, range, part, products + worker * product_floats_, context.outputs[0]);
      });
    }
  }

  void run_by_tiles(const RunContext& context) const {
    const std::size_t floats = worker_input_floats_ + product_floats_;
    parallel_for_workers(
        (count_ + block_ - 1) / block_, threads_, [&](std::size_t task, std::size_t worker) {
          float* v = view_as<float>(context.scratch) + worker * floats;
          const TileRange range = {task * block_, std::min((task + 1) * block_, count_)};
          transform_winograd_input(tiles_, context.inputs[0], range, v, block_);
          for (std::size_t part = 0; part < parts_.count; ++part)
            multiply(v, range, part, v + worker_input_floats_, context.outputs[0]);
        });
  }

  WinogradTiles tiles_ = {};
  std::size_t count_ = 0;  ///< tiles of all images
  std::vector<float> bias_;
  std::vector<float> no_bias_;
  SmallConvActivation activation_;
  int threads_;
  std::size_t position_floats_ = 0;  ///< of packed_
  std::vector<float> packed_ = {};
  bool shares_columns_ = false;
  std::size_t block_ = 1;  ///< tiles that are transformed together
  ColumnParts parts_ = {};
  std::size_t shared_floats_ = 0;        ///< the transformed input, if all threads read it
  std::size_t worker_input_floats_ = 0;  ///< else each thread's own
  std::size_t product_floats_ = 0;       ///< of each thread
};

}  // namespace

bool is_winograd(const ConvSpec& spec, const BuildContext& context) {
  constexpr std::array<std::int64_t, 2> kThree = {3, 3};
  constexpr std::array<std::int64_t, 2> kOne = {1, 1};
  if (context.arithmetic != Arithmetic::Runtime || context.float_math != FloatMath::Plain)
    return false;
  if (spec.groups != 1 || spec.transposed || spec.kernel != kThree || spec.stride != kOne ||
      spec.dilation != kOne)
    return false;
  const std::int64_t tiles = spec.batch * ((spec.out[0] + 1) / 2) * ((spec.out[1] + 1) / 2);
  return spec.in_channels >= kLeastChannels && spec.out_channels >= kLeastChannels &&
         tiles >= kLeastTiles;
}

std::unique_ptr<Operator> make_winograd(const ConvSpec& spec, const FloatKernel& kernel,
                                        const ActivationBounds& bounds, Shape output_dims,
                                        const BuildContext& context) {
  auto result = std::make_unique<WinogradOperator>(spec, kernel, bounds, context.threads);
  result->finish(std::move(output_dims));
  return result;
}

}  // namespace visionpress
