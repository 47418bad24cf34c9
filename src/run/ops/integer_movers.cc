// Operators whose results are elements of their inputs. Their float operators move codes as they
// move other numbers: codes are widened to floats before, and results narrowed to bytes after. The
// common ones that only copy need neither.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <utility>

#include "base/bytes.h"
#include "base/error.h"
#include "run/ops/integer_parts.h"

namespace visionpress {
namespace {

class CodeCopyOperator final : public Operator {
 public:
  explicit CodeCopyOperator(const BuildContext& context) : count_(count_of(context.results[0])) {
    output_dims = {context.results[0]};
  }
  void run(const RunContext& context) const override {
    std::memcpy(context.outputs[0], context.inputs[0], count_);
  }

 private:
  std::size_t count_;
};

using Widened = std::array<float, 256>;

class CodeMoverOperator final : public Operator {
 public:
  CodeMoverOperator(std::unique_ptr<Operator> inner, const BuildContext& context)
      : inner_(std::move(inner)) {
    output_dims = inner_->output_dims;
    counted_outputs = inner_->counted_outputs;
    scratch_bytes = align_up(inner_->scratch_bytes);
    for (std::size_t i = 0; i < context.inputs.size(); ++i) {
      const InputDesc& input = context.inputs[i];
      const bool is_code =
          input.tensor != nullptr && find_code(*input.tensor, input.weight).has_value();
      inputs_.push_back(make_part(is_code ? count_of(input.dims) : 0, is_code));
    }
    for (std::size_t i = 0; i < output_dims.size(); ++i) {
      const bool is_code = find_code(*context.outputs[i], nullptr).has_value();
      outputs_.push_back(make_part(is_code ? count_of(output_dims[i]) : 0, is_code));
    }
    // Less the zero point, so that the zeros of a float operator mean the same.
    zero_ = find_code(*context.outputs[0], nullptr).value_or(TensorCode{}).zero_point;
    Widened same = {};
    for (std::size_t code = 0; code < same.size(); ++code)
      same[code] = static_cast<float>(static_cast<std::int32_t>(code) - zero_);
    tables_.assign(inputs_.size(), same);
  }

  void set_table(std::size_t input, const Widened& table) { tables_[input] = table; }
  void set_bounds(const CodeBounds& bounds) { bounds_ = bounds; }

  void run(const RunContext& context) const override {
    std::vector<const float*> inputs(context.inputs.begin(), context.inputs.end());
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (!inputs_[i].is_code) continue;
      auto* wide = view_as<float>(context.scratch + inputs_[i].offset);
      const std::uint8_t* codes = codes_in(inputs[i]);
      for (std::size_t at = 0; at < inputs_[i].count; ++at) wide[at] = tables_[i][codes[at]];
      inputs[i] = wide;
    }
    std::vector<float*> outputs(context.outputs.begin(), context.outputs.end());
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      if (outputs_[i].is_code) outputs[i] = view_as<float>(context.scratch + outputs_[i].offset);
    }
    RunContext inner = context;
    inner.inputs = inputs;
    inner.outputs = outputs;
    inner.output_range = nullptr;
    inner_->run(inner);
    const auto zero = static_cast<float>(zero_);
    const auto low = static_cast<float>(bounds_.low);
    const auto high = static_cast<float>(bounds_.high);
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      if (!outputs_[i].is_code) continue;
      std::uint8_t* codes = codes_in(context.outputs[i]);
      for (std::size_t at = 0; at < outputs_[i].count; ++at)
        codes[at] = static_cast<std::uint8_t>(std::clamp(outputs[i][at] + zero, low, high));
    }
  }

 private:
  /// Where the floats of one operand or result lie in the scratch.
  struct Part {
    bool is_code = false;
    std::size_t count = 0;
    std::size_t offset = 0;
  };

  Part make_part(std::size_t count, bool is_code) {
    const Part part = {is_code, count, scratch_bytes};
    scratch_bytes += align_up(count * sizeof(float));
    return part;
  }

  std::unique_ptr<Operator> inner_;
  std::vector<Part> inputs_ = {};
  std::vector<Part> outputs_ = {};
  std::vector<Widened> tables_ = {};
  std::int32_t zero_ = 0;
  CodeBounds bounds_ = {};
};

// The codes of an operand of CONCATENATION in terms of the result's.
// source: ConcatenationWithScaling in tflite/kernels/internal/reference/concatenation.h.
Widened rescaled(const TensorCode& in, const TensorCode& out) {
  Widened table = {};
  const float scale = in.scale * (1.0F / out.scale);
  const float bias = static_cast<float>(-in.file_zero_point()) * scale;
  const std::int32_t shift = in.zero_point - in.file_zero_point();
  for (std::size_t code = 0; code < table.size(); ++code) {
    const auto file_code = static_cast<float>(static_cast<std::int32_t>(code) - shift);
    const float whole = std::round(file_code * scale + bias);
    const float bounded = std::clamp(whole + static_cast<float>(out.zero_point), 0.0F, 255.0F);
    table[code] = bounded - static_cast<float>(out.zero_point);
  }
  return table;
}

