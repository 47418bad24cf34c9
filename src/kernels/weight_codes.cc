#include "kernels/weight_codes.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "base/half.h"
#include "kernels/isa.h"

// An x86 processor without AVX2 gets the baseline; the targets in between are not worth their build
// time.
#define HWY_DISABLED_TARGETS \
  (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/weight_codes.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

// Targets with vectors of four lanes or more whose float <-> half instruction rounds to nearest
// even, subnormals included (Highway's own emulation does not). All others run the reference.
#undef VP_VECTOR_CODE
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3 || (HWY_TARGET == HWY_NEON && HWY_ARCH_ARM_A64)
#define VP_VECTOR_CODE 1
#else
#define VP_VECTOR_CODE 0
#endif

HWY_BEFORE_NAMESPACE();
namespace visionpress::HWY_NAMESPACE {
namespace {

#if VP_VECTOR_CODE
namespace hn = hwy::HWY_NAMESPACE;

// 16 lanes are one AVX-512 vector, two AVX2 vectors or four NEON vectors, so every target sums in
// the same lanes.
using FloatTag = hn::CappedTag<float, kSumLanes>;
using IntTag = hn::RebindToSigned<FloatTag>;
using UintTag = hn::RebindToUnsigned<FloatTag>;
using ByteTag = hn::Rebind<std::uint8_t, FloatTag>;
using HalfTag = hn::Rebind<hwy::float16_t, FloatTag>;
using DoubleTag = hn::Repartition<double, FloatTag>;
using FloatVec = hn::Vec<FloatTag>;
using DoubleVec = hn::Vec<DoubleTag>;

constexpr std::size_t kWidth = hn::MaxLanes(FloatTag());
constexpr std::size_t kVectors = kSumLanes / kWidth;
constexpr std::size_t kDoubleWidth = kWidth / 2;

// The bytes may lie at any address; only LoadU and StoreU see these pointers.
HWY_INLINE const float* float_pointer(const std::byte* at) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): for unaligned vector loads alone
  return reinterpret_cast<const float*>(at);
}
HWY_INLINE const std::uint8_t* byte_pointer(const std::byte* at) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): uint8_t may alias anything
  return reinterpret_cast<const std::uint8_t*>(at);
}
HWY_INLINE std::uint8_t* byte_pointer(std::byte* at) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): uint8_t may alias anything
  return reinterpret_cast<std::uint8_t*>(at);
}

HWY_INLINE FloatVec load_floats(const std::byte* at) {
  return hn::LoadU(FloatTag(), float_pointer(at));
}

HWY_INLINE void store_halves(hn::Vec<HalfTag> halves, std::byte* at) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): for unaligned vector stores alone
  hn::StoreU(halves, HalfTag(), reinterpret_cast<hwy::float16_t*>(at));
}
HWY_INLINE hn::Vec<HalfTag> load_halves(const std::byte* at) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): for unaligned vector loads alone
  return hn::LoadU(HalfTag(), reinterpret_cast<const hwy::float16_t*>(at));
}

/// The sums of one run in kSumLanes lanes, kept in registers.
template <bool kHalfSteps>
class LaneSums {
 public:
  HWY_INLINE LaneSums() {
    for (auto& vec : signal_) vec = hn::Zero(DoubleTag());
    for (auto& vec : noise_) vec = hn::Zero(DoubleTag());
    for (auto& vec : max_abs_) vec = hn::Zero(FloatTag());
    for (auto& vec : max_steps_) vec = hn::Zero(FloatTag());
  }

  /// index: selects one of the kVectors vectors that make up the 16 lanes.
  HWY_INLINE void add(std::size_t index, FloatVec value, FloatVec decoded) {
    const FloatTag df;
    const FloatVec difference = hn::Sub(value, decoded);
    const FloatVec distance = hn::Abs(difference);
    max_abs_[index] = hn::Max(max_abs_[index], distance);
    add_squares(value, &signal_[2 * index]);
    add_squares(difference, &noise_[2 * index]);
    if constexpr (kHalfSteps) {
      const UintTag du;
      const auto exponent = hn::And(hn::BitCast(du, value), hn::Set(du, 0x7f800000U));
      const auto bounded = hn::Max(exponent, hn::Set(du, 113U << 23));
      const auto inverse_unit = hn::BitCast(df, hn::Sub(hn::Set(du, 264U << 23), bounded));
      max_steps_[index] = hn::Max(max_steps_[index], hn::Mul(distance, inverse_unit));
    }
  }

