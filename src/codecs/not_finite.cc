#include "codecs/not_finite.h"

#include <cmath>
#include <cstdint>

#include <fmt/format.h>

#include "base/bytes.h"

namespace visionpress {
namespace {

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

void add(const std::vector<float>& values, NotFiniteCount& count) {
  for (const float value : values) {
    if (std::isnan(value)) ++count.nan;
    if (std::isinf(value)) ++count.infinite;
  }
}

}  // namespace

NotFiniteCount count_not_finite(const WeightRef& stored) {
  constexpr std::uint32_t kExponent32 = 0x7f800000U;
  constexpr std::uint32_t kFraction32 = 0x007fffffU;
  constexpr std::uint16_t kExponent16 = 0x7c00U;
  constexpr std::uint16_t kFraction16 = 0x03ffU;
  switch (stored.code.encoding) {
    case Encoding::Float32:
      return count_elements<std::uint32_t>(stored.payload, kExponent32, kFraction32);
    case Encoding::Float16:
      return count_elements<std::uint16_t>(stored.payload, kExponent16, kFraction16);
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
