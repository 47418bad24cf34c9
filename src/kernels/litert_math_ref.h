#pragma once

// The functions of litert_math.h for one float, without vector code. VP_FORCE_ISA=scalar runs them,
// and tests require the vector code to match them bit for bit.

#include <array>

#include "kernels/litert_math.h"

namespace visionpress {

/// 2^(k/32), with XNNPACK's rounding.
inline constexpr std::array<float, 32> kRoots = {
    0x1.000000p+0F, 0x1.059B0Ep+0F, 0x1.0B5586p+0F, 0x1.11301Ep+0F, 0x1.172B84p+0F, 0x1.1D4874p+0F,
    0x1.2387A6p+0F, 0x1.29E9E0p+0F, 0x1.306FE0p+0F, 0x1.371A74p+0F, 0x1.3DEA64p+0F, 0x1.44E086p+0F,
    0x1.4BFDAEp+0F, 0x1.5342B6p+0F, 0x1.5AB07Ep+0F, 0x1.6247ECp+0F, 0x1.6A09E6p+0F, 0x1.71F75Ep+0F,
    0x1.7A1148p+0F, 0x1.82589Ap+0F, 0x1.8ACE54p+0F, 0x1.93737Cp+0F, 0x1.9C4918p+0F, 0x1.A5503Cp+0F,
    0x1.AE89FAp+0F, 0x1.B7F770p+0F, 0x1.C199BEp+0F, 0x1.CB720Ep+0F, 0x1.D5818Ep+0F, 0x1.DFC974p+0F,
    0x1.EA4AFAp+0F, 0x1.F50766p+0F};

[[nodiscard]] float litert_sigmoid_ref(LitertKernels kernels, float x);
[[nodiscard]] float litert_tanh_ref(LitertKernels kernels, float x);
[[nodiscard]] float litert_hard_swish_ref(LitertKernels kernels, float x);
[[nodiscard]] float xnnpack_elu_ref(float x);
/// e^x for x <= 0, as XNNPACK and as Eigen for SSE compute it.
[[nodiscard]] float xnnpack_exp_ref(float x);
[[nodiscard]] float builtin_exp_ref(float x);
/// Replaces a denormal by a zero of the same sign.
[[nodiscard]] float flush_denormal(float y);

}  // namespace visionpress