  [[nodiscard]] ErrorSums finish() const {
    ErrorSums sums;
    sums.signal = fold(signal_);
    sums.noise = fold(noise_);
    sums.max_abs = largest(max_abs_);
    if constexpr (kHalfSteps) sums.max_steps = largest(max_steps_);
    return sums;
  }

 private:
  // The square of a float is exact in double, so only the addition rounds.
  static HWY_INLINE void add_squares(FloatVec value, DoubleVec* sums) {
    const hn::Half<FloatTag> dh;
    const DoubleVec low = hn::PromoteTo(DoubleTag(), hn::LowerHalf(dh, value));
    const DoubleVec high = hn::PromoteTo(DoubleTag(), hn::UpperHalf(dh, value));
    sums[0] = hn::Add(sums[0], hn::Mul(low, low));
    sums[1] = hn::Add(sums[1], hn::Mul(high, high));
  }

  static double fold(const DoubleVec (&vectors)[2 * kVectors]) {
    std::array<double, kSumLanes> lanes = {};
    for (std::size_t i = 0; i < 2 * kVectors; ++i) {
      hn::StoreU(vectors[i], DoubleTag(), lanes.data() + i * kDoubleWidth);
    }
    for (std::size_t stride = kSumLanes / 2; stride > 0; stride /= 2) {
      for (std::size_t i = 0; i < stride; ++i) lanes[i] += lanes[i + stride];
    }
    return lanes[0];
  }

  static float largest(const FloatVec (&vectors)[kVectors]) {
    FloatVec all = vectors[0];
    for (std::size_t i = 1; i < kVectors; ++i) all = hn::Max(all, vectors[i]);
    return hn::GetLane(hn::MaxOfLanes(FloatTag(), all));
  }

  DoubleVec signal_[2 * kVectors];
  DoubleVec noise_[2 * kVectors];
  FloatVec max_abs_[kVectors];
  FloatVec max_steps_[kVectors];
};

/// The last few elements, filled up to all lanes with zeros, which add nothing to any sum.
template <std::size_t kElementBytes>
struct PaddedRest {
  alignas(64) std::array<std::byte, kSumLanes* kElementBytes> bytes = {};

  PaddedRest() = default;
  PaddedRest(Bytes source, std::size_t begin, std::size_t count) {
    std::memcpy(bytes.data(), source.data() + begin * kElementBytes, count * kElementBytes);
  }
};

ValueRange find_range_vector(FloatView values) {
  const FloatTag df;
  const UintTag du;
  if (values.empty()) return {};
  const std::byte* source = values.bytes().data();
  FloatVec min[kVectors];
  FloatVec max[kVectors];
  hn::Vec<UintTag> magnitude[kVectors];
  for (std::size_t v = 0; v < kVectors; ++v) {
    min[v] = hn::Set(df, values[0]);
    max[v] = min[v];
    magnitude[v] = hn::Zero(du);
  }
  const auto visit = [&](const std::byte* at) HWY_ATTR {
    for (std::size_t v = 0; v < kVectors; ++v) {
      const FloatVec value = load_floats(at + v * kWidth * sizeof(float));
      min[v] = hn::Min(min[v], value);
      max[v] = hn::Max(max[v], value);
      const auto bits = hn::And(hn::BitCast(du, value), hn::Set(du, 0x7fffffffU));
      magnitude[v] = hn::Max(magnitude[v], bits);
    }
  };
  std::size_t i = 0;
  for (; i + kSumLanes <= values.size(); i += kSumLanes) visit(source + i * sizeof(float));
  if (i < values.size()) {
    // Fills up with the last value, not with zeros: zero may lie outside the range.
    std::array<float, kSumLanes> rest;
    rest.fill(values[values.size() - 1]);
    std::memcpy(rest.data(), source + i * sizeof(float), (values.size() - i) * sizeof(float));
    visit(std::as_bytes(std::span(rest)).data());
  }
  for (std::size_t v = 1; v < kVectors; ++v) {
    min[0] = hn::Min(min[0], min[v]);
    max[0] = hn::Max(max[0], max[v]);
    magnitude[0] = hn::Max(magnitude[0], magnitude[v]);
  }
  const std::uint32_t largest = hn::GetLane(hn::MaxOfLanes(du, magnitude[0]));
  return {hn::GetLane(hn::MinOfLanes(df, min[0])) + 0.0F,
          hn::GetLane(hn::MaxOfLanes(df, max[0])) + 0.0F, largest < 0x7f800000U};
}

