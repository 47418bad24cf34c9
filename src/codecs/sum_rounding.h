#pragma once

// Rounding whose errors cancel: first among the taps of one input, then over the inputs of a
// channel.
//
// A channel's result is the sum of weight * input. Inputs behind a ReLU have a positive mean and
// neighbouring pixels are alike, so what a rounding costs is less the size of its errors than their
// sum.

#include "base/float_view.h"
#include "kernels/weight_codes.h"
#include "model/kernel_axes.h"

namespace visionpress {

/// Encodes one channel to codes that are next to the values. It starts from the nearest codes and
/// changes some to the other neighbour:
/// 1. within each input, until no change lowers the error that correlated pixels would cause
///    (kernels/tap_errors.h);
/// 2. then over the inputs, the cheapest changes and at most one per input, until the errors of the
///    channel add up to at most half a step.
/// Values beyond the grid's ends keep the last code; their errors count in the sums.
/// values: of one channel, finite, as many as `taps` has.  step: as encode_linear takes it.
void encode_cancelling(FloatView values, const ChannelTaps& taps, const LinearStep& step,
                       MutableBytes codes);

}  // namespace visionpress
