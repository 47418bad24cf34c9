// Rules of LiteRT's XNNPACK delegate for operators on single values and on windows without a
// kernel. source: LiteRT 2.3.0, tflite/delegates/xnnpack/xnnpack_delegate.cc.

#include <algorithm>
#include <array>
#include <cmath>

#include "formats/tflite/tflite_xnnpack_parts.h"

namespace visionpress::tflite::xnnpack {
namespace {

using Type = tfl::TensorType;

/// The quotient of two scales lies within [least, below).
std::string check_quotient(double quotient, double least, double below, std::string_view what) {
  if (quotient >= least && quotient < below) return {};
  return fmt::format("{} is {:g}, {:g} to {:g} is taken", what, quotient, least, below);
}

std::string check_same_types(const Context& context) {
  const Type type = context.output(0)->type;
  if (context.input(0)->type == type && context.input(1)->type == type) return {};
  return "its inputs and output are of different types";
}

}  // namespace

std::string check_sum(const Context& context) {
  if (std::string why = check_same_types(context); !why.empty()) return why;
  const TensorFacts& out = *context.output(0);
  for (std::size_t i = 0; i < 2 && is_8_bit(out); ++i) {
    const double quotient = context.input(i)->scale() / out.scale();
    if (std::string why = check_quotient(quotient, 1.0 / 1024, 256, "input scale / output scale");
        !why.empty()) {
      return why;
    }
  }
  return check_activation(context);
}

std::string check_product(const Context& context) {
  if (std::string why = check_same_types(context); !why.empty()) return why;
  const TensorFacts& out = *context.output(0);
  if (is_8_bit(out)) {
    const float quotient = context.input(0)->scale() * context.input(1)->scale() / out.scale();
    if (std::string why = check_quotient(quotient, 1.0 / 65536, 256,
                                         "the product of the input scales / output scale");
        !why.empty()) {
      return why;
    }
  }
  return check_activation(context);
}

std::string check_slope(const Context& context) {
  return context.is_known(1) ? std::string() : "its slopes are not constant";
}

std::string check_leaky(const Context& context) {
  const auto* options = context.op.table->builtin_options_as_LeakyReluOptions();
  const float alpha = options == nullptr ? 0.0F : options->alpha();
  if (!std::isnormal(alpha)) return fmt::format("its slope is {:g}", alpha);
  const TensorFacts& in = *context.input(0);
  const TensorFacts& out = *context.output(0);
  if (!is_8_bit(in) || !is_8_bit(out)) return {};
  const float positive = in.scale() / out.scale();
  if (!(positive >= 1.0F / 256 && positive <= 128)) {
    return fmt::format("input scale / output scale is {:g}", positive);
  }
  const float negative = positive * alpha;
  constexpr float kLeast = -127.99609375F;
  if (negative < kLeast || negative > 128 || std::fabs(negative) < 1.0F / 256) {
    return fmt::format("its slope times input scale / output scale is {:g}", negative);
  }
  return {};
}

std::string check_quantize(const Context& context) {
  const TensorFacts& in = *context.input(0);
  const TensorFacts& out = *context.output(0);
  if (!is_8_bit(in)) return {};
  if (in.type != out.type) {
    return fmt::format("it turns {} into {}", name_of_type(in.type), name_of_type(out.type));
  }
  const float quotient = in.scale() / out.scale();
  if (quotient >= 1.0F / 256 && quotient <= 128) return {};
  return fmt::format("input scale / output scale is {:g}", quotient);
}

std::string check_pool(const Context& context) {
  const auto window = find_window(context.op);
  if (!window) return "it has no options";
  const auto [fw, fh, sw, sh] =
      std::array{window->filter_w, window->filter_h, window->stride_w, window->stride_h};
  if (std::min({fw, fh, sw, sh}) <= 0) return "a size or stride of its window is 0 or less";
  if (sw > fw || sh > fh) {
    return fmt::format("its strides {}x{} exceed its window {}x{}", sw, sh, fw, fh);
  }
  if (window->padding != tfl::Padding::SAME && window->padding != tfl::Padding::VALID) {
    return "its padding is unknown";
  }
  return check_activation(context);
}

std::string check_softmax(const Context& context) {
  const auto* options = context.op.table->builtin_options_as_SoftmaxOptions();
  const float beta = options == nullptr ? 0.0F : options->beta();
  return beta == 1.0F ? std::string() : fmt::format("its beta is {:g}", beta);
}

}  // namespace visionpress::tflite::xnnpack
