// Float convolutions: which kernel runs each. oneDNN's direct ones take what no kernel of ours
// does; the kernel for few taps lies here.

#include <algorithm>
#include <limits>
#include <utility>

#include "base/bytes.h"
#include "base/error.h"
#include "base/parallel.h"
#include "kernels/conv_small.h"
#include "run/ops/conv_shape.h"
#include "run/ops/elementwise.h"
#include "run/ops/ordered_conv.h"

namespace visionpress {
namespace {

// Kernels with fewer elements use our direct kernel. Hybrid files keep convolutions of this size in
// float; our kernel follows XNNPACK's order of sums at no cost, and oneDNN's blocked kernels would
// leave most lanes unused.
constexpr std::int64_t kSmallKernelElements = 1024;
constexpr std::size_t kRowsPerTask =
    4;  // rows of the (pooled) output: the rows of a task stay in the first-level cache

class SmallConvOperator final : public Operator {
 public:
  SmallConvOperator(const ConvSpec& spec, const SmallConvOptions& options, int threads)
      : options_(options),
        threads_(threads_worth(count_products(spec), threads)),
        batch_(static_cast<std::size_t>(spec.batch)) {
    const auto size = [](std::int64_t value) { return static_cast<std::size_t>(value); };
    shape_ = {.in_height = size(spec.in[0]),
              .in_width = size(spec.in[1]),
              .in_channels = size(spec.in_channels),
              .out_width = size(spec.out[1]),
              .out_channels = size(spec.out_channels),
              .kernel_height = size(spec.kernel[0]),
              .kernel_width = size(spec.kernel[1]),
              .stride_height = size(spec.stride[0]),
              .stride_width = size(spec.stride[1]),
              .pad_top = size(spec.before[0]),
              .pad_left = size(spec.before[1])};
  }

  void pack(const ConvSpec& spec, const std::vector<float>& kernel,
            const std::vector<float>& bias) {
    // Reorder to [ky][kx][c][out], the order in which the taps are summed.
    std::vector<float> ordered(kernel.size());
    const auto strides = kernel_strides(spec);
    std::size_t to = 0;
    for (std::int64_t y = 0; y < spec.kernel[0]; ++y) {
      for (std::int64_t x = 0; x < spec.kernel[1]; ++x) {
        for (std::int64_t c = 0; c < spec.in_channels; ++c) {
          const std::int64_t from = c * strides[2] + y * strides[3] + x * strides[4];
          for (std::int64_t o = 0; o < spec.out_channels; ++o)
            ordered[to++] = kernel[static_cast<std::size_t>(from + o * strides[1])];
        }
      }
    }
    packed_.resize(small_conv_packed_size(shape_));
    pack_small_conv(shape_, ordered, packed_);
    bias_.assign(small_conv_padded_channels(shape_), 0.0F);
    std::copy(bias.begin(), bias.end(), bias_.begin());
  }

  void finish(Shape dims) {
    output_dims = {std::move(dims)};
    rows_ = static_cast<std::size_t>(output_dims[0][1]);
    tasks_ = (rows_ + kRowsPerTask - 1) / kRowsPerTask;
    // Allocate only for rows that exist: with a huge stride, kRowsPerTask rows would need a huge
    // buffer.
    scratch_floats_ = small_conv_scratch_size(shape_, options_, std::min(kRowsPerTask, rows_));
    scratch_bytes =
        static_cast<std::size_t>(std::max(threads_, 1)) * scratch_floats_ * sizeof(float);
  }

  void run(const RunContext& context) const override {
    const std::size_t in_size = shape_.in_height * shape_.in_width * shape_.in_channels;
    const std::size_t out_size = count_of(output_dims[0]) / batch_;
    for (std::size_t item = 0; item < batch_; ++item) {
      parallel_for_workers(tasks_, threads_, [&](std::size_t task, std::size_t worker) {
        float* scratch = view_as<float>(context.scratch) + worker * scratch_floats_;
        const SmallConvBuffers buffers = {context.inputs[0] + item * in_size, packed_.data(),
                                          bias_.data(), scratch,
                                          context.outputs[0] + item * out_size};
        const std::size_t begin = task * kRowsPerTask;
        conv_small(shape_, options_, buffers, begin, std::min(begin + kRowsPerTask, rows_));
      });
    }
  }

