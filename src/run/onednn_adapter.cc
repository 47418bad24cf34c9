#include "run/onednn_adapter.h"

#include <algorithm>
#include <array>
#include <limits>
#include <unordered_map>
#include <utility>
#include <vector>

#include <dnnl.hpp>
#include <omp.h>

#include "base/error.h"
#include "model/kernel_axes.h"

namespace visionpress {
namespace {

const dnnl::engine& cpu_engine() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

dnnl::stream& thread_stream() {
  thread_local dnnl::stream stream(cpu_engine());
  return stream;
}

// The kernel's descriptor: oneDNN's dimensions (g, o, i, h, w) with the strides of our layouts.
dnnl::memory::desc kernel_desc(const ConvSpec& spec) {
  const auto type = dnnl::memory::data_type::f32;
  const std::int64_t o = spec.out_channels / spec.groups;
  const std::int64_t i = spec.in_channels / spec.groups;
  const std::int64_t h = spec.kernel[0];
  const std::int64_t w = spec.kernel[1];
  const auto strides = kernel_strides(spec);
  if (spec.groups == 1) return {{o, i, h, w}, type, {strides.begin() + 1, strides.end()}};
  return {{spec.groups, o, i, h, w}, type, {strides.begin(), strides.end()}};
}

dnnl::memory::desc any_kernel_desc(const ConvSpec& spec) {
  const auto type = dnnl::memory::data_type::f32;
  const std::int64_t o = spec.out_channels / spec.groups;
  const std::int64_t i = spec.in_channels / spec.groups;
  const auto any = dnnl::memory::format_tag::any;
  if (spec.groups == 1) return {{o, i, spec.kernel[0], spec.kernel[1]}, type, any};
  return {{spec.groups, o, i, spec.kernel[0], spec.kernel[1]}, type, any};
}

void append_activation(dnnl::post_ops& operations, const Unary& activation) {
  auto kind = dnnl::algorithm::eltwise_relu;
  float alpha = activation.kind == UnaryKind::LeakyRelu ? activation.alpha : 0.0F;
  float beta = 0.0F;
  if (activation.kind == UnaryKind::Relu6) {
    kind = dnnl::algorithm::eltwise_clip;
    beta = 6.0F;
  }
#if DNNL_VERSION_MAJOR >= 3
  operations.append_eltwise(kind, alpha, beta);
#else
  operations.append_eltwise(1.0F, kind, alpha, beta);
#endif
}

struct Geometry {
  dnnl::memory::desc source = {};
  dnnl::memory::desc kernel = {};
  dnnl::memory::desc bias = {};
  dnnl::memory::desc destination = {};
  dnnl::memory::dims stride = {};
  dnnl::memory::dims dilation = {};
  dnnl::memory::dims before = {};
  dnnl::memory::dims after = {};
};

Geometry geometry_of(const ConvSpec& spec, bool has_bias) {
  using Type = dnnl::memory::data_type;
  using Tag = dnnl::memory::format_tag;
  Geometry geometry;
  geometry.source = {{spec.batch, spec.in_channels, spec.in[0], spec.in[1]}, Type::f32, Tag::nhwc};
  geometry.kernel = any_kernel_desc(spec);
  if (has_bias) geometry.bias = {{spec.out_channels}, Type::f32, Tag::x};
  geometry.destination = {
      {spec.batch, spec.out_channels, spec.out[0], spec.out[1]}, Type::f32, Tag::nhwc};
  geometry.stride = {spec.stride[0], spec.stride[1]};
  geometry.dilation = {spec.dilation[0] - 1,
                       spec.dilation[1] - 1};  // oneDNN counts the gaps between taps
  geometry.before = {spec.before[0], spec.before[1]};
  geometry.after = {spec.after[0], spec.after[1]};
  return geometry;
}

#if DNNL_VERSION_MAJOR >= 3
template <typename Forward>
typename Forward::primitive_desc describe(const Geometry& g, dnnl::algorithm algorithm,
                                          const dnnl::primitive_attr& attributes) {
  return typename Forward::primitive_desc(cpu_engine(), dnnl::prop_kind::forward_inference,
                                          algorithm, g.source, g.kernel, g.bias, g.destination,
                                          g.stride, g.dilation, g.before, g.after, attributes);
}
#else
template <typename Forward>
typename Forward::primitive_desc describe(const Geometry& g, dnnl::algorithm algorithm,
                                          const dnnl::primitive_attr& attributes) {
  const typename Forward::desc operation(dnnl::prop_kind::forward_inference, algorithm, g.source,
                                         g.kernel, g.bias, g.destination, g.stride, g.dilation,
                                         g.before, g.after);
  return typename Forward::primitive_desc(operation, attributes, cpu_engine());
}
#endif

}  // namespace

std::array<std::int64_t, 5> kernel_strides(const ConvSpec& spec) {
  const KernelSizes sizes{.groups = spec.groups,
                          .out = spec.out_channels,
                          .in_per_group = spec.in_channels / spec.groups,
                          .height = spec.kernel[0],
                          .width = spec.kernel[1]};
  return kernel_strides(sizes, spec.kernel_layout);
}

std::size_t count_products(const ConvSpec& spec) {
  const auto pixels = static_cast<std::size_t>(spec.batch * spec.out[0] * spec.out[1]);
  const auto window =
      static_cast<std::size_t>(spec.kernel[0] * spec.kernel[1] * spec.in_channels / spec.groups);
  return pixels * window * static_cast<std::size_t>(spec.out_channels);
}

struct Convolution::Impl {
  bool runs_alone = false;  ///< on one thread, whatever the caller's number
  dnnl::primitive primitive = {};
  dnnl::memory::desc source = {};
  dnnl::memory::desc destination = {};
  dnnl::memory::desc scratch = {};
  dnnl::memory weights = {};
  std::vector<float> bias = {};
  dnnl::memory bias_memory = {};