ErrorSums encode_halves_vector(FloatView values, MutableBytes codes) {
  const FloatTag df;
  const FloatVec low = hn::Set(df, -kHalfMax);
  const FloatVec high = hn::Set(df, kHalfMax);
  LaneSums<true> sums;
  FloatVec largest = hn::Zero(df);
  const auto visit = [&](const std::byte* from, std::byte* to) HWY_ATTR {
    for (std::size_t v = 0; v < kVectors; ++v) {
      const FloatVec value = load_floats(from + v * kWidth * sizeof(float));
      largest = hn::Max(largest, hn::Abs(value));
      const auto half = hn::DemoteTo(HalfTag(), hn::Min(hn::Max(value, low), high));
      store_halves(half, to + v * kWidth * 2);
      sums.add(v, value, hn::PromoteTo(df, half));
    }
  };
  const std::byte* source = values.bytes().data();
  std::size_t i = 0;
  for (; i + kSumLanes <= values.size(); i += kSumLanes) {
    visit(source + i * sizeof(float), codes.data() + i * 2);
  }
  if (i < values.size()) {
    const PaddedRest<sizeof(float)> rest(values.bytes(), i, values.size() - i);
    PaddedRest<2> result;
    visit(rest.bytes.data(), result.bytes.data());
    std::memcpy(codes.data() + i * 2, result.bytes.data(), (values.size() - i) * 2);
  }
  ErrorSums result = sums.finish();
  if (hn::GetLane(hn::MaxOfLanes(df, largest)) > kHalfMax) {
    for (std::size_t k = 0; k < values.size(); ++k) {
      if (std::fabs(values[k]) > kHalfMax) ++result.saturated;
    }
  }
  return result;
}

void decode_halves_vector(Bytes codes, std::span<float> out) {
  const FloatTag df;
  std::size_t i = 0;
  for (; i + kWidth <= out.size(); i += kWidth) {
    hn::StoreU(hn::PromoteTo(df, load_halves(codes.data() + i * 2)), df, out.data() + i);
  }
  for (; i < out.size(); ++i) out[i] = half_to_float(load_le<std::uint16_t>(codes, i * 2));
}

ErrorSums encode_linear_vector(FloatView values, const LinearStep& step, MutableBytes codes) {
  const FloatTag df;
  const FloatVec offset = hn::Set(df, step.offset);
  const FloatVec scale = hn::Set(df, step.scale);
  const FloatVec inverse = hn::Set(df, 1.0F / step.scale);
  const FloatVec low = hn::Set(df, step.low());
  const FloatVec high = hn::Set(df, step.high());
  LaneSums<false> sums;
  // count: the number of lanes that hold values. The other lanes must be masked, because their code
  // decodes to the offset, not to 0.
  const auto visit = [&](const std::byte* from, std::byte* to, auto count) HWY_ATTR {
    for (std::size_t v = 0; v < kVectors; ++v) {
      const FloatVec value = load_floats(from + v * kWidth * sizeof(float));
      const FloatVec place = hn::Mul(hn::Sub(value, offset), inverse);
      const auto code = hn::NearestInt(hn::Min(hn::Max(place, low), high));
      const auto narrow = hn::TruncateTo(ByteTag(), hn::BitCast(UintTag(), code));
      hn::StoreU(narrow, ByteTag(), byte_pointer(to + v * kWidth));
      FloatVec decoded = hn::Add(hn::Mul(hn::ConvertTo(df, code), scale), offset);
      if constexpr (std::is_same_v<decltype(count), std::size_t>) {
        const std::size_t before = v * kWidth;
        decoded = hn::IfThenElseZero(hn::FirstN(df, count > before ? count - before : 0), decoded);
      }
      sums.add(v, value, decoded);
    }
  };
  const std::byte* source = values.bytes().data();
  std::size_t i = 0;
  for (; i + kSumLanes <= values.size(); i += kSumLanes) {
    visit(source + i * sizeof(float), codes.data() + i, std::integral_constant<int, kSumLanes>());
  }
  if (i < values.size()) {
    const std::size_t count = values.size() - i;
    const PaddedRest<sizeof(float)> rest(values.bytes(), i, count);
    PaddedRest<1> result;
    visit(rest.bytes.data(), result.bytes.data(), count);
    std::memcpy(codes.data() + i, result.bytes.data(), count);
  }
  return sums.finish();
}

