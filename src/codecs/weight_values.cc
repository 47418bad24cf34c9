#include "codecs/weight_values.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <span>
#include <vector>

#include "base/error.h"
#include "base/parallel.h"
#include "codecs/decode.h"
#include "codecs/encode_error.h"
#include "kernels/weight_codes.h"

namespace visionpress {
namespace {

constexpr std::size_t kLanes = 8;
using Lanes = std::array<double, kLanes>;

double total_of(const Lanes& lanes) { return std::accumulate(lanes.begin(), lanes.end(), 0.0); }

/// Sums of one channel. Its k-th element belongs to lane k % kLanes, whatever lies between the
/// elements: the compiler keeps lanes in vectors, and the sums are the same for every layout.
struct ChannelSums {
  Lanes signal = {};
  Lanes noise = {};
  std::size_t count = 0;
  std::size_t nonzero = 0;
  std::size_t lost = 0;

  void add(float value, float decoded) {
    const auto w = static_cast<double>(value);
    const double error = w - static_cast<double>(decoded);
    const std::size_t lane = count++ % kLanes;
    signal[lane] += w * w;
    noise[lane] += error * error;
    nonzero += value != 0.0F ? 1U : 0U;
    lost += std::abs(error) > std::abs(w) / 2.0 && value != 0.0F ? 1U : 0U;
  }
};

/// Adds a run of one channel.
void add_run(FloatView weights, std::span<const float> decoded, ChannelSums& channel) {
  std::size_t i = 0;
  for (; i < decoded.size() && channel.count % kLanes != 0; ++i)
    channel.add(weights[i], decoded[i]);
  Lanes signal = channel.signal;
  Lanes noise = channel.noise;
  Lanes nonzero = {};
  Lanes lost = {};
  const std::size_t begin = i;
  for (; i + kLanes <= decoded.size(); i += kLanes) {
#pragma omp simd
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const auto w = static_cast<double>(weights[i + lane]);
      const double error = w - static_cast<double>(decoded[i + lane]);
      signal[lane] += w * w;
      noise[lane] += error * error;
      const double one = w != 0.0 ? 1.0 : 0.0;
      nonzero[lane] += one;
      lost[lane] += std::abs(error) > std::abs(w) / 2.0 ? one : 0.0;
    }
  }
  channel.signal = signal;
  channel.noise = noise;
  channel.count += i - begin;
  channel.nonzero += static_cast<std::size_t>(total_of(nonzero));
  channel.lost += static_cast<std::size_t>(total_of(lost));
  for (; i < decoded.size(); ++i) channel.add(weights[i], decoded[i]);
}

/// Adds elements [begin, begin + count) to their channels' sums; channels repeat every channels *
/// inner.
void add_part(const WeightRef& encoded, FloatView weights, const AxisSplit& layout,
              std::size_t begin, std::size_t count, std::span<ChannelSums> sums) {
  std::array<float, kMaxDecodePart> buffer;  // uninitialised: decode_part writes what is read
  const std::span<float> decoded = std::span(buffer).first(count);
  decode_part(encoded, begin, decoded);
  for (std::size_t done = 0; done < count;) {
    const std::size_t at = begin + done;
    const std::size_t run = std::min(layout.inner - at % layout.inner, count - done);
    ChannelSums& channel = sums[at / layout.inner % layout.channels];
    add_run(weights.subview(at, run), decoded.subspan(done, run), channel);
    done += run;
  }
}

ChannelError summarise(const std::vector<ChannelSums>& channels) {
  std::vector<double> snr;
  std::size_t nonzero = 0;
  std::size_t lost = 0;
  for (const ChannelSums& channel : channels) {
    nonzero += channel.nonzero;
    lost += channel.lost;
    if (channel.nonzero == 0) continue;
    const double noise = total_of(channel.noise);
    snr.push_back(noise > 0.0 ? 10.0 * std::log10(total_of(channel.signal) / noise)
                              : std::numeric_limits<double>::infinity());
  }
  ChannelError error;
  error.median_snr_db = std::numeric_limits<double>::infinity();
  if (!snr.empty()) {
    const auto middle = snr.begin() + static_cast<std::ptrdiff_t>((snr.size() - 1) / 2);
    std::nth_element(snr.begin(), middle, snr.end());
    error.median_snr_db = *middle;
  }
  error.lost_share = nonzero == 0 ? 0.0 : static_cast<double>(lost) / static_cast<double>(nonzero);
  return error;
}

}  // namespace

Result<ChannelError> measure_channels(FloatView weights, const WeightRef& encoded, int channel_axis,
                                      int threads) {
  VP_RETURN_IF_ERROR(check_weight(encoded));
  const auto count = static_cast<std::size_t>(*element_count(encoded.shape));
  if (count != weights.size()) {
    return fail(ErrorKind::InvalidArgument, "{} values compared with a weight of shape {}",
                weights.size(), to_string(encoded.shape));
  }
  AxisSplit layout{1, 1, count};
  const bool inside =
      channel_axis >= 0 && static_cast<std::size_t>(channel_axis) < encoded.shape.size();
  if (inside && encoded.shape.size() > 1 && count > 0) {
    layout = split_at(encoded.shape, static_cast<std::size_t>(channel_axis));
  }
  std::vector<ChannelSums> channels(layout.channels);
  const auto add_range = [&](std::size_t begin, std::size_t end) {
    for (std::size_t at = begin; at < end; at += kMaxDecodePart) {
      add_part(encoded, weights, layout, at, std::min(kMaxDecodePart, end - at), channels);
    }
  };
  if (layout.outer == 1 && layout.channels > 1) {
    // Waking a thread costs more than a small weight.
    parallel_for(layout.channels, count < kSumPiece ? 1 : threads,
                 [&](std::size_t c) { add_range(c * layout.inner, (c + 1) * layout.inner); });
  } else {
    add_range(0, count);
  }
  return summarise(channels);
}

}  // namespace visionpress
