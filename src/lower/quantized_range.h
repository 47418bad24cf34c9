#pragma once

// The range that simulated quantization (FakeQuant) rounds to.

namespace visionpress {

/// Values low, low + step, .. high, of which one is 0.
struct QuantizedRange {
  float low = 0.0F;
  float high = 0.0F;
  float step = 1.0F;
};

/// Moves low..high so that 0 is one of its values. bits: 2..16; is_narrow: without the lowest code.
/// source: tensorflow/core/kernels/fake_quant_ops_functor.h, Nudge; TFLite has the same.
[[nodiscard]] QuantizedRange nudge_range(float low, float high, int bits, bool is_narrow);

}  // namespace visionpress
