#include "run/whole_numbers.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>

#include "base/error.h"
#include "lower/whole_limit.h"

namespace visionpress {
namespace {

constexpr auto kLimit = static_cast<float>(kWholeLimit);

struct WholeRange {
  float low = -kLimit;
  float high = kLimit;
};

/// The range of a tensor's type; nothing if its values are not whole numbers.
std::optional<WholeRange> find_range(const Tensor& tensor) {
  if (tensor.quantization) return std::nullopt;  // codes of real values
  switch (tensor.dtype) {
    case DType::Int8:
      return WholeRange{-128.0F, 127.0F};
    case DType::UInt8:
      return WholeRange{0.0F, 255.0F};
    case DType::Int16:
      return WholeRange{-32768.0F, 32767.0F};
    case DType::Int32:
    case DType::Int64:
      return WholeRange{};
    default:
      return std::nullopt;
  }
}

/// A float of the limit's size stands for its neighbours, too, so its digits are not exact.
std::string describe(float x) {
  const bool is_rounded = std::isfinite(x) && std::fabs(x) >= kLimit;
  return fmt::format("{}{}", is_rounded ? "about " : "", static_cast<double>(x));
}

bool is_inside(const WholeRange& range, float x) {
  // NaN fails every comparison.
  return x >= range.low && x <= range.high && std::fabs(x) < kLimit && x == std::trunc(x);
}

}  // namespace

bool computes_whole_numbers(const Graph& graph, const Node& node) {
  if (moves_values(node.op)) return false;
  return std::any_of(node.outputs.begin(), node.outputs.end(), [&](TensorId id) {
    return id != kNoTensor && find_range(graph.tensor(id)).has_value();
  });
}

Result<void> check_whole_operator(const Graph& graph, const Node& node) {
  const bool is_checked =
      std::holds_alternative<Unary>(node.op) || std::holds_alternative<Binary>(node.op) ||
      std::holds_alternative<Reduce>(node.op) || std::holds_alternative<NonMaxSuppression>(node.op);
  if (is_checked) return {};
  return fail(ErrorKind::Unsupported, "it computes in {}, which is run in float32",
              name_of(graph.tensor(node.outputs[0]).dtype));
}

Result<void> check_whole_values(const Tensor& tensor, std::span<const float> values) {
  const auto range = find_range(tensor);
  if (!range) return {};
  const auto beyond = std::ranges::find_if(values, [&](float x) { return !is_inside(*range, x); });
  if (beyond == values.end()) return {};
  return fail(ErrorKind::Unsupported, "its result \"{}\" of {} holds {}: {}, and inside their type",
              tensor.name, name_of(tensor.dtype), describe(*beyond), kWholeLimitRule);
}

Result<void> check_whole_sum(std::span<const std::span<const float>> operands) {
  double largest = 0.0;
  for (const std::span<const float> operand : operands) {
    float most = 0.0F;
    for (const float x : operand) most = std::max(most, std::fabs(x));
    largest += static_cast<double>(most);
  }
  if (largest < static_cast<double>(kLimit)) return {};
  return fail(ErrorKind::Unsupported, "it adds {} tensors of whole numbers up to {} in all: {}",
              operands.size(), largest, kWholeLimitRule);
}

Result<void> check_whole_literal(const Tensor& tensor) {
  const bool is_wide = tensor.dtype == DType::Int32 || tensor.dtype == DType::Int64;
  if (!is_wide) return {};
  const auto beyond =
      std::ranges::find_if(tensor.literal, [](float x) { return !(std::fabs(x) < kLimit); });
  if (beyond == tensor.literal.end()) return {};
  return fail(ErrorKind::Unsupported, "constant \"{}\" of {} holds {}: {}", tensor.name,
              name_of(tensor.dtype), describe(*beyond), kWholeLimitRule);
}

}  // namespace visionpress
