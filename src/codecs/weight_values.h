#pragma once

// What halves would lose of a weight, and what single channels lose.

#include "codecs/scheme.h"

namespace visionpress {

/// What halves would lose, without making them. weights: finite.
[[nodiscard]] EncodeError measure_halves(FloatView weights, int threads);

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
