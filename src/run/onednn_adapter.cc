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
#include "base/parallel.h"
#include "model/kernel_axes.h"
#include "run/operator.h"

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

namespace {

/// Rows of the output, and the convolution that computes them from the rows of the input that they
/// read.
struct RowSlice {
  std::int64_t first_in = 0;
  std::int64_t first_out = 0;
  ConvSpec spec;
};

/// The slice of rows [begin, end) of the output.
/// returns: nothing if they read no row of the input, or if oneDNN's padding cannot say how they
/// lie
std::optional<RowSlice> slice_rows(const ConvSpec& spec, std::int64_t begin, std::int64_t end) {
  const std::int64_t reach = (spec.kernel[0] - 1) * spec.dilation[0];
  const std::int64_t stride = spec.stride[0];
  RowSlice slice = {.first_out = begin, .spec = spec};
  std::int64_t last_in = 0;
  if (spec.transposed) {
    // Row i of the input adds to the rows i * stride - before + [0, reach] of the output.
    const std::int64_t least = begin + spec.before[0] - reach;
    slice.first_in =
        std::max<std::int64_t>((std::max<std::int64_t>(least, 0) + stride - 1) / stride, 0);
    last_in = std::min((end - 1 + spec.before[0]) / stride, spec.in[0] - 1);
  } else {
    slice.first_in = std::max<std::int64_t>(begin * stride - spec.before[0], 0);
    last_in = std::min((end - 1) * stride - spec.before[0] + reach, spec.in[0] - 1);
  }
  if (last_in < slice.first_in) return std::nullopt;
  ConvSpec& part = slice.spec;
  part.batch = 1;
  part.in[0] = last_in - slice.first_in + 1;
  part.out[0] = end - begin;
  if (spec.transposed) {
    part.before[0] = begin + spec.before[0] - slice.first_in * stride;
    part.after[0] = (part.in[0] - 1) * stride + reach + 1 - part.before[0] - part.out[0];
  } else {
    part.before[0] = slice.first_in - (begin * stride - spec.before[0]);
    part.after[0] = (part.out[0] - 1) * stride + reach + 1 - part.before[0] - part.in[0];
  }
  if (part.before[0] < 0 || part.after[0] < 0) return std::nullopt;
  return slice;
}

/// At most `count` slices that make the output of one image, or one of all rows.
std::vector<RowSlice> slice_image(const ConvSpec& spec, std::int64_t count) {
  std::vector<RowSlice> slices;
  count = std::min(count, spec.out[0]);
  for (std::int64_t i = 0; i < count; ++i) {
    auto slice = slice_rows(spec, spec.out[0] * i / count, spec.out[0] * (i + 1) / count);
    if (!slice || count == 1) break;
    slices.push_back(*slice);
  }
  if (std::ssize(slices) == count) return slices;
  RowSlice whole = {.spec = spec};
  whole.spec.batch = 1;
  return {whole};
}

/// One of oneDNN's primitives with its kernel.
struct Primitive {
  dnnl::primitive primitive = {};
  dnnl::memory::desc source = {};
  dnnl::memory::desc destination = {};
  dnnl::memory::desc scratch = {};
  dnnl::memory weights = {};
};

template <typename Forward>
Primitive make_primitive(const ConvSpec& spec, const float* kernel, bool has_bias,
                         dnnl::algorithm algorithm, const std::vector<Primitive>& others) {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (spec.activation) {
    dnnl::post_ops operations;
    append_activation(operations, *spec.activation);
    attributes.set_post_ops(operations);
  }
  const auto description = describe<Forward>(geometry_of(spec, has_bias), algorithm, attributes);
  Primitive made = {.primitive = Forward(description),
                    .source = description.src_desc(),
                    .destination = description.dst_desc(),
                    .scratch = description.scratchpad_desc()};
  for (const Primitive& other : others) {
    if (other.weights.get_desc() == description.weights_desc()) made.weights = other.weights;
  }
  if (made.weights) return made;
  // dnnl::memory takes a non-const pointer but only reads through it here.
  dnnl::memory plain(kernel_desc(spec), cpu_engine(), const_cast<float*>(kernel));
  made.weights = dnnl::memory(description.weights_desc(), cpu_engine());
  dnnl::reorder(plain, made.weights).execute(thread_stream(), plain, made.weights);
  thread_stream().wait();
  return made;
}

/// oneDNN runs on the calling thread while this lives: the program's own team shares out its work.
/// A primitive remembers the number of threads it was made under.
class OneThread {
 public:
  OneThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;
  ~OneThread() { omp_set_num_threads(before_); }

