#include "kernels/max_pool.h"

#include <algorithm>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/max_pool.cc"
#include <hwy/foreach_target.h>

#include "kernels/float_vectors_inl.h"

HWY_BEFORE_NAMESPACE();
namespace visionpress {
namespace HWY_NAMESPACE {
namespace {

HWY_INLINE FloatVector larger(FloatVector a, FloatVector b) {
  return hn::IfThenElse(hn::Or(hn::Gt(b, a), hn::IsNaN(b)), b, a);
}

void find_maxima(const float* const* pixels, std::size_t count, std::size_t channels, float* out) {
  const FloatTag d;
  const std::size_t lanes = hn::Lanes(d);
  const auto lowest = hn::Set(d, -std::numeric_limits<float>::infinity());
  std::size_t c = 0;
  for (; c + 2 * lanes <= channels; c += 2 * lanes) {
    auto first = lowest;
    auto second = lowest;
    for (std::size_t p = 0; p < count; ++p) {
      first = larger(first, hn::LoadU(d, pixels[p] + c));
      second = larger(second, hn::LoadU(d, pixels[p] + c + lanes));
    }
    hn::StoreU(first, d, out + c);
    hn::StoreU(second, d, out + c + lanes);
  }
  for (; c < channels; c += lanes) {
    const auto valid = hn::FirstN(d, std::min(lanes, channels - c));
    auto most = lowest;
    for (std::size_t p = 0; p < count; ++p)
      most = larger(most, hn::MaskedLoad(valid, d, pixels[p] + c));
    hn::BlendedStore(most, valid, d, out + c);
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace visionpress
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace visionpress {

HWY_EXPORT(find_maxima);

namespace {

// The reference that VP_FORCE_ISA=scalar runs.
void find_maxima_ref(const float* const* pixels, std::size_t count, std::size_t channels,
                     float* out) {
  std::fill_n(out, channels, -std::numeric_limits<float>::infinity());
  for (std::size_t p = 0; p < count; ++p) {
    for (std::size_t c = 0; c < channels; ++c) {
      const float value = pixels[p][c];
      if (value > out[c] || value != value) out[c] = value;
    }
  }
}

}  // namespace

void max_of_pixels(const float* const* pixels, std::size_t count, std::size_t channels,
                   float* out) {
  if (active_isa() == Isa::Scalar) return find_maxima_ref(pixels, count, channels, out);
  HWY_DYNAMIC_DISPATCH(find_maxima)(pixels, count, channels, out);
}

}  // namespace visionpress
#endif  // HWY_ONCE
