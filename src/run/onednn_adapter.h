#pragma once

// The one place that speaks oneDNN, whose versions 2 (Debian 12) and 3 differ in their API.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "model/ops.h"
#include "visionpress/result.h"

namespace visionpress {

enum class ConvArithmetic {
  Float,             ///< float32 in, float32 kernel, float32 out
  UnsignedBySigned,  ///< uint8 in, int8 kernel, int32 sums out
};

/// One convolution over N,H,W,C data.
struct ConvSpec {
  ConvArithmetic arithmetic = ConvArithmetic::Float;
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
  std::optional<Unary> activation = std::nullopt;  ///< Float only; Relu, Relu6, LeakyRelu
};

/// Elements between neighbours on the axes group, out (within its group), in, height, width of a
/// kernel in spec.kernel_layout.
[[nodiscard]] std::array<std::int64_t, 5> kernel_strides(const ConvSpec& spec);

/// A convolution with its packed kernel, ready to run from any thread.
class Convolution {
 public:
  /// weights: in spec.kernel_layout (float or int8, by the arithmetic). bias: out_channels floats,
  /// or null; Float only. threads: of every run. errors: Unsupported with oneDNN's word.
  [[nodiscard]] static Result<Convolution> create(const ConvSpec& spec, const void* weights,
                                                  const float* bias, int threads);
  Convolution(Convolution&&) noexcept;
  Convolution& operator=(Convolution&&) noexcept;
  ~Convolution();

  [[nodiscard]] std::size_t scratch_bytes() const;
  /// source and destination: dense N,H,W,C. scratch: scratch_bytes, 64-byte aligned.
  void run(const void* source, void* destination, std::byte* scratch) const;

 private:
  struct Impl;
  explicit Convolution(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// [rows, inner] x [inner, columns] + bias: a matrix product with a packed right side.
/// weights: row-major [columns, inner] (a fully connected layer's own layout).
[[nodiscard]] ConvSpec matrix_product_spec(ConvArithmetic arithmetic, std::int64_t rows,
                                           std::int64_t inner, std::int64_t columns);

/// c [rows, columns] = a [rows, inner] x b [inner, columns], row-major. A transposed operand lies
/// the other way round.
struct MatrixProduct {
  std::int64_t rows = 0;
  std::int64_t inner = 0;
  std::int64_t columns = 0;
  bool transpose_a = false;
  bool transpose_b = false;
  std::int64_t stride_a = 0;  ///< elements from one line of a in memory to the next
};

/// On the calling thread alone: oneDNN would sum in another order on more.
void multiply_matrices(const MatrixProduct& product, const float* a, const float* b, float* c);

/// Whether 8-bit products are summed without saturation on this machine. Without VNNI, oneDNN adds
/// pairs of uint8 x int8 products in 16 bits, which two products of 255 x 127 overflow.
[[nodiscard]] bool has_exact_unsigned_by_signed();

/// Sets the threads that oneDNN uses from the calling thread, for as long as it lives. Primitives
/// remember the number when they are made, so they are made and run under the same one.
class ScopedThreads {
 public:
  explicit ScopedThreads(int threads);
  ScopedThreads(const ScopedThreads&) = delete;
  ScopedThreads& operator=(const ScopedThreads&) = delete;
  ~ScopedThreads();

 private:
  int before_;
};

}  // namespace visionpress
