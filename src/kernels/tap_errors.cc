#include "kernels/tap_errors.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "kernels/isa.h"

#define HWY_DISABLED_TARGETS \
  (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/tap_errors.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#ifndef VISIONPRESS_KERNELS_TAP_ERRORS_SHARED
#define VISIONPRESS_KERNELS_TAP_ERRORS_SHARED
namespace visionpress {
namespace {

/// A change pays where |R e| of its tap exceeds half of R's diagonal, which is 1. The rest keeps
/// rounding errors of these sums from moving a code to and fro.
constexpr float kLeastPull = 0.501F;

/// Windows of more taps are left to the reference.
constexpr std::size_t kMostTaps = 128;

/// Each change lowers the error, so this is never reached but by rounding errors.
std::size_t most_rounds(std::size_t taps) { return 2 * taps; }

}  // namespace
}  // namespace visionpress
#endif

HWY_BEFORE_NAMESPACE();
namespace visionpress::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

using FloatTag = hn::ScalableTag<float>;
using FloatVec = hn::Vec<FloatTag>;

template <typename Body, std::size_t... kIndex>
HWY_INLINE void call_each(const Body& body, std::index_sequence<kIndex...> /*all*/) {
  (body(kIndex), ...);
}

/// Calls body(i) for i in [0, kCount), unrolled; kCount 0: for i in [0, count).
template <std::size_t kCount, typename Body>
HWY_INLINE void for_each(std::size_t count, const Body& body) {
  if constexpr (kCount == 0) {
    for (std::size_t i = 0; i < count; ++i) body(i);
  } else {
    call_each(body, std::make_index_sequence<kCount>());
  }
}

/// As many inputs as a vector has lanes: entry t of each array is the vector of tap t.
/// kSide: of a square window, whose loops are unrolled so that the arrays become registers; 0: any
/// window of up to kMostTaps taps.
template <std::size_t kSide>
class LaneTaps {
 public:
  LaneTaps(const TapLayout& layout, const LinearStep& step) : layout_(layout), step_(step) {}

  HWY_INLINE void load(FloatView values, std::size_t input) {
    const FloatTag d;
    const FloatVec offset = hn::Set(d, step_.offset);
    const FloatVec inverse = hn::Set(d, 1.0F / step_.scale);
    const FloatVec low = hn::Set(d, step_.low());
    const FloatVec high = hn::Set(d, step_.high());
    for_each<kSide * kSide>(taps(), [&](std::size_t t) HWY_ATTR {
      const FloatVec value = load_values(values, t * layout_.tap_stride, input);
      const FloatVec place = hn::Mul(hn::Sub(value, offset), inverse);
      const FloatVec bounded = hn::Min(hn::Max(place, low), high);
      const FloatVec code = hn::Round(bounded);
      const FloatVec error = hn::Sub(code, place);
      codes_[t] = code;
      errors_[t] = error;
      const auto can_change = hn::And(hn::Eq(bounded, place), hn::Ne(error, hn::Zero(d)));
      moves_[t] = hn::IfThenElseZero(can_change, hn::CopySign(hn::Set(d, 1.0F), error));
    });
  }

  /// pulls = R * errors. R is a product of two first-order decays, one per axis, so each axis takes
  /// one pass forwards and one backwards.
  HWY_INLINE void pull() {
    for_each<kSide>(
        height(), [&](std::size_t y) __attribute__((always_inline))
                  HWY_ATTR { decay(errors_, y * width(), 1, width()); });
    if (height() == 1) return;
    for_each<kSide>(
        width(), [&](std::size_t x) __attribute__((always_inline))
                 HWY_ATTR { decay(pulls_, x, width(), height()); });
  }

  /// Makes the best change of each lane. returns: whether any lane had one.
  HWY_INLINE bool change() {
    const FloatTag d;
    const FloatVec least = hn::Set(d, kLeastPull);
    FloatVec best = least;
    for_each<kSide * kSide>(taps(), [&](std::size_t t) HWY_ATTR {
      best = hn::Max(best, hn::Mul(pulls_[t], moves_[t]));
    });
    auto open = hn::Gt(best, least);
    if (hn::AllFalse(d, open)) return false;
    for_each<kSide * kSide>(taps(), [&](std::size_t t) HWY_ATTR {
      const auto is_best = hn::Eq(hn::Mul(pulls_[t], moves_[t]), best);
      const FloatVec move = hn::IfThenElseZero(hn::And(open, is_best), moves_[t]);
      open = hn::AndNot(is_best, open);
      errors_[t] = hn::Sub(errors_[t], move);
      codes_[t] = hn::Sub(codes_[t], move);
      moves_[t] = hn::Sub(moves_[t], hn::Add(move, move));
    });
    return true;
  }

  HWY_INLINE void store_codes(std::size_t input, MutableBytes codes) const {
    const FloatTag d;
    const hn::RebindToSigned<FloatTag> di;
    const hn::RebindToUnsigned<FloatTag> du;
    const hn::Rebind<std::uint8_t, FloatTag> du8;
    std::array<std::uint8_t, hn::MaxLanes(FloatTag())> bytes;
    for_each<kSide * kSide>(taps(), [&](std::size_t t) HWY_ATTR {
      const auto code = hn::NearestInt(codes_[t]);
      const auto byte = hn::TruncateTo(du8, hn::BitCast(du, hn::BitCast(di, code)));
      std::byte* const to = codes.data() + t * layout_.tap_stride + input * layout_.input_stride;
      hn::StoreU(byte, du8, bytes.data());
      for (std::size_t lane = 0; lane < hn::Lanes(d); ++lane)
        to[lane * layout_.input_stride] = static_cast<std::byte>(bytes[lane]);
    });
  }

  HWY_INLINE void store_errors(std::size_t input, TapErrors& found) const {
    const FloatTag d;
    const hn::RebindToSigned<FloatTag> di;
    const FloatVec none = hn::Set(d, std::numeric_limits<float>::infinity());
    const FloatVec zero = hn::Zero(d);
    const FloatVec one = hn::Set(d, 1.0F);
    FloatVec sum = zero;
    FloatVec up = none;
    FloatVec down = none;
    auto up_tap = hn::Zero(di);
    auto down_tap = up_tap;
    for_each<kSide * kSide>(taps(), [&](std::size_t t) HWY_ATTR {
      const FloatVec twice = hn::Add(pulls_[t], pulls_[t]);
      const FloatVec raised = hn::Add(one, twice);
      const FloatVec lowered = hn::Sub(one, twice);
      sum = hn::Add(sum, errors_[t]);
      const auto tap = hn::Set(di, static_cast<std::int32_t>(t));
      const auto is_up = hn::And(hn::Lt(moves_[t], zero), hn::Lt(raised, up));
      up = hn::IfThenElse(is_up, raised, up);
      up_tap = hn::IfThenElse(hn::RebindMask(di, is_up), tap, up_tap);
      const auto is_down = hn::And(hn::Gt(moves_[t], zero), hn::Lt(lowered, down));
      down = hn::IfThenElse(is_down, lowered, down);
      down_tap = hn::IfThenElse(hn::RebindMask(di, is_down), tap, down_tap);
    });
    hn::StoreU(sum, d, found.sums.data() + input);
    hn::StoreU(up, d, found.up_costs.data() + input);
    hn::StoreU(down, d, found.down_costs.data() + input);
    hn::StoreU(up_tap, di, found.up_taps.data() + input);
    hn::StoreU(down_tap, di, found.down_taps.data() + input);
  }

 private:
  static constexpr std::size_t kTaps = kSide == 0 ? kMostTaps : kSide * kSide;

  [[nodiscard]] HWY_INLINE std::size_t height() const {
    return kSide == 0 ? layout_.height : kSide;
  }
  [[nodiscard]] HWY_INLINE std::size_t width() const { return kSide == 0 ? layout_.width : kSide; }
  [[nodiscard]] HWY_INLINE std::size_t taps() const { return height() * width(); }

  [[nodiscard]] HWY_INLINE FloatVec load_values(FloatView values, std::size_t first,
                                                std::size_t input) const {
    const FloatTag d;
    const std::size_t at = first + input * layout_.input_stride;
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): for unaligned loads alone
    const auto* from = reinterpret_cast<const float*>(values.bytes().data() + at * sizeof(float));
    if (layout_.input_stride == 1) return hn::LoadU(d, from);
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
    const hn::RebindToSigned<FloatTag> di;
    const auto stride = hn::Set(di, static_cast<std::int32_t>(layout_.input_stride));
    return hn::GatherIndex(d, from, hn::Mul(hn::Iota(di, 0), stride));
#else
    std::array<float, hn::MaxLanes(FloatTag())> lanes;
    for (std::size_t lane = 0; lane < lanes.size(); ++lane)
      lanes[lane] = values[at + lane * layout_.input_stride];
    return hn::LoadU(d, lanes.data());
#endif
  }

  /// pulls[i] = sum over j of correlation^|i - j| * from[j], for `count` taps from `first` on.
  HWY_INLINE void decay(const FloatVec (&from)[kTaps], std::size_t first, std::size_t stride,
                        std::size_t count) {
    const FloatVec share = hn::Set(FloatTag(), kTapCorrelation);
    FloatVec forward[kTaps];
    FloatVec before = hn::Zero(FloatTag());
    for_each<kSide>(count, [&](std::size_t i) HWY_ATTR {
      before = hn::Add(from[first + i * stride], hn::Mul(share, before));
      forward[i] = before;
    });
    FloatVec behind = hn::Zero(FloatTag());
    for_each<kSide>(count, [&](std::size_t passed) HWY_ATTR {
      const std::size_t i = count - 1 - passed;
      const FloatVec value = from[first + i * stride];
      pulls_[first + i * stride] = hn::Add(forward[i], behind);
      behind = hn::Mul(share, hn::Add(behind, value));
    });
  }

  const TapLayout& layout_;
  const LinearStep& step_;
  FloatVec codes_[kTaps];
  FloatVec errors_[kTaps];  ///< code - exact place
  /// What a change subtracts from the code: 1 or -1, to the other neighbour; 0 where there is none,
  /// since the value lies beyond the grid's ends or on a level.
  FloatVec moves_[kTaps];
  FloatVec pulls_[kTaps];  ///< R * errors
};

