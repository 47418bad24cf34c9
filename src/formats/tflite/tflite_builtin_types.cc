#include "formats/tflite/tflite_builtin_types.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include <fmt/format.h>

namespace visionpress::tflite {
namespace {

using Code = tfl::BuiltinOperator;
using Type = tfl::TensorType;

/// A set of types, by their numbers in the schema.
using Types = std::uint32_t;

constexpr Types one(Type type) { return Types{1} << static_cast<unsigned>(type); }

constexpr Types kFloat = one(Type::FLOAT32);
constexpr Types kHalf = one(Type::FLOAT16);
constexpr Types kBool = one(Type::BOOL);
constexpr Types kInt8 = one(Type::INT8);
constexpr Types k8Bit = one(Type::INT8) | one(Type::UINT8);
constexpr Types kInt16 = one(Type::INT16);
constexpr Types kInt32 = one(Type::INT32);
constexpr Types kWhole = one(Type::INT32) | one(Type::INT64);
constexpr Types k4Bit = one(Type::INT4) | one(Type::UINT4) | one(Type::INT2);

struct KernelTypes {
  Code code;
  Types takes;
};
/// source: LiteRT 2.3.0, tflite/kernels/*.cc, and runs of each operator on each type.
constexpr auto kKernelTypes = std::to_array<KernelTypes>({
    {Code::ABS, kFloat | kInt8 | kInt16 | kInt32},
    {Code::AVERAGE_POOL_2D, kFloat | k8Bit | kInt16},
    {Code::CEIL, kFloat},
    {Code::COS, kFloat | kHalf},
    {Code::DEPTH_TO_SPACE, kFloat | k8Bit | kWhole},
    {Code::DEQUANTIZE,
     kHalf | k8Bit | kInt16 | k4Bit | one(Type::FLOAT8_E4M3FN) | one(Type::FLOAT8_E5M2)},
    {Code::ELU, kFloat | kInt8},
    {Code::EXP, kFloat | kInt8 | kInt16},
    {Code::FLOOR, kFloat | kHalf | one(Type::BFLOAT16)},
    {Code::GELU, kFloat | kHalf | k8Bit | kInt16},
    {Code::HARD_SWISH, kFloat | k8Bit},
    {Code::L2_NORMALIZATION, kFloat | k8Bit},
    {Code::L2_POOL_2D, kFloat},
    {Code::LEAKY_RELU, kFloat | k8Bit | kInt16},
    {Code::LOG, kFloat | kInt8 | kInt16},
    {Code::LOGICAL_AND, kBool},
    {Code::LOGICAL_NOT, kBool},
    {Code::LOGICAL_OR, kBool},
    {Code::LOG_SOFTMAX, kFloat | k8Bit},
    {Code::MAX_POOL_2D, kFloat | k8Bit | kInt16},
    {Code::PACK, kFloat | k8Bit | kInt16 | kWhole | one(Type::UINT32)},
    {Code::POW, kFloat | kInt32},
    {Code::PRELU, kFloat | k8Bit},
    {Code::QUANTIZE, kFloat | k8Bit | kInt16 | kInt32},
    {Code::RELU, kFloat | k8Bit | kInt16},
    {Code::RELU_0_TO_1, kFloat | k8Bit},
    {Code::RELU_N1_TO_1, kFloat | k8Bit},
    {Code::RESIZE_BILINEAR, kFloat | k8Bit | kInt16},
    {Code::ROUND, kFloat | kHalf},
    {Code::RSQRT, kFloat | kInt8 | kInt16},
    {Code::SIGN, kFloat | kInt32 | one(Type::FLOAT64)},
    {Code::SIN, kFloat | kHalf},
    {Code::SPACE_TO_DEPTH, kFloat | k8Bit | kWhole},
    {Code::SQUARE, kFloat},
    {Code::SQUARED_DIFFERENCE, kFloat | kInt32 | kInt8},
    {Code::ZEROS_LIKE, kFloat | kWhole},
});

}  // namespace

std::string check_kernel_type(const GraphFacts& graph, const OperatorFacts& op) {
  const TensorFacts* in = graph.input(op, 0);
  const auto* row = std::ranges::find(kKernelTypes, op.code, &KernelTypes::code);
  if (in == nullptr || row == kKernelTypes.end() || (row->takes & one(in->type)) != 0) return {};
  return fmt::format("no kernel for {} values", name_of_type(in->type));
}

}  // namespace visionpress::tflite