 private:
  int before_;
};

}  // namespace

struct Convolution::Impl {
  int threads = 1;
  std::size_t batch = 1;
  std::size_t in_row = 0;    ///< floats
  std::size_t out_row = 0;   ///< floats
  std::size_t in_image = 0;  ///< floats
  std::size_t out_image = 0;
  std::vector<RowSlice> slices = {};
  std::vector<Primitive> primitives = {};  ///< one per slice
  std::size_t scratch_each = 0;
  std::vector<float> bias = {};
  dnnl::memory bias_memory = {};

  void run_slice(std::size_t i, const float* source, float* destination, std::byte* scratch) const {
    const dnnl::engine& engine = cpu_engine();
    const Primitive& made = primitives[i];
    // dnnl::memory takes a non-const pointer; oneDNN only reads a source.
    std::unordered_map<int, dnnl::memory> arguments = {
        {DNNL_ARG_SRC, dnnl::memory(made.source, engine, const_cast<float*>(source))},
        {DNNL_ARG_WEIGHTS, made.weights},
        {DNNL_ARG_DST, dnnl::memory(made.destination, engine, destination)},
    };
    if (!bias.empty()) arguments.emplace(DNNL_ARG_BIAS, bias_memory);
    if (made.scratch.get_size() > 0)
      arguments.emplace(DNNL_ARG_SCRATCHPAD, dnnl::memory(made.scratch, engine, scratch));
    const OneThread scope;
    made.primitive.execute(thread_stream(), arguments);
  }
};

Convolution::Convolution(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Convolution::Convolution(Convolution&&) noexcept = default;
Convolution& Convolution::operator=(Convolution&&) noexcept = default;
Convolution::~Convolution() = default;

Result<Convolution> Convolution::create(const ConvSpec& spec, const float* weights,
                                        const float* bias, int threads) {
  auto impl = std::make_unique<Impl>();
  impl->threads = std::max(threads_worth(count_products(spec), threads), 1);
  impl->batch = static_cast<std::size_t>(spec.batch);
  impl->in_row = static_cast<std::size_t>(spec.in[1] * spec.in_channels);
  impl->out_row = static_cast<std::size_t>(spec.out[1] * spec.out_channels);
  impl->in_image = static_cast<std::size_t>(spec.in[0]) * impl->in_row;
  impl->out_image = static_cast<std::size_t>(spec.out[0]) * impl->out_row;
  impl->slices = slice_image(spec, (impl->threads + spec.batch - 1) / spec.batch);
  const OneThread scope;
  try {
    if (bias != nullptr) {
      impl->bias.assign(bias, bias + spec.out_channels);
      impl->bias_memory = dnnl::memory(
          {{spec.out_channels}, dnnl::memory::data_type::f32, dnnl::memory::format_tag::x},
          cpu_engine(), impl->bias.data());
    }
    for (const RowSlice& slice : impl->slices) {
      const bool has_bias = bias != nullptr;
      impl->primitives.push_back(spec.transposed
                                     ? make_primitive<dnnl::deconvolution_forward>(
                                           slice.spec, weights, has_bias,
                                           dnnl::algorithm::deconvolution_direct, impl->primitives)
                                     : make_primitive<dnnl::convolution_forward>(
                                           slice.spec, weights, has_bias,
                                           dnnl::algorithm::convolution_direct, impl->primitives));
      impl->scratch_each =
          std::max(impl->scratch_each, align_up(impl->primitives.back().scratch.get_size()));
    }
  } catch (const dnnl::error& error) {
    return fail(ErrorKind::Unsupported, "oneDNN has no such convolution: {}", error.what());
  }
  return Convolution(std::move(impl));
}

std::size_t Convolution::scratch_bytes() const {
  return impl_->scratch_each * static_cast<std::size_t>(impl_->threads);
}

void Convolution::run(const float* source, float* destination, std::byte* scratch) const {
  const Impl& impl = *impl_;
  const std::size_t slices = impl.slices.size();
  parallel_for_workers(impl.batch * slices, impl.threads, [&](std::size_t i, std::size_t worker) {
    const RowSlice& slice = impl.slices[i % slices];
    const std::size_t image = i / slices;
    impl.run_slice(
        i % slices,
        source + image * impl.in_image + static_cast<std::size_t>(slice.first_in) * impl.in_row,
        destination + image * impl.out_image +
            static_cast<std::size_t>(slice.first_out) * impl.out_row,
        scratch + worker * impl.scratch_each);
  });
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
  const OneThread scope;
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

}  // namespace visionpress