/// returns: the first input that is left.
template <std::size_t kSide>
std::size_t cancel_lanes(FloatView values, const LinearStep& step, const TapLayout& layout,
                         MutableBytes codes, TapErrors& errors) {
  const std::size_t lanes = hn::Lanes(FloatTag());
  LaneTaps<kSide> taps(layout, step);
  std::size_t input = 0;
  for (; input + lanes <= layout.inputs; input += lanes) {
    taps.load(values, input);
    for (std::size_t round = 0; round <= most_rounds(layout.taps()); ++round) {
      taps.pull();
      if (round == most_rounds(layout.taps()) || !taps.change()) break;
    }
    taps.store_codes(input, codes);
    taps.store_errors(input, errors);
  }
  return input;
}

std::size_t cancel_vector(FloatView values, const LinearStep& step, const TapLayout& layout,
                          MutableBytes codes, TapErrors& errors) {
  if (layout.taps() > kMostTaps) return 0;
  if (layout.taps() == 1) return cancel_lanes<1>(values, step, layout, codes, errors);
  if (layout.height == 3 && layout.width == 3)
    return cancel_lanes<3>(values, step, layout, codes, errors);
  return cancel_lanes<0>(values, step, layout, codes, errors);
}

}  // namespace
}  // namespace visionpress::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace visionpress {
namespace {

HWY_EXPORT(cancel_vector);

/// The reference's counterpart of LaneTaps, for one input.
class OneInput {
 public:
  OneInput(const TapLayout& layout, const LinearStep& step)
      : layout_(layout),
        step_(step),
        codes_(layout.taps()),
        errors_(layout.taps()),
        moves_(layout.taps()),
        pulls_(layout.taps()),
        forward_(layout.taps()) {}

