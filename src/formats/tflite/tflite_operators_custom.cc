// Custom operators, whose options are the bytes of a C structure of their kernel.

#include <algorithm>
#include <array>
#include <utility>

#include "base/bytes.h"
#include "base/error.h"
#include "formats/tflite/tflite_operands.h"

namespace visionpress::tflite {
namespace {

// TfLitePadding, in the structures of options.
constexpr std::int32_t kSame = 1;
constexpr std::int32_t kValid = 2;

/// The first `count` numbers of the operator's options; nothing if they are shorter.
template <std::size_t count>
std::optional<std::array<std::int32_t, count>> read_options(const TfliteOperator& source) {
  const auto* options = source.table.custom_options();
  if (options == nullptr || options->size() < count * sizeof(std::int32_t)) return std::nullopt;
  const Bytes bytes = view_vector(options);
  std::array<std::int32_t, count> numbers = {};
  for (std::size_t i = 0; i < count; ++i)
    numbers[i] = load_le<std::int32_t>(bytes, i * sizeof(std::int32_t));
  return numbers;
}

/// A transposed convolution whose result is as small as its input's last pixel allows.
/// inputs: x, kernel [out, H, W, in], bias. options: padding, stride of width, stride of height.
/// source: mediapipe/util/tflite/operations/transpose_conv_bias.cc.
Lowered lower_transpose_conv_bias(const TfliteOperator& source) {
  VP_RETURN_IF_ERROR(check_operand_counts(source, 3, 1));
  VP_RETURN_IF_ERROR(check_image(source, 0));
  VP_RETURN_IF_ERROR(check_image(source, 1));
  const auto options = read_options<3>(source);
  if (!options || ((*options)[0] != kSame && (*options)[0] != kValid))
    return unsupported(source, "its options are not those of MediaPipe's operator");
  VP_RETURN_IF_ERROR(check_positive(source, "stride", std::min((*options)[1], (*options)[2])));
  const Shape& x = find_input(source, 0)->shape;
  const Tensor& kernel = *find_input(source, 1);
  if (!kernel.is_constant()) return unsupported(source, "its kernel is computed");
  Conv2d conv;
  conv.transposed = true;
  conv.kernel_layout = KernelLayout::Ohwi;
  conv.stride = {(*options)[2], (*options)[1]};
  for (std::size_t a = 0; a < 2; ++a) {
    const std::int64_t size = x[a + 1];
    if ((*options)[0] == kValid) continue;
    if (size < 1) return unsupported(source, "its padding depends on an open size");
    const std::int64_t cut =
        std::max<std::int64_t>(0, kernel.shape[a + 1] - (size - 1) % conv.stride[a] - 1);
    conv.padding.before[a] = cut / 2;
    conv.padding.after[a] = cut - cut / 2;
  }
  return lowered(conv, source.inputs);
}

struct CustomRow {
  std::string_view name;
  Lowered (*lower)(const TfliteOperator& source);
};
constexpr auto kCustom = std::to_array<CustomRow>({
    {"Convolution2DTransposeBias", lower_transpose_conv_bias},
});

}  // namespace

Lowered lower_custom(const TfliteOperator& source) {
  const auto* row = std::ranges::find(kCustom, source.type, &CustomRow::name);
  if (row == kCustom.end()) return unsupported(source, "there is no kernel for this operator");
  return row->lower(source);
}

}  // namespace visionpress::tflite
