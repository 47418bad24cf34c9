#include "codecs/linear.h"

#include <algorithm>
#include <array>
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

/// The codes that one form has, and how values become them.
struct Grid {
  bool is_signed = false;
  int top = 255;  ///< the largest code; the least is 0, of signed codes -top
  bool ties_away = false;
  int threads = 1;
};

/// errors: InvalidArgument for a number of bits that the family does not have, and for blocks.
Result<Grid> make_grid(const Form& form, const EncodeOptions& options) {
  const int least_bits = form.is_signed ? 2 : 1;  // the signed codes of 1 bit are -1 and 0
  if (form.encoding != Encoding::Linear || form.bits < least_bits || form.bits > 8) {
    return fail(ErrorKind::InvalidArgument, "linear codes have {}..8 bits, not those of {}",
                least_bits, name_of(form));
  }
  if (form.granularity == Granularity::Block) {
    return fail(ErrorKind::InvalidArgument, "linear codes are not made in blocks ({})",
                name_of(form));
  }
  const int value_bits = form.is_signed ? form.bits - 1 : form.bits;
  return Grid{.is_signed = form.is_signed,
              .top = (1 << value_bits) - 1,
              .ties_away = options.ties_away,
              .threads = options.threads};
}

Result<AxisSplit> read_layout(const Shape& shape, const Form& form, const EncodeOptions& options) {
  // A scale for every element of a vector would take more room than the floats.
  if (form.granularity == Granularity::Tensor || shape.size() <= 1) {
    return AxisSplit{1, 1, static_cast<std::size_t>(element_count(shape).value_or(0))};
  }
  if (options.channel_axis < 0 || static_cast<std::size_t>(options.channel_axis) >= shape.size()) {
    return fail(ErrorKind::InvalidArgument, "channel axis {} of shape {}", options.channel_axis,
                to_string(shape));
  }
  return split_at(shape, static_cast<std::size_t>(options.channel_axis));
}

// Encode.

/// Why a channel could not be encoded.
enum class Fault : std::uint8_t { None, NotFinite, TooWide };

/// Everything about one channel except its codes.
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

/// Chooses the step of a channel whose values span `range`, so that both ends are exact apart from
/// rounding.
void choose_step(const ValueRange& range, const Grid& grid, Channel* channel) {
  if (!range.finite) {
    channel->fault = Fault::NotFinite;
    return;
  }
  const double min = range.min;
  const double max = range.max;
  // The step is a normal float, so that its reciprocal is one too. Narrower channels lose no more
  // than a float32 product would lose.
  constexpr double kSmallestStep = std::numeric_limits<float>::min();
  // A step that was rounded up may put its last code beyond the largest float.
  constexpr double kWidest = static_cast<double>(std::numeric_limits<float>::max()) / 2.0;
  const double magnitude = std::max(-min, max);
  if ((grid.is_signed ? magnitude : max - min) > kWidest) {
    channel->fault = Fault::TooWide;
    return;
  }
  if (grid.is_signed) {
    channel->step.is_signed = true;
    if (magnitude > 0.0) {
      channel->step.scale = static_cast<float>(std::max(magnitude / grid.top, kSmallestStep));
    }
    return;
  }
  channel->step.offset = range.min;
  // A constant channel keeps scale 1: every code is 0 and decodes to the offset.
  if (max > min) {
    channel->step.scale = static_cast<float>(std::max((max - min) / grid.top, kSmallestStep));
  }
}

/// Moves codes of values halfway between two steps away from zero, where the encoders chose the
/// even one. The loss stays the same. Like encode_linear, it multiplies by the step's reciprocal.
void turn_ties_away(FloatView values, const Grid& grid, const LinearStep& step,
                    MutableBytes codes) {
  const float reciprocal = 1.0F / step.scale;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const float position = (values[i] - step.offset) * reciprocal;
    if (std::abs(position - std::trunc(position)) != 0.5F) continue;
    const float away = std::trunc(position) + std::copysign(1.0F, position);
    const int least = grid.is_signed ? -grid.top : 0;
    codes[i] = static_cast<std::byte>(std::clamp(static_cast<int>(away), least, grid.top));
  }
}

