#include "formats/tflite/tflite_codes.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace visionpress::tflite {
namespace {

using Code = tfl::BuiltinOperator;

template <typename Kind>
struct CodeRow {
  Code code;
  Kind kind;
};

constexpr auto kUnary = std::to_array<CodeRow<UnaryKind>>({
    {Code::RELU, UnaryKind::Relu},
    {Code::RELU6, UnaryKind::Relu6},
    {Code::RELU_N1_TO_1, UnaryKind::ReluN1To1},
    {Code::LEAKY_RELU, UnaryKind::LeakyRelu},
    {Code::LOGISTIC, UnaryKind::Sigmoid},
    {Code::TANH, UnaryKind::Tanh},
    {Code::HARD_SWISH, UnaryKind::HardSwish},
    {Code::ELU, UnaryKind::Elu},
    {Code::EXP, UnaryKind::Exp},
    {Code::LOG, UnaryKind::Log},
    {Code::SQRT, UnaryKind::Sqrt},
    {Code::RSQRT, UnaryKind::Rsqrt},
    {Code::SQUARE, UnaryKind::Square},
    {Code::ABS, UnaryKind::Abs},
    {Code::NEG, UnaryKind::Negate},
    {Code::FLOOR, UnaryKind::Floor},
    {Code::CEIL, UnaryKind::Ceil},
    {Code::ROUND, UnaryKind::Round},
    {Code::SIGN, UnaryKind::Sign},
    {Code::LOGICAL_NOT, UnaryKind::LogicalNot},
    {Code::SIN, UnaryKind::Sin},
    {Code::COS, UnaryKind::Cos},
});

constexpr auto kBinary = std::to_array<CodeRow<BinaryKind>>({
    {Code::ADD, BinaryKind::Add},
    {Code::SUB, BinaryKind::Subtract},
    {Code::MUL, BinaryKind::Multiply},
    {Code::DIV, BinaryKind::Divide},
    {Code::MAXIMUM, BinaryKind::Maximum},
    {Code::MINIMUM, BinaryKind::Minimum},
    {Code::FLOOR_DIV, BinaryKind::FloorDivide},
    {Code::FLOOR_MOD, BinaryKind::FloorModulo},
    {Code::POW, BinaryKind::Power},
    {Code::SQUARED_DIFFERENCE, BinaryKind::SquaredDifference},
    {Code::ATAN2, BinaryKind::Atan2},
    {Code::GREATER, BinaryKind::Greater},
    {Code::GREATER_EQUAL, BinaryKind::GreaterEqual},
    {Code::LESS, BinaryKind::Less},
    {Code::LESS_EQUAL, BinaryKind::LessEqual},
    {Code::EQUAL, BinaryKind::Equal},
    {Code::NOT_EQUAL, BinaryKind::NotEqual},
    {Code::LOGICAL_AND, BinaryKind::LogicalAnd},
    {Code::LOGICAL_OR, BinaryKind::LogicalOr},
});

constexpr auto kReduce = std::to_array<CodeRow<ReduceKind>>({
    {Code::MEAN, ReduceKind::Mean},
    {Code::SUM, ReduceKind::Sum},
    {Code::REDUCE_PROD, ReduceKind::Product},
    {Code::REDUCE_MAX, ReduceKind::Maximum},
    {Code::REDUCE_MIN, ReduceKind::Minimum},
    {Code::ARG_MAX, ReduceKind::ArgMax},
    {Code::ARG_MIN, ReduceKind::ArgMin},
    // Of truth values, which a run holds as 1 and 0. find_code gives the rows above.
    {Code::REDUCE_ANY, ReduceKind::Maximum},
    {Code::REDUCE_ALL, ReduceKind::Minimum},
});

template <typename Kind, std::size_t kRows>
std::optional<Kind> find_kind(const std::array<CodeRow<Kind>, kRows>& rows, Code code) {
  const auto* row = std::ranges::find(rows, code, &CodeRow<Kind>::code);
  return row == rows.end() ? std::nullopt : std::optional(row->kind);
}

template <typename Kind, std::size_t kRows>
std::optional<Code> find_code(const std::array<CodeRow<Kind>, kRows>& rows, Kind kind) {
  const auto* row = std::ranges::find(rows, kind, &CodeRow<Kind>::kind);
  return row == rows.end() ? std::nullopt : std::optional(row->code);
}

}  // namespace

std::optional<UnaryKind> find_unary_kind(Code code) { return find_kind(kUnary, code); }
std::optional<Code> find_unary_code(UnaryKind kind) { return find_code(kUnary, kind); }
std::optional<BinaryKind> find_binary_kind(Code code) { return find_kind(kBinary, code); }
std::optional<Code> find_binary_code(BinaryKind kind) { return find_code(kBinary, kind); }
std::optional<ReduceKind> find_reduce_kind(Code code) { return find_kind(kReduce, code); }
std::optional<Code> find_reduce_code(ReduceKind kind) { return find_code(kReduce, kind); }

bool is_logical(BinaryKind kind) {
  return kind == BinaryKind::LogicalAnd || kind == BinaryKind::LogicalOr;
}

}  // namespace visionpress::tflite
