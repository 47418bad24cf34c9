#include "kernels/isa.h"

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <mutex>

#include <hwy/nanobenchmark.h>
#include <hwy/targets.h>

#include "kernels/weight_codes.h"

namespace hwy::platform {

/// In place of libhwy's own, which it calls as soon as a program starts: it measures its timer for
/// 3 ms, a third of the start, and only its benchmarks, which we do not use, read the result.
std::uint64_t TimerResolution() {  // NOLINT(readability-identifier-naming): libhwy's name
  return 1;
}

}  // namespace hwy::platform

namespace visionpress {
namespace {

std::atomic<int> chosen = -1;

// Highway gives better targets lower bits (hwy/detect_targets.h), so all targets better than one
// are the bits below it. The set is passed as a mock, not by DisableTargets: in Highway 1.0.3 any
// later call of SupportedTargets makes dispatch forget the disabled targets.
void apply(Isa isa) {
  hwy::SetSupportedTargetsForTest(0);
  std::int64_t targets = hwy::SupportedTargets();
#if HWY_ARCH_X86
  if (isa == Isa::Avx2) targets &= ~(HWY_AVX2 - 1);
  if (isa == Isa::Avx3) targets &= ~(HWY_AVX3 - 1);
#endif
  hwy::SetSupportedTargetsForTest(targets);
  hwy::GetChosenTarget().Update(targets);
  chosen.store(static_cast<int>(isa), std::memory_order_release);
}

}  // namespace

Isa read_isa(const char* text) {
  const std::string_view name = text != nullptr ? text : "";
  if (name == "scalar") return Isa::Scalar;
  if (name == "avx2") return Isa::Avx2;
  if (name == "avx3") return Isa::Avx3;
  return Isa::Best;
}

Isa active_isa() {
  int isa = chosen.load(std::memory_order_acquire);
  if (isa < 0) {
    static std::once_flag once;
    std::call_once(once, [] { apply(read_isa(std::getenv("VP_FORCE_ISA"))); });
    isa = chosen.load(std::memory_order_acquire);
  }
  return static_cast<Isa>(isa);
}

void force_isa(Isa isa) {
  (void)active_isa();
  apply(isa);
}

std::string_view active_isa_name() {
  return active_isa() == Isa::Scalar ? std::string_view("scalar") : view_vector_target();
}

}  // namespace visionpress
