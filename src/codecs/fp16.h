#pragma once

#include "codecs/scheme.h"

namespace visionpress {

/// IEEE halves, rounded to nearest, ties to even. Values beyond +-65504 become +-65504, as in
/// TensorFlow Lite's converter: an infinite weight would make every output NaN.
[[nodiscard]] Scheme fp16_scheme();

}  // namespace visionpress