void decode_linear_vector(Bytes codes, const LinearStep& step, std::span<float> out) {
  const FloatTag df;
  const FloatVec scale = hn::Set(df, step.scale);
  const FloatVec offset = hn::Set(df, step.offset);
  const auto zero_point = hn::Set(IntTag(), step.zero_point);
  std::size_t i = 0;
  const auto store = [&](hn::Vec<IntTag> code) HWY_ATTR {
    const FloatVec steps = hn::ConvertTo(df, hn::Sub(code, zero_point));
    hn::StoreU(hn::Add(hn::Mul(steps, scale), offset), df, out.data() + i);
  };
  if (step.is_signed) {
    const hn::Rebind<std::int8_t, FloatTag> di8;
    for (; i + kWidth <= out.size(); i += kWidth) {
      const auto bytes = hn::LoadU(ByteTag(), byte_pointer(codes.data() + i));
      store(hn::PromoteTo(IntTag(), hn::BitCast(di8, bytes)));
    }
  } else {
    for (; i + kWidth <= out.size(); i += kWidth) {
      store(hn::PromoteTo(IntTag(), hn::LoadU(ByteTag(), byte_pointer(codes.data() + i))));
    }
  }
  decode_linear_ref(codes.subspan(i), step, out.subspan(i));
}

ErrorSums compare_values_vector(FloatView values, std::span<const float> decoded) {
  LaneSums<true> sums;
  const auto visit = [&](const std::byte* a, const std::byte* b) HWY_ATTR {
    for (std::size_t v = 0; v < kVectors; ++v) {
      const std::size_t at = v * kWidth * sizeof(float);
      sums.add(v, load_floats(a + at), load_floats(b + at));
    }
  };
  const Bytes a = values.bytes();
  const Bytes b = std::as_bytes(decoded);
  std::size_t i = 0;
  for (; i + kSumLanes <= values.size(); i += kSumLanes) {
    visit(a.data() + i * sizeof(float), b.data() + i * sizeof(float));
  }
  if (i < values.size()) {
    const PaddedRest<sizeof(float)> rest_a(a, i, values.size() - i);
    const PaddedRest<sizeof(float)> rest_b(b, i, values.size() - i);
    visit(rest_a.bytes.data(), rest_b.bytes.data());
  }
  return sums.finish();
}

#else   // VP_VECTOR_CODE
ValueRange find_range_vector(FloatView values) { return find_range_ref(values); }
ErrorSums encode_halves_vector(FloatView values, MutableBytes codes) {
  return encode_halves_ref(values, codes);
}
ErrorSums encode_linear_vector(FloatView values, const LinearStep& step, MutableBytes codes) {
  return encode_linear_ref(values, step, codes);
}
void decode_halves_vector(Bytes codes, std::span<float> out) { decode_halves_ref(codes, out); }
void decode_linear_vector(Bytes codes, const LinearStep& step, std::span<float> out) {
  decode_linear_ref(codes, step, out);
}
ErrorSums compare_values_vector(FloatView values, std::span<const float> decoded) {
  return compare_values_ref(values, decoded);
}
#endif  // VP_VECTOR_CODE

const char* target_name_vector() { return hwy::TargetName(HWY_TARGET); }

}  // namespace
}  // namespace visionpress::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace visionpress {
namespace {

HWY_EXPORT(find_range_vector);
HWY_EXPORT(encode_halves_vector);
HWY_EXPORT(encode_linear_vector);
HWY_EXPORT(decode_halves_vector);
HWY_EXPORT(decode_linear_vector);
HWY_EXPORT(compare_values_vector);
HWY_EXPORT(target_name_vector);

/// The reference's counterpart of the lanes that the vector code keeps in registers.
class ReferenceSums {
 public:
  void add(std::size_t index, float value, float decoded) {
    const float difference = value - decoded;
    const std::size_t lane = index % kSumLanes;
    signal_[lane] += static_cast<double>(value) * static_cast<double>(value);
    noise_[lane] += static_cast<double>(difference) * static_cast<double>(difference);
    max_abs_ = std::max(max_abs_, std::fabs(difference));
    max_steps_ = std::max(max_steps_, half_steps(value, decoded));
  }

  [[nodiscard]] ErrorSums finish(bool with_half_steps) const {
    ErrorSums sums;
    sums.signal = fold(signal_);
    sums.noise = fold(noise_);
    sums.max_abs = max_abs_;
    sums.max_steps = with_half_steps ? max_steps_ : 0.0F;
    return sums;
  }

 private:
  static double fold(std::array<double, kSumLanes> lanes) {
    for (std::size_t stride = kSumLanes / 2; stride > 0; stride /= 2) {
      for (std::size_t i = 0; i < stride; ++i) lanes[i] += lanes[i + stride];
    }
    return lanes[0];
  }

  std::array<double, kSumLanes> signal_ = {};
  std::array<double, kSumLanes> noise_ = {};
  float max_abs_ = 0.0F;
  float max_steps_ = 0.0F;
};

float decode_one(int code, const LinearStep& step) {
  return static_cast<float>(code - step.zero_point) * step.scale + step.offset;
}

}  // namespace

