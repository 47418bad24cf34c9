#pragma once

// Float functions with the rounding of LiteRT 2.3.0 on x86-64: its XNNPACK kernels for AVX-512, and
// its builtin kernels, which use Eigen for SSE. In a hybrid layer a difference of one ulp in the
// input can change a code by one, so a network gives the runtime's results only if these functions
// do.
//
// Results were compared bit for bit on an AVX-512 machine. XNNPACK has other kernels for other
// instruction sets; on those, and where this build has no fused multiply-add, results may differ by
// some ulps.

#include <cstddef>
#include <cstdint>

namespace visionpress {

enum class LitertKernels : std::uint8_t { Xnnpack, Builtin };

/// y[i] = f(x[i]); x and y may be the same buffer. Pass a tensor whole or in pieces whose sizes,
/// except the last, are multiples of 64: the builtin kernels use other functions at a tensor's end.
void litert_sigmoid(LitertKernels kernels, const float* x, std::size_t count, float* y);
void litert_tanh(LitertKernels kernels, const float* x, std::size_t count, float* y);
void litert_hard_swish(LitertKernels kernels, const float* x, std::size_t count, float* y);
/// ELU with alpha 1. The builtin kernel needs no function here: it calls std::expm1.
void xnnpack_elu(const float* x, std::size_t count, float* y);
/// Square roots from the processor's estimate and one Newton step. Correctly rounded instead if the
/// processor lacks AVX-512 or VP_FORCE_ISA chooses a narrower instruction set.
void xnnpack_sqrt(const float* x, std::size_t count, float* y);
void xnnpack_rsqrt(const float* x, std::size_t count, float* y);

/// Softmax with beta 1 of `count` >= 1 values.
void xnnpack_softmax(const float* x, std::size_t count, float* y);
/// Softmax of each of `rows` rows of `count` values; the rows must be the whole tensor.
void builtin_softmax(const float* x, std::size_t rows, std::size_t count, float beta, float* y);

/// Sum of `count` contiguous values, in XNNPACK's order.
[[nodiscard]] float xnnpack_sum(const float* x, std::size_t count);
/// Sum of `count` contiguous values that start `offset` values into their tensor, in Eigen's order.
[[nodiscard]] float builtin_line_sum(const float* x, std::size_t count, std::size_t offset);

}  // namespace visionpress