/// Range, step, codes and sums of one contiguous channel, piece by piece.
void encode_channel(FloatView values, const Grid& grid, MutableBytes codes, Channel* channel) {
  choose_step(find_range(values), grid, channel);
  if (channel->fault != Fault::None) return;
  for (std::size_t begin = 0; begin < values.size(); begin += kSumPiece) {
    const std::size_t count = std::min(kSumPiece, values.size() - begin);
    channel->sums.add(
        encode_linear(values.subview(begin, count), channel->step, codes.subspan(begin, count)));
  }
  if (grid.ties_away) turn_ties_away(values, grid, channel->step, codes);
}

/// Does the same as encode_channel, with the pieces divided among threads.
void encode_one_channel(FloatView values, const Grid& grid, MutableBytes codes, Channel* channel) {
  const std::size_t piece_count = (values.size() + kSumPiece - 1) / kSumPiece;
  const auto piece_size = [&](std::size_t i) {
    return std::min(kSumPiece, values.size() - i * kSumPiece);
  };
  std::vector<ValueRange> ranges(piece_count);
  parallel_for(piece_count, grid.threads, [&](std::size_t i) {
    ranges[i] = find_range(values.subview(i * kSumPiece, piece_size(i)));
  });
  ValueRange range = ranges.empty() ? ValueRange{} : ranges[0];
  for (const ValueRange& next : ranges) join_range(next, &range);
  choose_step(range, grid, channel);
  if (channel->fault != Fault::None) return;
  std::vector<ErrorSums> sums(piece_count);
  parallel_for(piece_count, grid.threads, [&](std::size_t i) {
    sums[i] = encode_linear(values.subview(i * kSumPiece, piece_size(i)), channel->step,
                            codes.subspan(i * kSumPiece, piece_size(i)));
    if (grid.ties_away) {
      turn_ties_away(values.subview(i * kSumPiece, piece_size(i)), grid, channel->step,
                     codes.subspan(i * kSumPiece, piece_size(i)));
    }
  });
  for (const ErrorSums& next : sums) channel->sums.add(next);
}

/// Gathers a channel whose values are not contiguous, encodes it and scatters its codes, with the
/// same arithmetic as for contiguous channels.
void encode_strided_channel(FloatView weights, const AxisSplit& layout, std::size_t index,
                            const Grid& grid, MutableBytes codes, Channel* channel) {
  std::vector<float> values(layout.outer * layout.inner);
  ByteBuffer own_codes(values.size());
  for (std::size_t o = 0; o < layout.outer; ++o) {
    const std::size_t from = (o * layout.channels + index) * layout.inner;
    for (std::size_t i = 0; i < layout.inner; ++i) values[o * layout.inner + i] = weights[from + i];
  }
  encode_channel(values, grid, own_codes, channel);
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

/// Collects the code and its loss. channel_axis: 0 where there is one channel.
WeightCode collect_code(const std::vector<Channel>& channels, const Form& form, int channel_axis,
                        EncodeError* error) {
  WeightCode code;
  code.encoding = Encoding::Linear;
  code.bits = form.bits;
  code.is_signed = form.is_signed;
  code.axis = channel_axis;
  ErrorSums sums;
  double max_steps = 0.0;
  for (const Channel& channel : channels) {
    code.scales.push_back(channel.step.scale);
    if (!form.is_signed) code.offsets.push_back(channel.step.offset);
    sums.add(channel.sums);
    max_steps = std::max(max_steps, static_cast<double>(channel.sums.max_abs) /
                                        static_cast<double>(channel.step.scale));
  }
  if (error != nullptr) *error = make_encode_error(sums, max_steps);
  return code;
}

Result<EncodedWeight> encode_to_linear(FloatView weights, const Shape& shape, const Form& form,
                                       const EncodeOptions& options) {
  VP_ASSIGN_OR_RETURN(const Grid grid, make_grid(form, options));
  VP_ASSIGN_OR_RETURN(const std::size_t count, check_encode_input(weights, shape));
  VP_ASSIGN_OR_RETURN(const AxisSplit layout, read_layout(shape, form, options));
  EncodedWeight encoded;
  encoded.shape = shape;
  encoded.codes = ByteBuffer(count);
  const MutableBytes codes = encoded.codes;
  std::vector<Channel> channels(layout.channels);
  if (layout.channels == 1) {
    encode_one_channel(weights, grid, codes, &channels[0]);
  } else {
    const bool contiguous = layout.outer == 1;
    // Waking a thread costs more than a small weight.
    const int threads = count < kSumPiece ? 1 : options.threads;
    parallel_for(layout.channels, threads, [&](std::size_t c) {
      if (contiguous) {
        encode_channel(weights.subview(c * layout.inner, layout.inner), grid,
                       codes.subspan(c * layout.inner, layout.inner), &channels[c]);
      } else {
        encode_strided_channel(weights, layout, c, grid, codes, &channels[c]);
      }
    });
  }
  VP_RETURN_IF_ERROR(check_channels(weights, channels));
  encoded.code =
      collect_code(channels, form, channels.size() > 1 ? options.channel_axis : 0, options.error);
  return encoded;
}

// Decode.

// Largest zero point for which code - zero_point is exact in float32 (24 bits of precision).
constexpr std::int32_t kMaxZeroPoint = (1 << 24) - 256;

// Below this many contiguous elements of one channel, a kernel call costs more than a plain loop.
constexpr std::size_t kShortRun = 16;

LinearStep step_of(const WeightCode& code, std::size_t channel) {
  LinearStep step;
  step.scale = code.scales[channel];
  step.offset = code.offsets.empty() ? 0.0F : code.offsets[channel];
  step.zero_point = code.zero_points.empty() ? 0 : code.zero_points[channel];
  step.is_signed = code.is_signed;
  return step;
}

}  // namespace

