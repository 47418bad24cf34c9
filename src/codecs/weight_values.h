#pragma once

// What single channels of a weight lose.

#include "base/float_view.h"
#include "model/weight.h"
#include "visionpress/result.h"

namespace visionpress {

/// What one figure for a whole weight hides: the largest channel drowns the others in it.
struct ChannelError {
  double median_snr_db = 0.0;  ///< over the channels that hold more than zeros
  double lost_share = 0.0;  ///< of the values but 0: those that err by more than half of themselves
};

/// Compares channel by channel along `channel_axis` of encoded.shape; a vector is one channel.
/// encoded: Whole codes.  errors: as measure_error.
[[nodiscard]] Result<ChannelError> measure_channels(FloatView weights, const WeightRef& encoded,
                                                    int channel_axis, int threads);

}  // namespace visionpress
