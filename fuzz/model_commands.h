#pragma once

// What a user does with a model file, on any bytes: inspect (which plans every scheme), compress by
// each of them and read back, run on one image, convert. The fuzzers of the formats call it.

#include "base/bytes.h"

namespace visionpress {

/// extension: of the format that the input begins as, with its dot.
void run_commands(Bytes model, const char* extension);

}  // namespace visionpress
