#include "kernels/isa.h"

#include <cstdlib>
#include <string_view>

#include <gtest/gtest.h>
#include <hwy/targets.h>

namespace visionpress {
namespace {

TEST(IsaTest, ReadsTheThreeNamesAndTakesAnythingElseForTheBest) {
  EXPECT_EQ(read_isa("scalar"), Isa::Scalar);
  EXPECT_EQ(read_isa("avx2"), Isa::Avx2);
  EXPECT_EQ(read_isa("avx3"), Isa::Avx3);
  EXPECT_EQ(read_isa("AVX2"), Isa::Best);
  EXPECT_EQ(read_isa(nullptr), Isa::Best);
}

// Runs once for each value of VP_FORCE_ISA (see CMakeLists.txt), so it sees what a user's process
// sees.
TEST(IsaTest, TheEnvironmentVariableChoosesTheCodeThatRuns) {
  const char* text = std::getenv("VP_FORCE_ISA");
  const Isa asked = read_isa(text);
  EXPECT_EQ(active_isa(), asked);
#if HWY_ARCH_X86
  const bool has_avx2 = (hwy::SupportedTargets() & HWY_AVX2) != 0;
  if (asked == Isa::Avx2 && has_avx2) {
    EXPECT_EQ(active_isa_name(), "AVX2");
  }
  if (asked == Isa::Avx3 && (hwy::SupportedTargets() & HWY_AVX3) != 0) {
    EXPECT_EQ(active_isa_name(), "AVX3");
  }
  if (asked == Isa::Best && has_avx2) {
    EXPECT_NE(active_isa_name(), "scalar");
  }
#endif
  if (asked == Isa::Scalar) {
    EXPECT_EQ(active_isa_name(), "scalar");
  }
}

TEST(IsaTest, ForcingReplacesTheChoiceAndCanBeTakenBack) {
  const Isa before = active_isa();
  force_isa(Isa::Scalar);
  EXPECT_EQ(active_isa_name(), "scalar");
  force_isa(Isa::Avx2);
#if HWY_ARCH_X86
  if ((hwy::SupportedTargets() & HWY_AVX2) != 0) {
    EXPECT_EQ(active_isa_name(), "AVX2");
  }
#endif
  force_isa(before);
  EXPECT_EQ(active_isa(), before);
}

}  // namespace
}  // namespace visionpress
