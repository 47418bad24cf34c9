#pragma once

// Float functions with the rounding of LiteRT 2.3.0 on x86-64: its XNNPACK kernels for AVX-512, and
// its builtin kernels, which go through Eigen for SSE. A hybrid layer turns an ulp of its input
// into a whole code now and then, so a network follows the runtime only when these do.
//
// Measured bit for bit on an AVX-512 machine. XNNPACK has other kernels for other instruction sets:
// there, and where this build has no fused multiply-add, results may differ by some ulps.

#include <cstddef>
#include <cstdint>

namespace visionpress {

enum class LitertKernels : std::uint8_t { Xnnpack, Builtin };

/// y[i] = f(x[i]); x and y may be the same buffer. Tensors are handed over whole or in pieces whose
/// sizes are multiples of 64, but for the last: the builtin kernels treat a tensor's end otherwise.
void litert_sigmoid(LitertKernels kernels, const float* x, std::size_t count, float* y);
void litert_tanh(LitertKernels kernels, const float* x, std::size_t count, float* y);
void litert_hard_swish(LitertKernels kernels, const float* x, std::size_t count, float* y);
/// ELU with alpha 1. The builtin kernel is std::expm1.
void xnnpack_elu(const float* x, std::size_t count, float* y);
/// Square roots by the processor's estimate and a Newton step; exact where it has no AVX-512, or
/// VP_FORCE_ISA keeps to less.
void xnnpack_sqrt(const float* x, std::size_t count, float* y);
void xnnpack_rsqrt(const float* x, std::size_t count, float* y);

/// Softmax with beta 1 of `count` values, at least one.
void xnnpack_softmax(const float* x, std::size_t count, float* y);
/// Softmax of `rows` rows of `count` values, which make up the whole tensor.
void builtin_softmax(const float* x, std::size_t rows, std::size_t count, float beta, float* y);

/// Sum of a contiguous line, in XNNPACK's order.
[[nodiscard]] float xnnpack_sum(const float* x, std::size_t count);
/// Sum of a line that starts `offset` values into its tensor, in Eigen's order.
[[nodiscard]] float builtin_line_sum(const float* x, std::size_t count, std::size_t offset);

}  // namespace visionpress