// CONCATENATION of bytes.
class CodeConcatOperator final : public Operator {
 public:
  CodeConcatOperator(std::size_t axis, const BuildContext& context) {
    const Shape& out = context.results[0];
    output_dims = {out};
    outer_ = count_of(Shape(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(axis)));
    const TensorCode code = output_code(context);
    for (std::size_t i = 0; i < context.inputs.size(); ++i) {
      const Shape& dims = context.inputs[i].dims;
      Piece& piece = pieces_.emplace_back();
      piece.bytes = count_of(Shape(dims.begin() + static_cast<std::ptrdiff_t>(axis), dims.end()));
      const TensorCode in = input_code(context, i);
      if (in == code) continue;
      const Widened table = rescaled(in, code);
      for (const float moved : table) {
        piece.table.push_back(
            static_cast<std::uint8_t>(moved + static_cast<float>(code.zero_point)));
      }
    }
  }

  void run(const RunContext& context) const override {
    std::uint8_t* y = codes_in(context.outputs[0]);
    for (std::size_t outer = 0; outer < outer_; ++outer) {
      for (std::size_t i = 0; i < pieces_.size(); ++i) {
        const Piece& piece = pieces_[i];
        const std::uint8_t* x = codes_in(context.inputs[i]) + outer * piece.bytes;
        if (piece.table.empty()) {
          std::memcpy(y, x, piece.bytes);
        } else {
          for (std::size_t at = 0; at < piece.bytes; ++at) y[at] = piece.table[x[at]];
        }
        y += piece.bytes;
      }
    }
  }

 private:
  struct Piece {
    std::size_t bytes = 0;                 ///< of each outer index
    std::vector<std::uint8_t> table = {};  ///< codes of the result; empty if they are the same
  };

  std::size_t outer_ = 1;
  std::vector<Piece> pieces_ = {};
};

// The operator on codes. errors: Unsupported if its operands have other scales than its result.
Result<Op> on_codes(const Op& op, const BuildContext& context) {
  if (const auto* pad = std::get_if<Pad>(&op)) {
    Pad moved = *pad;
    moved.value = std::nearbyint(pad->value / output_code(context).scale);
    return moved;
  }
  if (const auto* pool = std::get_if<Pool2d>(&op)) {
    Pool2d moved = *pool;
    moved.activation = FusedActivation::None;
    return moved;
  }
  return op;
}

bool only_copies(const Op& op) {
  return std::holds_alternative<Reshape>(op) || std::holds_alternative<Squeeze>(op) ||
         std::holds_alternative<ExpandDims>(op) || std::holds_alternative<Identity>(op);
}

}  // namespace

bool has_one_code(const BuildContext& context) {
  const auto out = find_code(*context.outputs[0], nullptr);
  return std::all_of(context.inputs.begin(), context.inputs.end(), [&](const InputDesc& input) {
    if (input.tensor == nullptr) return true;
    const auto in = find_code(*input.tensor, input.weight);
    return !in || !out || *in == *out;
  });
}

tl::unexpected<Error> other_scales() {
  return fail(ErrorKind::Unsupported, "its operands and its result have different scales");
}

OperatorResult make_integer_mover(const Op& op, const BuildContext& context) {
  const bool is_concat = std::holds_alternative<Concat>(op);
  // XNNPACK and the int8 kernel of CONCATENATION refuse other scales.
  const bool rescales = is_concat && !output_code(context).is_signed;
  if (!rescales && !has_one_code(context)) return other_scales();
  if (only_copies(op) && !is_open(context.results[0]))
    return std::make_unique<CodeCopyOperator>(context);
  if (const auto* concat = std::get_if<Concat>(&op);
      concat != nullptr && !is_open(context.results[0])) {
    VP_ASSIGN_OR_RETURN(const int axis,
                        physical_axis(concat->axis, context.results[0].size(), context.layout));
    return std::make_unique<CodeConcatOperator>(as_size(axis), context);
  }
  VP_ASSIGN_OR_RETURN(const Op moved, on_codes(op, context));
  VP_ASSIGN_OR_RETURN(
      auto inner,
      std::visit([&](const auto& known) { return build_operator(known, context); }, moved));
  auto result = std::make_unique<CodeMoverOperator>(std::move(inner), context);
  if (const auto* pool = std::get_if<Pool2d>(&op)) {
    result->set_bounds(
        activation_codes(pool->activation, output_code(context), is_xnnpack(context)));
  }
  for (std::size_t i = 0; is_concat && i < context.inputs.size(); ++i) {
    const TensorCode in = input_code(context, i);
    if (!(in == output_code(context))) result->set_table(i, rescaled(in, output_code(context)));
  }
  return result;
}

}  // namespace visionpress