void ErrorSums::add(const ErrorSums& next) {
  signal += next.signal;
  noise += next.noise;
  max_abs = std::max(max_abs, next.max_abs);
  max_steps = std::max(max_steps, next.max_steps);
  saturated += next.saturated;
}

float half_steps(float value, float decoded) {
  // Halves have 10 mantissa bits; below 2^-14 (biased exponent 113) their spacing is constant,
  // 2^-24.
  const std::uint32_t exponent =
      std::max(std::bit_cast<std::uint32_t>(value) & 0x7f800000U, 113U << 23);
  const float inverse_unit = std::bit_cast<float>((264U << 23) - exponent);
  return std::fabs(value - decoded) * inverse_unit;
}

ValueRange find_range_ref(FloatView values) {
  if (values.empty()) return {};
  ValueRange range = {values[0], values[0], true};
  for (std::size_t i = 0; i < values.size(); ++i) {
    const float value = values[i];
    if (!std::isfinite(value)) range.finite = false;
    range.min = std::min(range.min, value);
    range.max = std::max(range.max, value);
  }
  // Whether a minimum is -0 or +0 depends on the order of the values; adding +0 makes both +0.
  range.min += 0.0F;
  range.max += 0.0F;
  return range;
}

ErrorSums encode_halves_ref(FloatView values, MutableBytes codes) {
  ReferenceSums sums;
  std::size_t saturated = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const float value = values[i];
    if (std::fabs(value) > kHalfMax) ++saturated;
    const std::uint16_t half = float_to_half(std::clamp(value, -kHalfMax, kHalfMax));
    store_le(codes, i * 2, half);
    sums.add(i, value, half_to_float(half));
  }
  ErrorSums result = sums.finish(true);
  result.saturated = saturated;
  return result;
}

ErrorSums encode_linear_ref(FloatView values, const LinearStep& step, MutableBytes codes) {
  const float inverse = 1.0F / step.scale;
  const float low = step.low();
  const float high = step.high();
  ReferenceSums sums;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const float value = values[i];
    const float place = (value - step.offset) * inverse;
    const int code = static_cast<int>(std::nearbyint(std::clamp(place, low, high)));
    codes[i] = static_cast<std::byte>(code & 0xff);
    sums.add(i, value, decode_one(code, step));
  }
  return sums.finish(false);
}

void decode_halves_ref(Bytes codes, std::span<float> out) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = half_to_float(load_le<std::uint16_t>(codes, i * 2));
  }
}

void decode_linear_ref(Bytes codes, const LinearStep& step, std::span<float> out) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    const int code =
        step.is_signed ? load_le<std::int8_t>(codes, i) : load_le<std::uint8_t>(codes, i);
    out[i] = decode_one(code, step);
  }
}

ErrorSums compare_values_ref(FloatView values, std::span<const float> decoded) {
  ReferenceSums sums;
  for (std::size_t i = 0; i < values.size(); ++i) sums.add(i, values[i], decoded[i]);
  return sums.finish(true);
}

ValueRange find_range(FloatView values) {
  if (active_isa() == Isa::Scalar) return find_range_ref(values);
  return HWY_DYNAMIC_DISPATCH(find_range_vector)(values);
}

ErrorSums encode_halves(FloatView values, MutableBytes codes) {
  if (active_isa() == Isa::Scalar) return encode_halves_ref(values, codes);
  return HWY_DYNAMIC_DISPATCH(encode_halves_vector)(values, codes);
}

ErrorSums encode_linear(FloatView values, const LinearStep& step, MutableBytes codes) {
  if (active_isa() == Isa::Scalar) return encode_linear_ref(values, step, codes);
  return HWY_DYNAMIC_DISPATCH(encode_linear_vector)(values, step, codes);
}

void decode_halves(Bytes codes, std::span<float> out) {
  if (active_isa() == Isa::Scalar) return decode_halves_ref(codes, out);
  HWY_DYNAMIC_DISPATCH(decode_halves_vector)(codes, out);
}

void decode_linear(Bytes codes, const LinearStep& step, std::span<float> out) {
  if (active_isa() == Isa::Scalar) return decode_linear_ref(codes, step, out);
  HWY_DYNAMIC_DISPATCH(decode_linear_vector)(codes, step, out);
}

ErrorSums compare_values(FloatView values, std::span<const float> decoded) {
  if (active_isa() == Isa::Scalar) return compare_values_ref(values, decoded);
  return HWY_DYNAMIC_DISPATCH(compare_values_vector)(values, decoded);
}

std::string_view view_vector_target() { return HWY_DYNAMIC_DISPATCH(target_name_vector)(); }

}  // namespace visionpress
#endif  // HWY_ONCE
