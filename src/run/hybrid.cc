// The formulas match LiteRT 2.3 on x86-64 bit for bit; each step below rounds where the runtime
// rounds.

#include "run/hybrid.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/hybrid_kernels.h"

namespace visionpress {
namespace {

ActivationCode xnnpack_code(ActivationRange range) {
  const EvenCode code = choose_even_code(range.low, range.high);
  return {code.inverse, code.scale, code.zero_point, false};
}

ActivationCode builtin_asymmetric_code(ActivationRange range) {
  ActivationCode code;
  if (range.low == range.high) {
    code.all_zero = true;
    return code;
  }
  const double scale = static_cast<double>(range.high - range.low) / 255.0;
  const double low = static_cast<double>(range.low) / scale;
  const double high = static_cast<double>(range.high) / scale;
  const double zero =
      128.0 + std::fabs(low) < 127.0 + std::fabs(high) ? -128.0 - low : 127.0 - high;
  code.zero_point = static_cast<std::int32_t>(std::round(std::min(std::max(zero, -128.0), 127.0)));
  code.scale = static_cast<float>(scale);
  code.inverse = static_cast<float>(1.0 / static_cast<double>(code.scale));
  return code;
}

ActivationCode builtin_symmetric_code(ActivationRange range) {
  ActivationCode code;
  const float largest = std::max(std::fabs(range.low), std::fabs(range.high));
  if (largest == 0.0F) {
    code.all_zero = true;
    return code;
  }
  code.scale = largest / 127.0F;
  code.inverse = 127.0F / largest;
  return code;
}

/// Unlike the other kernels, this one has codes of zeros: with scale 1 they are 0.
ActivationCode builtin_four_bit_code(ActivationRange range) {
  const ActivationCode code = builtin_symmetric_code(range);
  return code.all_zero ? ActivationCode() : code;
}

// How many of `count` values from `offset` on the builtin kernels' vector loop rounds.
std::size_t count_body(std::size_t item_size, std::size_t offset, std::size_t count) {
  constexpr std::size_t kVector = 8;  // elements per step of that loop
  const std::size_t body_end = item_size / kVector * kVector;
  return offset >= body_end ? 0 : std::min(count, body_end - offset);
}

}  // namespace

ActivationCode choose_code(HybridRule rule, ActivationRange range) {
  range.low = std::min(range.low, 0.0F);
  range.high = std::max(range.high, 0.0F);
  switch (rule) {
    case HybridRule::Xnnpack:
      return xnnpack_code(range);
    case HybridRule::BuiltinAsymmetric:
      return builtin_asymmetric_code(range);
    case HybridRule::BuiltinSymmetric:
      return builtin_symmetric_code(range);
    case HybridRule::BuiltinFourBits:
      return builtin_four_bit_code(range);
  }
  return {};
}

void quantize_values(const QuantizeJob& job, const float* x, std::size_t offset, std::size_t count,
                     std::uint8_t* codes) {
  if (job.code.all_zero) {
    std::memset(codes, 128, count);
    return;
  }
  if (job.rule == HybridRule::Xnnpack) {
    quantize_even(x, count, job.code.inverse, job.code.zero_point, codes);
    return;
  }
  AwayRounding rounding = {job.code.inverse, job.code.zero_point,
                           job.rule == HybridRule::BuiltinAsymmetric ? -128 : -127, false};
  if (job.rule == HybridRule::BuiltinFourBits) {
    rounding.is_tail = true;
    return quantize_away(x, count, rounding, codes);
  }
  const std::size_t body = count_body(job.item_size, offset, count);
  quantize_away(x, body, rounding, codes);
  rounding.is_tail = true;
  quantize_away(x + body, count - body, rounding, codes + body);
}

void round_values(const QuantizeJob& job, const float* x, std::size_t offset, std::size_t count,
                  float* y) {
  if (job.code.all_zero) {
    std::fill_n(y, count, 0.0F);
    return;
  }
  AwayRounding rounding = {job.code.inverse, job.code.zero_point, -128, false};
  const std::size_t body = count_body(job.item_size, offset, count);
  round_away(x, body, rounding, y);
  rounding.is_tail = true;
  round_away(x + body, count - body, rounding, y + body);
}

}  // namespace visionpress