  template <typename Forward>
  void build(const ConvSpec& spec, const float* kernel, dnnl::algorithm algorithm) {
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    if (spec.activation) {
      dnnl::post_ops operations;
      append_activation(operations, *spec.activation);
      attributes.set_post_ops(operations);
    }
    const auto description =
        describe<Forward>(geometry_of(spec, !bias.empty()), algorithm, attributes);
    primitive = Forward(description);
    source = description.src_desc();
    destination = description.dst_desc();
    scratch = description.scratchpad_desc();
    // dnnl::memory takes a non-const pointer but only reads through it here.
    dnnl::memory plain(kernel_desc(spec), cpu_engine(), const_cast<float*>(kernel));
    weights = dnnl::memory(description.weights_desc(), cpu_engine());
    dnnl::reorder(plain, weights).execute(thread_stream(), plain, weights);
    thread_stream().wait();
    if (!bias.empty())
      bias_memory = dnnl::memory(description.bias_desc(), cpu_engine(), bias.data());
  }
};

Convolution::Convolution(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Convolution::Convolution(Convolution&&) noexcept = default;
Convolution& Convolution::operator=(Convolution&&) noexcept = default;
Convolution::~Convolution() = default;

Result<Convolution> Convolution::create(const ConvSpec& spec, const float* weights,
                                        const float* bias, int threads) {
  auto impl = std::make_unique<Impl>();
  if (bias != nullptr) impl->bias.assign(bias, bias + spec.out_channels);
  impl->runs_alone = threads_worth(count_products(spec), threads) == 1;
  const ScopedThreads scope(impl->runs_alone ? 1 : threads);
  try {
    if (spec.transposed) {
      impl->build<dnnl::deconvolution_forward>(spec, weights,
                                               dnnl::algorithm::deconvolution_direct);
    } else {
      impl->build<dnnl::convolution_forward>(spec, weights, dnnl::algorithm::convolution_direct);
    }
  } catch (const dnnl::error& error) {
    return fail(ErrorKind::Unsupported, "oneDNN has no such convolution: {}", error.what());
  }
  return Convolution(std::move(impl));
}

std::size_t Convolution::scratch_bytes() const { return impl_->scratch.get_size(); }

void Convolution::run(const float* source, float* destination, std::byte* scratch) const {
  const dnnl::engine& engine = cpu_engine();
  // dnnl::memory takes a non-const pointer; oneDNN only reads a source.
  std::unordered_map<int, dnnl::memory> arguments = {
      {DNNL_ARG_SRC, dnnl::memory(impl_->source, engine, const_cast<float*>(source))},
      {DNNL_ARG_WEIGHTS, impl_->weights},
      {DNNL_ARG_DST, dnnl::memory(impl_->destination, engine, destination)},
  };
  if (!impl_->bias.empty()) arguments.emplace(DNNL_ARG_BIAS, impl_->bias_memory);
  if (impl_->scratch.get_size() > 0) {
    arguments.emplace(DNNL_ARG_SCRATCHPAD, dnnl::memory(impl_->scratch, engine, scratch));
  }
  const ScopedThreads scope(impl_->runs_alone ? 1 : omp_get_max_threads());
  impl_->primitive.execute(thread_stream(), arguments);
}

ConvSpec matrix_product_spec(std::int64_t rows, std::int64_t inner, std::int64_t columns) {
  ConvSpec spec;
  spec.in = {1, rows};
  spec.out = {1, rows};
  spec.in_channels = inner;
  spec.out_channels = columns;
  return spec;
}

void multiply_matrices(const MatrixProduct& product, const float* a, const float* b, float* c) {
  const ScopedThreads one(1);
  const std::int64_t stride_b = product.transpose_b ? product.inner : product.columns;
  const dnnl::status status =
      dnnl::sgemm(product.transpose_a ? 'T' : 'N', product.transpose_b ? 'T' : 'N', product.rows,
                  product.columns, product.inner, 1.0F, a, product.stride_a, b, stride_b, 0.0F, c,
                  product.columns);
  // Without memory for its copies oneDNN computes nothing. Fill the result with NaN, because every
  // command reports a NaN.
  if (status != dnnl::status::success) {
    std::fill_n(c, product.rows * product.columns, std::numeric_limits<float>::quiet_NaN());
  }
}

ScopedThreads::ScopedThreads(int threads) : before_(omp_get_max_threads()) {
  omp_set_num_threads(threads);
}
ScopedThreads::~ScopedThreads() { omp_set_num_threads(before_); }

}  // namespace visionpress
