#pragma once

// Which instruction set the vector kernels use.

#include <cstdint>
#include <string_view>

namespace visionpress {

/// What the environment variable VP_FORCE_ISA may ask for: "scalar", "avx2", "avx3".
enum class Isa : std::uint8_t {
  Best,    ///< the widest that the processor and this build have
  Scalar,  ///< the reference functions, without vector code
  Avx2,    ///< nothing wider than AVX2
  Avx3,    ///< AVX-512 without the later VNNI and VBMI extensions
};

/// Reads a VP_FORCE_ISA value. Anything unknown or null is Best.
[[nodiscard]] Isa read_isa(const char* text);

/// The choice in force: VP_FORCE_ISA at the first call of any kernel, until `force_isa` changes it.
/// Every dispatching kernel calls this first; where it says Scalar it runs its reference function.
[[nodiscard]] Isa active_isa();

/// Changes the choice for the whole process. Not while kernels run on other threads.
void force_isa(Isa isa);

/// The vector code that kernels of this folder run now: "scalar", or Highway's name ("AVX2",
/// "AVX3").
[[nodiscard]] std::string_view active_isa_name();

}  // namespace visionpress
