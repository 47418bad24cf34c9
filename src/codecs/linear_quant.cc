#include "codecs/linear_quant.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/error.h"
#include "base/parallel.h"
#include "codecs/encode_error.h"
#include "kernels/weight_codes.h"

namespace visionpress {
namespace {

// Options.

Result<AxisSplit> read_layout(const Shape& shape, const EncodeOptions& options) {
  // A scale for every element of a vector would take more room than the floats.
  if (!options.per_channel || shape.size() <= 1) {
    return AxisSplit{1, 1, static_cast<std::size_t>(element_count(shape).value_or(0))};
  }
  if (options.channel_axis < 0 || static_cast<std::size_t>(options.channel_axis) >= shape.size()) {
    return fail(ErrorKind::InvalidArgument, "channel axis {} of shape {}", options.channel_axis,
                to_string(shape));
  }
  return split_at(shape, static_cast<std::size_t>(options.channel_axis));
}

// Outline.

WeightCode outline_linear(const Shape& shape, const EncodeOptions& options) {
  const auto layout = read_layout(shape, options);
  const std::size_t channels = layout ? layout->channels : 1;
  WeightCode code;
  code.encoding = Encoding::Linear;
  code.bits = 8;
  code.is_signed = options.symmetric;
  code.axis = channels > 1 ? options.channel_axis : 0;
  code.scales.assign(channels, 1.0F);
  if (!options.symmetric) code.offsets.assign(channels, 0.0F);
  return code;
}

WeightCode outline_linear_tensor(const Shape& shape, const EncodeOptions& options) {
  EncodeOptions whole = options;
  whole.per_channel = false;
  return outline_linear(shape, whole);
}

// Encode.

/// Why a channel could not be encoded.
enum class Fault : std::uint8_t { None, NotFinite, TooWide };

/// Everything about one channel that is not its codes.
struct Channel {
  LinearStep step = {};
  ErrorSums sums = {};
  Fault fault = Fault::None;
};

void join_range(const ValueRange& next, ValueRange* range) {
  range->min = std::min(range->min, next.min);
  range->max = std::max(range->max, next.max);
  range->finite = range->finite && next.finite;
}

/// The step of a channel whose values span `range`, so that the ends are exact but for rounding.
void choose_step(const ValueRange& range, bool symmetric, Channel* channel) {
  if (!range.finite) {
    channel->fault = Fault::NotFinite;
    return;
  }
  const double min = range.min;
  const double max = range.max;
  // A step is a normal float: its reciprocal is then one too. Narrower channels lose nothing that
  // a float32 product would not lose.
  constexpr double kSmallestStep = std::numeric_limits<float>::min();
  // A step that was rounded up may lead its last code past the largest float.
  constexpr double kWidest = static_cast<double>(std::numeric_limits<float>::max()) / 2.0;
  const double magnitude = std::max(-min, max);
  if ((symmetric ? magnitude : max - min) > kWidest) {
    channel->fault = Fault::TooWide;
    return;
  }
  if (symmetric) {
    channel->step.is_signed = true;
    if (magnitude > 0.0) {
      channel->step.scale = static_cast<float>(std::max(magnitude / 127.0, kSmallestStep));
    }
    return;
  }
  channel->step.offset = range.min;
  // A constant channel keeps scale 1: every code is 0 and decodes to the offset.
  if (max > min) {
    channel->step.scale = static_cast<float>(std::max((max - min) / 255.0, kSmallestStep));
  }
}

/// Turns codes of values halfway between two steps away from zero; the encoders went to the even
/// one. What is lost stays the same. As encode_linear, from products with the step's reciprocal.
void turn_ties_away(FloatView values, const LinearStep& step, MutableBytes codes) {
  const float reciprocal = 1.0F / step.scale;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const float position = (values[i] - step.offset) * reciprocal;
    if (std::abs(position - std::trunc(position)) != 0.5F) continue;
    const float away = std::trunc(position) + std::copysign(1.0F, position);
    const float least = step.is_signed ? -127.0F : 0.0F;
    const float most = step.is_signed ? 127.0F : 255.0F;
    codes[i] = static_cast<std::byte>(static_cast<int>(std::clamp(away, least, most)));
  }
}

/// Range, step, codes and sums of one contiguous channel, piece by piece.
void encode_channel(FloatView values, const EncodeOptions& options, MutableBytes codes,
                    Channel* channel) {
  choose_step(find_range(values), options.symmetric, channel);
  if (channel->fault != Fault::None) return;
  for (std::size_t begin = 0; begin < values.size(); begin += kSumPiece) {
    const std::size_t count = std::min(kSumPiece, values.size() - begin);
    channel->sums.add(
        encode_linear(values.subview(begin, count), channel->step, codes.subspan(begin, count)));
  }
  if (options.ties_away) turn_ties_away(values, channel->step, codes);
}

/// As encode_channel, with the pieces shared out among threads.
void encode_one_channel(FloatView values, const EncodeOptions& options, MutableBytes codes,
                        Channel* channel) {
  const std::size_t piece_count = (values.size() + kSumPiece - 1) / kSumPiece;
  const auto piece_size = [&](std::size_t i) {
    return std::min(kSumPiece, values.size() - i * kSumPiece);
  };
  std::vector<ValueRange> ranges(piece_count);
  parallel_for(piece_count, options.threads, [&](std::size_t i) {
    ranges[i] = find_range(values.subview(i * kSumPiece, piece_size(i)));
  });
  ValueRange range = ranges.empty() ? ValueRange{} : ranges[0];
  for (const ValueRange& next : ranges) join_range(next, &range);
  choose_step(range, options.symmetric, channel);
  if (channel->fault != Fault::None) return;
  std::vector<ErrorSums> sums(piece_count);
  parallel_for(piece_count, options.threads, [&](std::size_t i) {
    sums[i] = encode_linear(values.subview(i * kSumPiece, piece_size(i)), channel->step,
                            codes.subspan(i * kSumPiece, piece_size(i)));
    if (options.ties_away) {
      turn_ties_away(values.subview(i * kSumPiece, piece_size(i)), channel->step,
                     codes.subspan(i * kSumPiece, piece_size(i)));
    }
  });
  for (const ErrorSums& next : sums) channel->sums.add(next);
}

/// A channel whose values do not lie together is gathered, encoded and scattered: the same
/// arithmetic as for contiguous ones.
void encode_strided_channel(FloatView weights, const AxisSplit& layout, std::size_t index,
                            const EncodeOptions& options, MutableBytes codes, Channel* channel) {
  std::vector<float> values(layout.outer * layout.inner);
  ByteBuffer own_codes(values.size());
  for (std::size_t o = 0; o < layout.outer; ++o) {
    const std::size_t from = (o * layout.channels + index) * layout.inner;
    for (std::size_t i = 0; i < layout.inner; ++i) values[o * layout.inner + i] = weights[from + i];
  }
  encode_channel(values, options, own_codes, channel);
  if (channel->fault != Fault::None) return;
  for (std::size_t o = 0; o < layout.outer; ++o) {
    const std::size_t to = (o * layout.channels + index) * layout.inner;
    std::copy_n(own_codes.begin() + static_cast<std::ptrdiff_t>(o * layout.inner), layout.inner,
                codes.begin() + static_cast<std::ptrdiff_t>(to));
  }
}

Result<void> check_channels(FloatView weights, const std::vector<Channel>& channels) {
  for (std::size_t c = 0; c < channels.size(); ++c) {
    if (channels[c].fault == Fault::NotFinite) return fail_not_finite(weights);
    if (channels[c].fault == Fault::TooWide) {
      return fail(ErrorKind::InvalidArgument,
                  "the values of channel {} reach over more than half of the largest float32", c);
    }
  }
  return {};
}

void fill_result(const std::vector<Channel>& channels, const EncodeOptions& options,
                 EncodedWeight* encoded) {
  WeightCode& code = encoded->code;
  code.encoding = Encoding::Linear;
  code.bits = 8;
  code.is_signed = options.symmetric;
  code.axis = channels.size() > 1 ? options.channel_axis : 0;
  ErrorSums sums;
  double max_steps = 0.0;
  for (const Channel& channel : channels) {
    code.scales.push_back(channel.step.scale);
    if (!options.symmetric) code.offsets.push_back(channel.step.offset);
    sums.add(channel.sums);
    max_steps = std::max(max_steps, static_cast<double>(channel.sums.max_abs) /
                                        static_cast<double>(channel.step.scale));
  }
  if (options.error != nullptr) *options.error = make_encode_error(sums, max_steps);
}

Result<EncodedWeight> encode_linear8(FloatView weights, const Shape& shape,
                                     const EncodeOptions& options) {
  VP_ASSIGN_OR_RETURN(const std::size_t count, check_encode_input(weights, shape));
  VP_ASSIGN_OR_RETURN(const AxisSplit layout, read_layout(shape, options));
  EncodedWeight encoded;
  encoded.shape = shape;
  encoded.codes = ByteBuffer(count);
  const MutableBytes codes = encoded.codes;
  std::vector<Channel> channels(layout.channels);
  if (layout.channels == 1) {
    encode_one_channel(weights, options, codes, &channels[0]);
  } else {
    const bool contiguous = layout.outer == 1;
    // Waking a thread costs more than a small weight.
    const int threads = count < kSumPiece ? 1 : options.threads;
    parallel_for(layout.channels, threads, [&](std::size_t c) {
      if (contiguous) {
        encode_channel(weights.subview(c * layout.inner, layout.inner), options,
                       codes.subspan(c * layout.inner, layout.inner), &channels[c]);
      } else {
        encode_strided_channel(weights, layout, c, options, codes, &channels[c]);
      }
    });
  }
  VP_RETURN_IF_ERROR(check_channels(weights, channels));
  fill_result(channels, options, &encoded);
  return encoded;
}

Result<EncodedWeight> encode_linear8_tensor(FloatView weights, const Shape& shape,
                                            const EncodeOptions& options) {
  EncodeOptions whole = options;
  whole.per_channel = false;
  return encode_linear8(weights, shape, whole);
}

// Decode: decode_weight (decode.h), Encoding::Linear.

}  // namespace

Scheme linear8_scheme() {
  return {
      .name = "linear-8",
      .help = "8-bit codes, one scale per output channel: a quarter of the size",
      .bits = 8,
      .floating = false,
      .min_elements = 1024,
      .encode = encode_linear8,
      .outline = outline_linear,
  };
}

Scheme linear8_tensor_scheme() {
  return {
      .name = "linear-8-tensor",
      .help = "8-bit codes, one scale per weight: as older tools wrote them",
      .bits = 8,
      .floating = false,
      .min_elements = 1024,
      .encode = encode_linear8_tensor,
      .outline = outline_linear_tensor,
  };
}

}  // namespace visionpress
