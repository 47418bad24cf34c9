#pragma once

// The only code that calls oneDNN, because the APIs of its versions 2 (Debian 12) and 3 differ.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "model/ops.h"
#include "visionpress/result.h"

namespace visionpress {

/// One float convolution over N,H,W,C data.
struct ConvSpec {
  bool transposed = false;
  std::int64_t batch = 1;
  std::array<std::int64_t, 2> in = {0, 0};  ///< height, width
  std::array<std::int64_t, 2> out = {0, 0};
  std::int64_t in_channels = 0;
  std::int64_t out_channels = 0;
  std::array<std::int64_t, 2> kernel = {1, 1};
  std::array<std::int64_t, 2> stride = {1, 1};
  std::array<std::int64_t, 2> dilation = {1, 1};
  std::array<std::int64_t, 2> before = {0, 0};
  std::array<std::int64_t, 2> after = {0, 0};
  std::int64_t groups = 1;
  KernelLayout kernel_layout = KernelLayout::Oihw;
  std::optional<Unary> activation = std::nullopt;  ///< Relu, Relu6, LeakyRelu
};

/// The strides, in elements, of a kernel in spec.kernel_layout along the axes group, out (within
/// its group), in, height, width.
[[nodiscard]] std::array<std::int64_t, 5> kernel_strides(const ConvSpec& spec);

/// The multiplications of a convolution.
[[nodiscard]] std::size_t count_products(const ConvSpec& spec);

/// A convolution with its packed kernel, ready to run from any thread.
class Convolution {
 public:
  /// weights: in spec.kernel_layout. bias: out_channels floats, or null. threads: per run, at
  /// most.
  /// errors: Unsupported with oneDNN's message.
  [[nodiscard]] static Result<Convolution> create(const ConvSpec& spec, const float* weights,
                                                  const float* bias, int threads);
  Convolution(Convolution&&) noexcept;
  Convolution& operator=(Convolution&&) noexcept;
  ~Convolution();

  [[nodiscard]] std::size_t scratch_bytes() const;
  /// source and destination: dense N,H,W,C. scratch: scratch_bytes, 64-byte aligned.
  void run(const float* source, float* destination, std::byte* scratch) const;

 private:
  struct Impl;
  explicit Convolution(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// The matrix product [rows, inner] x [inner, columns] + bias with a packed right operand.
/// weights: row-major [columns, inner] (a fully connected layer's own layout).
[[nodiscard]] ConvSpec matrix_product_spec(std::int64_t rows, std::int64_t inner,
                                           std::int64_t columns);

/// c [rows, columns] = a [rows, inner] x b [inner, columns], row-major. A transposed operand is
/// stored column-major.
struct MatrixProduct {
  std::int64_t rows = 0;
  std::int64_t inner = 0;
  std::int64_t columns = 0;
  bool transpose_a = false;
  bool transpose_b = false;
  std::int64_t stride_a = 0;  ///< elements between the starts of two lines of a in memory
};

/// Runs on the calling thread only, because oneDNN sums in another order on several threads.
void multiply_matrices(const MatrixProduct& product, const float* a, const float* b, float* c);

}  // namespace visionpress