  void load(FloatView values, std::size_t input) {
    const float inverse = 1.0F / step_.scale;
    for (std::size_t t = 0; t < layout_.taps(); ++t) {
      const std::size_t at = t * layout_.tap_stride + input * layout_.input_stride;
      const float place = (values[at] - step_.offset) * inverse;
      const float bounded = std::clamp(place, step_.low(), step_.high());
      codes_[t] = std::nearbyint(bounded);
      errors_[t] = codes_[t] - place;
      const bool can_change = bounded == place && errors_[t] != 0.0F;
      moves_[t] = can_change ? std::copysign(1.0F, errors_[t]) : 0.0F;
    }
  }

  void pull() {
    for (std::size_t y = 0; y < layout_.height; ++y)
      decay(errors_, y * layout_.width, 1, layout_.width);
    for (std::size_t x = 0; layout_.height > 1 && x < layout_.width; ++x)
      decay(pulls_, x, layout_.width, layout_.height);
  }

  bool change() {
    float best = kLeastPull;
    std::size_t chosen = layout_.taps();
    for (std::size_t t = 0; t < layout_.taps(); ++t) {
      if (!(pulls_[t] * moves_[t] > best)) continue;
      best = pulls_[t] * moves_[t];
      chosen = t;
    }
    if (chosen == layout_.taps()) return false;
    errors_[chosen] -= moves_[chosen];
    codes_[chosen] -= moves_[chosen];
    moves_[chosen] = -moves_[chosen];
    return true;
  }

