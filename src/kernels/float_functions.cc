#include "kernels/float_functions.h"

#include <algorithm>
#include <cmath>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/float_functions.cc"
#include <hwy/foreach_target.h>
// clang-format off: after foreach_target.h, which includes this file once per instruction set
#include <hwy/contrib/math/math-inl.h>
// clang-format on

#include "kernels/float_vectors_inl.h"

HWY_BEFORE_NAMESPACE();
namespace visionpress {
namespace HWY_NAMESPACE {
namespace {

constexpr FloatTag kTag;

FloatVector one() { return hn::Set(kTag, 1.0F); }

/// Highway's functions are made for finite values: NaN is passed on around them.
FloatVector keep_nan(FloatVector x, FloatVector y) { return hn::IfThenElse(hn::IsNaN(x), x, y); }

/// e^x for x of at most 0.
FloatVector exp_of_negative(FloatVector x) { return hn::Exp(kTag, x); }

struct Exp {
  FloatVector operator()(FloatVector x) const {
    constexpr float kLargest = 88.72283F;  // e to it is the largest float but 32 steps
    const auto limit = hn::Set(kTag, kLargest);
    const auto y = hn::Exp(kTag, hn::Min(x, limit));
    const auto infinity = hn::Set(kTag, std::numeric_limits<float>::infinity());
    return keep_nan(x, hn::IfThenElse(hn::Gt(x, limit), infinity, y));
  }
};

struct Log {
  FloatVector operator()(FloatVector x) const {
    const auto zero = hn::Zero(kTag);
    const auto infinity = hn::Set(kTag, std::numeric_limits<float>::infinity());
    auto y = hn::Log(kTag, x);
    y = hn::IfThenElse(hn::Eq(x, infinity), infinity, y);
    y = hn::IfThenElse(hn::Eq(x, zero), hn::Neg(infinity), y);
    const auto nan = hn::Set(kTag, std::numeric_limits<float>::quiet_NaN());
    return keep_nan(x, hn::IfThenElse(hn::Lt(x, zero), nan, y));
  }
};

struct Sigmoid {
  FloatVector operator()(FloatVector x) const {
    const auto e = exp_of_negative(hn::Neg(hn::Abs(x)));
    const auto above = hn::IfThenElse(hn::Lt(x, hn::Zero(kTag)), e, one());
    return keep_nan(x, hn::Div(above, hn::Add(one(), e)));
  }
};

struct Tanh {
  FloatVector operator()(FloatVector x) const {
    constexpr float kFlat = 10.0F;  // from here on the nearest float is 1
    const auto limit = hn::Set(kTag, kFlat);
    const auto y = hn::Tanh(kTag, hn::Min(hn::Max(x, hn::Neg(limit)), limit));
    return keep_nan(x, y);
  }
};

struct Expm1 {
  FloatVector operator()(FloatVector x) const {
    constexpr float kLargest = 88.72283F;
    const auto limit = hn::Set(kTag, kLargest);
    const auto y = hn::Expm1(kTag, hn::Min(x, limit));
    const auto infinity = hn::Set(kTag, std::numeric_limits<float>::infinity());
    return keep_nan(x, hn::IfThenElse(hn::Gt(x, limit), infinity, y));
  }
};

struct Softplus {
  FloatVector operator()(FloatVector x) const {
    const auto e = exp_of_negative(hn::Neg(hn::Abs(x)));
    return keep_nan(x, hn::Add(hn::Max(x, hn::Zero(kTag)), hn::Log1p(kTag, e)));
  }
};

template <typename Function>
void apply_to_all(Function function, const float* x, std::size_t count, float* y) {
  const std::size_t lanes = hn::Lanes(kTag);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) hn::StoreU(function(hn::LoadU(kTag, x + i)), kTag, y + i);
  if (i == count) return;
  HWY_ALIGN float rest[hn::MaxLanes(kTag)] = {};
  std::copy_n(x + i, count - i, rest);
  hn::Store(function(hn::Load(kTag, rest)), kTag, rest);
  std::copy_n(rest, count - i, y + i);
}

void apply_vectors(FloatFunction function, const float* x, std::size_t count, float* y) {
  switch (function) {
    case FloatFunction::Exp:
      return apply_to_all(Exp(), x, count, y);
    case FloatFunction::Log:
      return apply_to_all(Log(), x, count, y);
    case FloatFunction::Sigmoid:
      return apply_to_all(Sigmoid(), x, count, y);
    case FloatFunction::Tanh:
      return apply_to_all(Tanh(), x, count, y);
    case FloatFunction::Expm1:
      return apply_to_all(Expm1(), x, count, y);
    case FloatFunction::Softplus:
      return apply_to_all(Softplus(), x, count, y);
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace visionpress
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace visionpress {

HWY_EXPORT(apply_vectors);

namespace {

// The reference that VP_FORCE_ISA=scalar runs.
float apply_ref(FloatFunction function, float x) {
  switch (function) {
    case FloatFunction::Exp:
      return std::exp(x);
    case FloatFunction::Log:
      return std::log(x);
    case FloatFunction::Sigmoid:
      return 1.0F / (1.0F + std::exp(-x));
    case FloatFunction::Tanh:
      return std::tanh(x);
    case FloatFunction::Expm1:
      return std::expm1(x);
    case FloatFunction::Softplus:
      return x > 20.0F ? x : std::log1p(std::exp(x));
  }
  return x;
}

}  // namespace

void apply_function(FloatFunction function, const float* x, std::size_t count, float* y) {
  if (active_isa() != Isa::Scalar)
    return HWY_DYNAMIC_DISPATCH(apply_vectors)(function, x, count, y);
  for (std::size_t i = 0; i < count; ++i) y[i] = apply_ref(function, x[i]);
}

}  // namespace visionpress
#endif  // HWY_ONCE
