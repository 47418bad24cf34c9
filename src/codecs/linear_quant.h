#pragma once

#include "codecs/scheme.h"

namespace visionpress {

/// Codes of 8 bits, one scale an output channel (and an offset, unless EncodeOptions::symmetric).
extern const Scheme kLinear8Scheme;

/// The same with one scale for the whole weight.
extern const Scheme kLinear8TensorScheme;

}  // namespace visionpress
