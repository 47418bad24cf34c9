#pragma once

#include "codecs/family.h"

namespace visionpress {

/// IEEE halves, rounded to nearest, ties to even. Values beyond +-65504 become +-65504, as in
/// TensorFlow Lite's converter: an infinite weight would make every output NaN.
[[nodiscard]] Family fp16_family();

/// Measures the loss of halves without storing them. weights: finite.
[[nodiscard]] EncodeError measure_halves(FloatView weights, int threads);

/// decode_part (decode.h) of a Float16 weight.
void decode_fp16_part(const WeightRef& weight, std::size_t begin, std::span<float> out);

}  // namespace visionpress
