#pragma once

// The elementwise functions, shared by Unary, fused activations and epilogues.

#include <cstddef>

#include "model/ops.h"

namespace visionpress {

/// y[i] = f(x[i]); x and y may be the same buffer.
void apply_unary(const Unary& op, const float* x, float* y, std::size_t count);

/// y[i] = f(y[i]), on at most `threads` threads.
void apply_unary_in_place(const Unary& op, float* y, std::size_t count, int threads);

[[nodiscard]] bool is_fused(FusedActivation activation);

/// Whether a <= b implies f(a) <= f(b), so that a maximum may be taken before or after it.
[[nodiscard]] bool is_monotone(const Unary& op);

}  // namespace visionpress
