#pragma once

// Runs a kernel under every value of VP_FORCE_ISA and compares the bits.

#include <bit>
#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/isa.h"

namespace visionpress {

/// Forces one instruction set and restores the choice at the end of the scope, even if the test
/// fails.
class ForcedIsa {
 public:
  explicit ForcedIsa(Isa isa) { force_isa(isa); }
  ~ForcedIsa() { force_isa(before_); }
  ForcedIsa(const ForcedIsa&) = delete;
  ForcedIsa& operator=(const ForcedIsa&) = delete;

 private:
  Isa before_ = active_isa();
};

/// Runs the check under the reference functions and under every instruction set.
template <typename Check>
void for_each_isa(const Check& check) {
  const ForcedIsa restored(Isa::Scalar);
  check();
  for (const Isa isa : {Isa::Avx2, Isa::Avx3, Isa::Best}) {
    force_isa(isa);
    SCOPED_TRACE(active_isa_name());
    check();
  }
}

/// kernel() returns values. On each instruction set with fused multiply-add they must equal those
/// of the reference functions bit for bit; all NaN count as equal.
template <typename Kernel>
void expect_the_reference_on_each_isa(const Kernel& kernel) {
  const ForcedIsa restored(Isa::Scalar);
  const std::vector<float> right = kernel();
  for (const Isa isa : {Isa::Avx2, Isa::Avx3, Isa::Best}) {
    force_isa(isa);
    const std::string name(active_isa_name());
    if (!name.starts_with("AVX") && !name.starts_with("NEON")) continue;
    const std::vector<float> values = kernel();
    ASSERT_EQ(values.size(), right.size());
    for (std::size_t i = 0; i < right.size(); ++i) {
      const bool is_same =
          std::bit_cast<std::uint32_t>(values[i]) == std::bit_cast<std::uint32_t>(right[i]) ||
          (values[i] != values[i] && right[i] != right[i]);
      ASSERT_TRUE(is_same) << name << " gives " << values[i] << ", the reference " << right[i]
                           << ", at " << i << " of " << right.size();
    }
  }
}

inline std::vector<float> make_random(std::size_t count, unsigned seed, float most) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> values(-most, most);
  std::vector<float> made(count);
  for (float& value : made) value = values(random);
  return made;
}

inline constexpr std::size_t kOddSizes[] = {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 64, 67};

}  // namespace visionpress