Result<void> check_linear(const WeightRef& weight) {
  const WeightCode& code = weight.code;
  if (code.scales.size() != 1) {
    if (code.axis < 0 || static_cast<std::size_t>(code.axis) >= weight.shape.size()) {
      return fail(ErrorKind::Malformed, "{} scales along axis {} of shape {}", code.scales.size(),
                  code.axis, to_string(weight.shape));
    }
    const std::int64_t channels = weight.shape[static_cast<std::size_t>(code.axis)];
    if (static_cast<std::uint64_t>(channels) != code.scales.size()) {
      return fail(ErrorKind::Malformed, "{} scales, axis {} of shape {} needs 1 or {}",
                  code.scales.size(), code.axis, to_string(weight.shape), channels);
    }
  }
  if (!code.offsets.empty() && code.offsets.size() != code.scales.size()) {
    return fail(ErrorKind::Malformed, "{} offsets for {} scales", code.offsets.size(),
                code.scales.size());
  }
  if (!code.zero_points.empty() && code.zero_points.size() != code.scales.size()) {
    return fail(ErrorKind::Malformed, "{} zero points for {} scales", code.zero_points.size(),
                code.scales.size());
  }
  for (const std::int32_t zero_point : code.zero_points) {
    if (zero_point < -kMaxZeroPoint || zero_point > kMaxZeroPoint) {
      return fail(ErrorKind::Malformed, "zero point {} is outside {}..{}", zero_point,
                  -kMaxZeroPoint, kMaxZeroPoint);
    }
  }
  return {};
}

void decode_linear_part(const WeightRef& weight, std::size_t begin, Bytes codes,
                        std::span<float> out) {
  const WeightCode& code = weight.code;
  if (code.scales.size() == 1) return decode_linear(codes, step_of(code, 0), out);
  const std::size_t inner = split_at(weight.shape, static_cast<std::size_t>(code.axis)).inner;
  for (std::size_t done = 0; done < out.size();) {
    const std::size_t at = begin + done;
    // A run ends where its channel ends, since the next channel has another step.
    const std::size_t run = std::min(inner - at % inner, out.size() - done);
    const LinearStep step = step_of(code, at / inner % code.scales.size());
    if (run < kShortRun) {
      decode_linear_ref(codes.subspan(done, run), step, out.subspan(done, run));
    } else {
      decode_linear(codes.subspan(done, run), step, out.subspan(done, run));
    }
    done += run;
  }
}

Family linear_family() {
  static const std::array offered = {
      OfferedForm{
          .form = {.encoding = Encoding::Linear, .bits = 8, .granularity = Granularity::Channel},
          .help = "8-bit codes, one scale per output channel: a quarter of the size"},
      OfferedForm{
          .form = {.encoding = Encoding::Linear, .bits = 8, .granularity = Granularity::Tensor},
          .help = "8-bit codes, one scale per weight: as older tools wrote them"},
  };
  return {
      .name = "linear",
      .encoding = Encoding::Linear,
      .least_bits = 1,
      .most_bits = 8,
      .min_elements = 1024,
      .offered = offered,
      .encode = encode_to_linear,
  };
}

}  // namespace visionpress
