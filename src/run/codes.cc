#include "run/codes.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "codecs/decode.h"
#include "kernels/integer_sums.h"

namespace visionpress {
namespace {

constexpr std::int32_t kSignShift = 128;
constexpr std::size_t kBuiltinVector = 8;  // elements that LiteRT's builtin kernels take at a time

std::optional<TensorCode> make_code(DType dtype, const std::vector<float>& scales,
                                    std::int64_t zero_point) {
  if (scales.size() != 1) return std::nullopt;
  const bool is_signed = dtype == DType::Int8;
  return TensorCode{scales[0], static_cast<std::int32_t>(zero_point) + (is_signed ? kSignShift : 0),
                    is_signed};
}

}  // namespace

std::optional<TensorCode> find_code(const Tensor& tensor, const Weight* weight) {
  if (tensor.dtype != DType::Int8 && tensor.dtype != DType::UInt8) return std::nullopt;
  if (weight != nullptr) {
    const WeightCode& code = weight->stored.code;
    if (code.encoding != Encoding::Linear || code.bits != 8) return std::nullopt;
    return make_code(tensor.dtype, code.scales,
                     code.zero_points.empty() ? 0 : code.zero_points.front());
  }
  if (!tensor.quantization) return std::nullopt;
  const auto& zeros = tensor.quantization->zero_points;
  return make_code(tensor.dtype, tensor.quantization->scales, zeros.empty() ? 0 : zeros.front());
}

std::optional<TensorCode> find_code(const Graph& graph, const Tensor& tensor) {
  return find_code(tensor, tensor.weight ? &graph.weights[*tensor.weight] : nullptr);
}

bool has_codes(const Graph& graph) {
  const auto is_code = [&](TensorId id) {
    return id != kNoTensor && find_code(graph.tensor(id), nullptr) &&
           !graph.tensor(id).is_constant();
  };
  return std::any_of(graph.nodes.begin(), graph.nodes.end(), [&](const Node& node) {
    // A cast takes bytes as the numbers that they are.
    return !std::holds_alternative<Identity>(node.op) &&
           (std::any_of(node.inputs.begin(), node.inputs.end(), is_code) ||
            std::any_of(node.outputs.begin(), node.outputs.end(), is_code));
  });
}

std::vector<std::vector<const Tensor*>> list_output_tensors(const Graph& graph) {
  std::vector<std::vector<const Tensor*>> tensors;
  for (const Node& node : graph.nodes) {
    auto& written = tensors.emplace_back();
    for (const TensorId id : node.outputs)
      written.push_back(id == kNoTensor ? nullptr : &graph.tensor(id));
  }
  return tensors;
}

bool follows_runtime(Arithmetic arithmetic) {
  return arithmetic == Arithmetic::Runtime || arithmetic == Arithmetic::Builtin;
}

bool works_on_codes(const BuildContext& context) {
  if (!context.follows_runtime()) return false;
  const auto holds = [](const Tensor* tensor) {
    return tensor != nullptr && find_code(*tensor, nullptr).has_value();
  };
  // A constant operand may be all that has codes: the anchors of a detector, which become floats.
  // Kernels and other parameters never come first.
  const InputDesc& first = context.inputs[0];
  if (first.tensor != nullptr && first.weight != nullptr && find_code(*first.tensor, first.weight))
    return true;
  return std::any_of(context.outputs.begin(), context.outputs.end(), holds) ||
         std::any_of(context.inputs.begin(), context.inputs.end(),
                     [&](const InputDesc& input) { return holds(input.tensor); });
}

Result<std::vector<std::uint8_t>> load_stored_codes(const Weight& weight) {
  VP_ASSIGN_OR_RETURN(std::vector<std::uint8_t> codes, load_codes(weight.stored));
  if (weight.stored.code.is_signed) {
    for (std::uint8_t& code : codes) code = static_cast<std::uint8_t>(code ^ kSignShift);
  }
  return codes;
}

void quantize(std::span<const float> values, const TensorCode& code, CodeRounding rounding,
              std::uint8_t* codes) {
  const std::size_t count = values.size();
  switch (rounding) {
    case CodeRounding::Exact:
      return codes_of_quotients(values.data(), count, code.scale, code.zero_point, codes);
    case CodeRounding::Xnnpack:
      return codes_of_products(values.data(), count, 1.0F / code.scale, code.zero_point, codes);
    case CodeRounding::Builtin:
      break;
  }
  const std::size_t body = count / kBuiltinVector * kBuiltinVector;
  codes_of_products(values.data(), body, 1.0F / code.scale, code.zero_point, codes);
  for (std::size_t i = body; i < count; ++i) {
    const double whole =
        std::round(static_cast<double>(values[i]) / static_cast<double>(code.scale));
    // Written so that NaN becomes the lowest code and no conversion is undefined.
    const double sum = whole + static_cast<double>(code.zero_point);
    codes[i] = static_cast<std::uint8_t>(sum > 0.0 ? std::min(sum, 255.0) : 0.0);
  }
}

void dequantize(std::span<const std::uint8_t> codes, const TensorCode& code, CodeRounding rounding,
                float* values) {
  std::array<float, 256> table = {};
  std::size_t body = 0;
  if (rounding == CodeRounding::Builtin) {
    body = codes.size() / kBuiltinVector * kBuiltinVector;
    const std::int32_t shift = code.zero_point - code.file_zero_point();
    const float zeros = static_cast<float>(-code.file_zero_point()) * code.scale;
    for (std::size_t q = 0; q < table.size(); ++q) {
      const auto file_code = static_cast<float>(static_cast<std::int32_t>(q) - shift);
      table[q] = file_code * code.scale + zeros;
    }
    for (std::size_t i = 0; i < body; ++i) values[i] = table[codes[i]];
  }
  for (std::size_t q = 0; q < table.size(); ++q)
    table[q] = code.value_of(static_cast<std::uint8_t>(q));
  for (std::size_t i = body; i < codes.size(); ++i) values[i] = table[codes[i]];
}

void clamp_to_codes(std::span<float> values, const TensorCode& code) {
  const float low = code.value_of(0);
  const float high = code.value_of(255);
  for (float& value : values) value = std::min(std::max(value, low), high);
}

}  // namespace visionpress
