#pragma once

#include "formats/onnx/onnx_lowering.h"

namespace visionpress::onnx {

/// Says of each weight why the writer cannot replace it (Weight::fixed_because).
void mark_fixed(Lowering& lowering);

}  // namespace visionpress::onnx
