#include "codecs/not_finite.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include <fmt/format.h>

#include "base/bytes.h"
#include "base/parallel.h"

namespace visionpress {
namespace {

/// Whether any element's exponent bits are all ones. Without a branch per element, so that the
/// compiler makes vector code of it.
template <typename Bits>
bool has_not_finite(Bytes payload, Bits exponent) {
  const std::size_t elements = payload.size() / sizeof(Bits);
  Bits any = 0;
#pragma omp simd reduction(| : any)
  for (std::size_t i = 0; i < elements; ++i) {
    const auto bits = load_le<Bits>(payload, i * sizeof(Bits));
    any = static_cast<Bits>(any | ((bits & exponent) == exponent ? 1U : 0U));
  }
  return any != 0;
}

/// Counts elements whose exponent bits are all ones: NaN if any bit of the fraction is one, else
/// infinite.
template <typename Bits>
NotFiniteCount count_elements(Bytes payload, Bits exponent, Bits fraction) {
  NotFiniteCount count;
  for (std::size_t at = 0; at + sizeof(Bits) <= payload.size(); at += sizeof(Bits)) {
    const auto bits = load_le<Bits>(payload, at);
    if ((bits & exponent) != exponent) continue;
    ((bits & fraction) != 0 ? count.nan : count.infinite) += 1;
  }
  return count;
}

/// The same part by part; as good as every part is finite, and then only looked through.
template <typename Bits>
NotFiniteCount count_in_parts(Bytes payload, Bits exponent, Bits fraction, int threads) {
  constexpr std::size_t kPart = std::size_t{1} << 20;  // bytes
  std::vector<NotFiniteCount> parts((payload.size() + kPart - 1) / kPart);
  parallel_for(parts.size(), threads, [&](std::size_t i) {
    const Bytes part = payload.subspan(i * kPart, std::min(kPart, payload.size() - i * kPart));
    if (has_not_finite(part, exponent)) parts[i] = count_elements(part, exponent, fraction);
  });
  NotFiniteCount count;
  for (const NotFiniteCount& part : parts) {
    count.nan += part.nan;
    count.infinite += part.infinite;
  }
  return count;
}

void add(const std::vector<float>& values, NotFiniteCount& count) {
  for (const float value : values) {
    if (std::isnan(value)) ++count.nan;
    if (std::isinf(value)) ++count.infinite;
  }
}

}  // namespace

NotFiniteCount count_not_finite(const WeightRef& stored, int threads) {
  constexpr std::uint32_t kExponent32 = 0x7f800000U;
  constexpr std::uint32_t kFraction32 = 0x007fffffU;
  constexpr std::uint16_t kExponent16 = 0x7c00U;
  constexpr std::uint16_t kFraction16 = 0x03ffU;
  switch (stored.code.encoding) {
    case Encoding::Float32:
      return count_in_parts(stored.payload, kExponent32, kFraction32, threads);
    case Encoding::Float16:
      return count_in_parts(stored.payload, kExponent16, kFraction16, threads);
    case Encoding::Linear:
    case Encoding::Table:
      break;
  }
  NotFiniteCount count;
  add(stored.code.scales, count);
  add(stored.code.offsets, count);
  add(stored.code.table, count);
  return count;
}

std::string describe(const NotFiniteCount& count) {
  std::string text;
  if (count.nan > 0) text = fmt::format("{} NaN", count.nan);
  if (count.infinite > 0)
    text += fmt::format("{}{} infinite", text.empty() ? "" : ", ", count.infinite);
  return text;
}

std::string describe_not_finite(const Graph& graph) {
  constexpr std::size_t kNamed = 5;
  std::string named;
  std::size_t weights = 0;
  for (const Weight& weight : graph.weights) {
    const NotFiniteCount count = count_not_finite(weight.stored);
    if (count.nan == 0 && count.infinite == 0) continue;
    if (++weights > kNamed) continue;
    named += fmt::format("{}\"{}\" ({})", named.empty() ? "" : ", ", weight.name, describe(count));
  }
  if (weights == 0) return {};
  if (weights > kNamed) named += fmt::format(" and {} more", weights - kNamed);
  return fmt::format("{} of {} weights hold values that are not finite: {}", weights,
                     graph.weights.size(), named);
}

}  // namespace visionpress
