#pragma once

#include "codecs/scheme.h"

namespace visionpress {

/// Codes of 8 bits, one scale an output channel (and an offset, unless EncodeOptions::symmetric).
[[nodiscard]] Scheme linear8_scheme();

/// The same with one scale for the whole weight.
[[nodiscard]] Scheme linear8_tensor_scheme();

}  // namespace visionpress
