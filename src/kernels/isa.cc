#include "kernels/isa.h"

#include <atomic>
#include <cstdlib>
#include <mutex>

#include <hwy/targets.h>

#include "kernels/weight_codes.h"

namespace visionpress {
namespace {

std::atomic<int> chosen = -1;

// Highway orders its targets best first from the lowest bit up (hwy/detect_targets.h), so all
// targets better than one are the bits below it.
void apply(Isa isa) {
  hwy::DisableTargets(0);
#if HWY_ARCH_X86
  if (isa == Isa::Avx2) hwy::DisableTargets(HWY_AVX2 - 1);
  if (isa == Isa::Avx3) hwy::DisableTargets(HWY_AVX3 - 1);
#endif
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
