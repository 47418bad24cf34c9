#pragma once

// The choice of the instruction set that the vector kernels use.

#include <cstdint>
#include <string_view>

namespace visionpress {

/// The instruction sets that the environment variable VP_FORCE_ISA can request: "scalar", "avx2",
/// "avx3".
enum class Isa : std::uint8_t {
  Best,    ///< the widest that both the processor and this build support
  Scalar,  ///< the reference functions, without vector code
  Avx2,    ///< nothing wider than AVX2
  Avx3,    ///< AVX-512 without the later VNNI and VBMI extensions
};

/// Parses a VP_FORCE_ISA value. Null and unknown words give Best.
[[nodiscard]] Isa read_isa(const char* text);

/// The current choice: VP_FORCE_ISA as it was at the first call of any kernel, until `force_isa`
/// changes it. Every dispatching kernel calls this first and runs its reference function if it
/// returns Scalar.
[[nodiscard]] Isa active_isa();

/// Changes the choice for the whole process. Must not be called while kernels run on other threads.
void force_isa(Isa isa);

/// The name of the vector code that the kernels of this folder run now: "scalar", or Highway's name
/// ("AVX2", "AVX3").
[[nodiscard]] std::string_view active_isa_name();

}  // namespace visionpress