 private:
  SmallConvShape shape_ = {};
  SmallConvOptions options_;
  int threads_;
  std::size_t batch_;
  std::size_t rows_ = 0;
  std::size_t tasks_ = 0;
  std::size_t scratch_floats_ = 0;
  std::vector<float> packed_ = {};
  std::vector<float> bias_ = {};
};

class ConvOperator final : public Operator {
 public:
  ConvOperator(Convolution convolution, Shape dims, std::optional<Unary> after, int threads)
      : convolution_(std::move(convolution)), after_(after), threads_(threads) {
    output_dims = {std::move(dims)};
    scratch_bytes = convolution_.scratch_bytes();
  }
  void run(const RunContext& context) const override {
    convolution_.run(context.inputs[0], context.outputs[0], context.scratch);
    if (after_)
      apply_unary_in_place(*after_, context.outputs[0], count_of(output_dims[0]), threads_);
  }

 private:
  Convolution convolution_;
  std::optional<Unary> after_;
  int threads_;
};

bool is_plain(const Conv2d& op, const ConvSpec& spec) {
  return spec.groups == 1 && !op.transposed && op.dilation[0] == 1 && op.dilation[1] == 1;
}

bool is_small(const Conv2d& op, const ConvSpec& spec) {
  return is_plain(op, spec) &&
         spec.out_channels * spec.in_channels * spec.kernel[0] * spec.kernel[1] <
             kSmallKernelElements &&
         spec.in_channels <= 4;
}

// Whether the direct kernel may run this convolution. Its order of sums is that of dense
// convolutions; LiteRT sums depthwise kernels of one channel and planes in another order.
bool takes_few_taps(const Conv2d& op, const ConvSpec& spec, const BuildContext& context) {
  const bool is_plane = spec.in_channels == 1 && spec.out_channels == 1;
  const bool is_depthwise = spec.kernel_layout == KernelLayout::Hwo;
  const bool is_in_order = is_summed_in_order(spec, context);
  if ((is_plane || is_depthwise) && is_in_order) return false;
  if (is_in_order && context.float_math == FloatMath::Xnnpack && is_plain(op, spec)) return true;
  return is_small(op, spec);
}

// Whether our depthwise kernel runs this convolution. It sums as XNNPACK does, which takes a kernel
// with several output channels per input channel in another order.
bool runs_depthwise(const ConvSpec& spec, const BuildContext& context) {
  if (!is_depthwise(spec)) return false;
  if (!is_summed_in_order(spec, context)) return true;
  return context.float_math == FloatMath::Xnnpack && spec.groups == spec.out_channels;
}

// Each value of the kernel and the bias is rounded once.
void fold_batch_norm(const ConvSpec& spec, const ChannelAffine& affine, std::vector<float>& kernel,
                     std::vector<float>& bias) {
  const auto strides = kernel_strides(spec);  // group, out, in, height, width
  const std::int64_t outs = spec.out_channels / spec.groups;
  const std::int64_t ins = spec.in_channels / spec.groups;
  for (std::int64_t o = 0; o < spec.out_channels; ++o) {
    const auto channel = static_cast<std::size_t>(o);
    const double scale = affine.scale[channel];
    bias[channel] =
        static_cast<float>(static_cast<double>(bias[channel]) * scale + affine.shift[channel]);
    for (std::int64_t i = 0; i < ins; ++i) {
      for (std::int64_t tap = 0; tap < spec.kernel[0] * spec.kernel[1]; ++tap) {
        const std::int64_t at = o / outs * strides[0] + o % outs * strides[1] + i * strides[2] +
                                tap / spec.kernel[1] * strides[3] +
                                tap % spec.kernel[1] * strides[4];
        float& value = kernel[static_cast<std::size_t>(at)];
        value = static_cast<float>(static_cast<double>(value) * scale);
      }
    }
  }
}

// Whether oneDNN may apply the activation. Its clamps turn NaN into the lower bound, but every
// runtime that we reproduce passes NaN on.
bool onednn_can_fuse(const std::optional<Unary>& activation) {
  return !activation || activation->kind == UnaryKind::LeakyRelu;
}

}  // namespace

OperatorResult build_operator(const Conv2d& op, const BuildContext& context) {
  const bool is_hybrid = op.dynamic_range && context.follows_runtime();
  return is_hybrid ? make_hybrid_conv2d(op, {}, context) : make_conv2d(op, {}, context);
}

OperatorResult make_conv2d(const Conv2d& op, const Epilogue& epilogue,
                           const BuildContext& context) {
  VP_ASSIGN_OR_RETURN(ConvSpec spec, conv_spec(op, context));
  VP_ASSIGN_OR_RETURN(std::vector<float> kernel, load_constant(context.inputs[1]));
  VP_ASSIGN_OR_RETURN(std::vector<float> bias, load_bias(context, spec.out_channels));
  if (epilogue.batch_norm) fold_batch_norm(spec, *epilogue.batch_norm, kernel, bias);
  const bool adds_bias = has_bias(context) || epilogue.batch_norm;
  const std::optional<Unary> activation = conv_activation(op, epilogue);
  const auto bounds = activation_bounds(activation);
  if (takes_few_taps(op, spec, context) && bounds) {
    SmallConvOptions options;
    options.order = context.arithmetic == Arithmetic::Builtin ? SumOrder::PlainBiasLast
                                                              : SumOrder::FusedBiasFirst;
    options.activation = {bounds->slope, bounds->low, bounds->high};
    options.max_pool_2x2 = epilogue.max_pool_2x2;
    auto result = std::make_unique<SmallConvOperator>(spec, options, context.threads);
    result->pack(spec, kernel, bias);
    result->finish(conv_output_dims(spec, epilogue));
    return result;
  }
  if (!epilogue.max_pool_2x2 && bounds && runs_depthwise(spec, context)) {
    const auto taps = order_taps(spec, context.float_math);
    return make_depthwise(spec, {kernel, bias}, taps, *bounds, conv_output_dims(spec, epilogue),
                          context);
  }
  const bool is_product = is_pointwise(spec) && context.float_math != FloatMath::Builtin;
  if (!epilogue.max_pool_2x2 && bounds && is_product) {
    return make_pointwise(spec, {kernel, bias}, *bounds, conv_output_dims(spec, epilogue), context);
  }
  if (!epilogue.max_pool_2x2 && is_summed_in_order(spec, context)) {
    return make_ordered_conv(spec, kernel, bias, activation, conv_output_dims(spec, epilogue),
                             context);
  }
  if (!epilogue.max_pool_2x2 && bounds && is_winograd(spec, context)) {
    return make_winograd(spec, {kernel, bias}, *bounds, conv_output_dims(spec, epilogue), context);
  }
  if (epilogue.max_pool_2x2) {
    return fail(ErrorKind::Internal, "a float convolution was asked to pool");
  }
  std::optional<Unary> after;
  if (onednn_can_fuse(activation)) {
    spec.activation = activation;
  } else {
    after = activation;
  }
  VP_ASSIGN_OR_RETURN(
      Convolution convolution,
      Convolution::create(spec, kernel.data(), adds_bias ? bias.data() : nullptr, context.threads));
  return std::make_unique<ConvOperator>(std::move(convolution), conv_output_dims(spec, epilogue),
                                        after, context.threads);
}

bool can_pool_in_conv2d(const Conv2d& op, const BuildContext& context) {
  const auto spec = conv_spec(op, context);
  return spec && takes_few_taps(op, *spec, context);
}

}  // namespace visionpress
