#include "codecs/sum_rounding.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/tap_errors.h"

namespace visionpress {
namespace {

/// Half a step, and what sums of thousands of float32 errors may be off by.
constexpr double kMostSum = 0.5 + 1e-4;

struct Change {
  float cost = 0.0F;
  std::size_t input = 0;

  bool operator<(const Change& other) const {
    return cost != other.cost ? cost < other.cost : input < other.input;
  }
};

/// The `count` cheapest changes; of equal ones those of the first inputs.
std::vector<Change> find_cheapest(const std::vector<float>& costs, std::size_t count) {
  std::vector<Change> heap;  // the most expensive one in front
  float limit = std::numeric_limits<float>::infinity();
  for (std::size_t i = 0; i < costs.size(); ++i) {
    if (!(costs[i] < limit)) continue;
    if (heap.size() == count) {
      std::pop_heap(heap.begin(), heap.end());
      heap.pop_back();
    }
    heap.push_back({costs[i], i});
    std::push_heap(heap.begin(), heap.end());
    if (heap.size() == count) limit = heap.front().cost;
  }
  return heap;
}

/// Makes the channel's errors add up to at most half a step.
void cancel_over_inputs(const TapErrors& errors, const TapLayout& layout, MutableBytes codes) {
  double sum = 0.0;
  for (const float each : errors.sums) sum += static_cast<double>(each);
  const double excess =
      std::min(std::ceil(std::fabs(sum) - kMostSum), static_cast<double>(layout.inputs));
  if (!(excess > 0.0)) return;
  const bool raises = sum < 0.0;
  const std::vector<std::int32_t>& taps = raises ? errors.up_taps : errors.down_taps;
  for (const Change& change : find_cheapest(raises ? errors.up_costs : errors.down_costs,
                                            static_cast<std::size_t>(excess))) {
    std::byte& code = codes[static_cast<std::size_t>(taps[change.input]) * layout.tap_stride +
                            change.input * layout.input_stride];
    const int now = std::to_integer<int>(code) + (raises ? 1 : -1);
    code = static_cast<std::byte>(now & 0xff);
  }
}

}  // namespace

void encode_cancelling(FloatView values, const ChannelTaps& taps, const LinearStep& step,
                       MutableBytes codes) {
  TapLayout layout;
  layout.height = taps.height;
  layout.width = taps.width;
  layout.inputs = taps.inputs;
  layout.tap_stride = taps.inputs_last ? layout.inputs : 1;
  layout.input_stride = taps.inputs_last ? 1 : layout.taps();
  const TapErrors errors = cancel_tap_errors(values, step, layout, codes);
  cancel_over_inputs(errors, layout, codes);
}

}  // namespace visionpress
