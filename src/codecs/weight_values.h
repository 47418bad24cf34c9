#pragma once

// The loss of single channels of a weight.

#include "base/float_view.h"
#include "model/weight.h"
#include "visionpress/result.h"

namespace visionpress {

/// Figures that one SNR for a whole weight would hide: its largest channel dominates that SNR.
struct ChannelError {
  double median_snr_db = 0.0;  ///< over the channels that hold more than zeros
  double lost_share = 0.0;  ///< share of the non-zero values whose error exceeds half of the value
};

/// Compares channel by channel along `channel_axis` of encoded.shape; a vector is one channel.
/// encoded: Whole codes.  errors: as measure_error.
[[nodiscard]] Result<ChannelError> measure_channels(FloatView weights, const WeightRef& encoded,
                                                    int channel_axis, int threads);

}  // namespace visionpress