  void store_codes(std::size_t input, MutableBytes codes) const {
    for (std::size_t t = 0; t < layout_.taps(); ++t) {
      codes[t * layout_.tap_stride + input * layout_.input_stride] =
          static_cast<std::byte>(static_cast<int>(codes_[t]) & 0xff);
    }
  }

  void store_errors(std::size_t input, TapErrors& found) const {
    float sum = 0.0F;
    float up = std::numeric_limits<float>::infinity();
    float down = up;
    std::size_t up_tap = 0;
    std::size_t down_tap = 0;
    for (std::size_t t = 0; t < layout_.taps(); ++t) {
      sum += errors_[t];
      const float twice = pulls_[t] + pulls_[t];
      if (moves_[t] < 0.0F && 1.0F + twice < up) {
        up = 1.0F + twice;
        up_tap = t;
      }
      if (moves_[t] > 0.0F && 1.0F - twice < down) {
        down = 1.0F - twice;
        down_tap = t;
      }
    }
    found.sums[input] = sum;
    found.up_costs[input] = up;
    found.down_costs[input] = down;
    found.up_taps[input] = static_cast<std::int32_t>(up_tap);
    found.down_taps[input] = static_cast<std::int32_t>(down_tap);
  }

 private:
  void decay(const std::vector<float>& from, std::size_t first, std::size_t stride,
             std::size_t count) {
    float before = 0.0F;
    for (std::size_t i = 0; i < count; ++i) {
      before = from[first + i * stride] + kTapCorrelation * before;
      forward_[i] = before;
    }
    float behind = 0.0F;
    for (std::size_t i = count; i-- > 0;) {
      const float value = from[first + i * stride];
      pulls_[first + i * stride] = forward_[i] + behind;
      behind = kTapCorrelation * (behind + value);
    }
  }

  const TapLayout& layout_;
  const LinearStep& step_;
  std::vector<float> codes_;
  std::vector<float> errors_;
  std::vector<float> moves_;
  std::vector<float> pulls_;
  std::vector<float> forward_;
};

/// Works on inputs [begin, layout.inputs).
void cancel_from(std::size_t begin, FloatView values, const LinearStep& step,
                 const TapLayout& layout, MutableBytes codes, TapErrors& errors) {
  if (begin >= layout.inputs) return;
  OneInput taps(layout, step);
  for (std::size_t input = begin; input < layout.inputs; ++input) {
    taps.load(values, input);
    for (std::size_t round = 0; round <= most_rounds(layout.taps()); ++round) {
      taps.pull();
      if (round == most_rounds(layout.taps()) || !taps.change()) break;
    }
    taps.store_codes(input, codes);
    taps.store_errors(input, errors);
  }
}

}  // namespace

TapErrors cancel_tap_errors_ref(FloatView values, const LinearStep& step, const TapLayout& layout,
                                MutableBytes codes) {
  TapErrors errors(layout.inputs);
  cancel_from(0, values, step, layout, codes, errors);
  return errors;
}

TapErrors cancel_tap_errors(FloatView values, const LinearStep& step, const TapLayout& layout,
                            MutableBytes codes) {
  if (active_isa() == Isa::Scalar) return cancel_tap_errors_ref(values, step, layout, codes);
  TapErrors errors(layout.inputs);
  const std::size_t done = HWY_DYNAMIC_DISPATCH(cancel_vector)(values, step, layout, codes, errors);
  cancel_from(done, values, step, layout, codes, errors);
  return errors;
}

}  // namespace visionpress
#endif  // HWY_ONCE
