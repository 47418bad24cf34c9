#include "codecs/linear.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/huge_pages.h"
#include "base/parallel.h"
#include "codecs/encode_error.h"
#include "codecs/linear_grid.h"
#include "kernels/weight_codes.h"

namespace visionpress {
namespace {

// Options.

/// The codes that one form has, and how values become them.
struct Grid {
  LinearCodes codes = {};
  bool ties_away = false;
  std::optional<ChannelTaps> taps = std::nullopt;  ///< given: errors are made to cancel
  int threads = 1;

  /// 8 bits span the values. Fewer are fitted to them, since a step costs more there than an
  /// outlier.
  [[nodiscard]] bool is_fitted() const { return codes.bits < 8; }
};

/// errors: InvalidArgument for a number of bits that the family does not have, and for blocks.
Result<Grid> make_grid(const Form& form, const EncodeOptions& options) {
  if (form.encoding != Encoding::Linear || form.bits < 1 || form.bits > 8) {
    return fail(ErrorKind::InvalidArgument, "linear codes have 1..8 bits, not those of {}",
                name_of(form));
  }
  if (form.granularity == Granularity::Block) {
    return fail(ErrorKind::InvalidArgument, "linear codes are not made in blocks ({})",
                name_of(form));
  }
  return Grid{.codes = {.bits = form.bits, .is_signed = form.is_signed},
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

/// The taps of each channel where they are given. errors: InvalidArgument for another number of
/// values than a channel has.
Result<std::optional<ChannelTaps>> check_taps(const EncodeOptions& options,
                                              const AxisSplit& layout) {
  if (!options.taps) return std::nullopt;
  const ChannelTaps& taps = *options.taps;
  if (taps.height * taps.width * taps.inputs != layout.outer * layout.inner) {
    return fail(ErrorKind::InvalidArgument, "{} x {} taps of {} inputs for channels of {} values",
                taps.height, taps.width, taps.inputs, layout.outer * layout.inner);
  }
  return taps;
}

// Encode.

/// Everything about one channel except its codes.
struct Channel {
  GridChoice grid = {};
  ErrorSums sums = {};
};

/// Moves codes of values halfway between two steps away from zero, where the encoders chose the
/// even one. The loss stays the same. Like encode_linear, it multiplies by the step's reciprocal.
void turn_ties_away(FloatView values, const LinearCodes& grid, const LinearStep& step,
                    MutableBytes codes) {
  if (grid.is_sign()) return;  // 0 lies between its two codes, and neither is further away
  const float reciprocal = 1.0F / step.scale;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const float position = (values[i] - step.offset) * reciprocal;
    if (std::abs(position - std::trunc(position)) != 0.5F) continue;
    const float away = std::trunc(position) + std::copysign(1.0F, position);
    codes[i] =
        static_cast<std::byte>(std::clamp(static_cast<int>(away), grid.least(), grid.most()));
  }
}

/// Step, codes and sums of one contiguous channel, piece by piece. The pieces are divided among
/// `threads` threads; the result does not depend on it.
void encode_channel(FloatView values, const Grid& grid, int threads, MutableBytes codes,
                    Channel* channel) {
  channel->grid = grid.is_fitted() ? fit_grid(values, grid.codes, {}, threads)
                                   : span_grid(find_whole_range(values, threads), grid.codes);
  if (channel->grid.fault != GridFault::None) return;
  const LinearStep& step = channel->grid.step;
  if (grid.taps) {
    channel->sums = encode_to_grid(values, grid.codes, step, *grid.taps, codes);
    return;
  }
  std::vector<ErrorSums> sums((values.size() + kSumPiece - 1) / kSumPiece);
  parallel_for(sums.size(), threads, [&](std::size_t i) {
    const std::size_t begin = i * kSumPiece;
    const std::size_t count = std::min(kSumPiece, values.size() - begin);
    const FloatView part = values.subview(begin, count);
    sums[i] = encode_to_grid(part, grid.codes, step, codes.subspan(begin, count));
    if (grid.ties_away) turn_ties_away(part, grid.codes, step, codes.subspan(begin, count));
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
  encode_channel(values, grid, 1, own_codes, channel);
  if (channel->grid.fault != GridFault::None) return;
  for (std::size_t o = 0; o < layout.outer; ++o) {
    const std::size_t to = (o * layout.channels + index) * layout.inner;
    std::copy_n(own_codes.begin() + static_cast<std::ptrdiff_t>(o * layout.inner), layout.inner,
                codes.begin() + static_cast<std::ptrdiff_t>(to));
  }
}

/// "half" for 8 bits, else a part as one over a number.
std::string describe_widest(const LinearCodes& codes) {
  const double share = widest_share(codes);
  return share == 0.5 ? "half" : fmt::format("1/{:.0f}", std::ceil(1.0 / share));
}

Result<void> check_channels(FloatView weights, const Grid& grid,
                            const std::vector<Channel>& channels) {
  for (std::size_t c = 0; c < channels.size(); ++c) {
    if (channels[c].grid.fault == GridFault::NotFinite) return fail_not_finite(weights);
    if (channels[c].grid.fault == GridFault::TooWide) {
      return fail(ErrorKind::InvalidArgument,
                  "the values of channel {} reach over more than {} of the largest float32", c,
                  describe_widest(grid.codes));
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
    const LinearStep& step = channel.grid.step;
    code.scales.push_back(step.scale);
    if (!form.is_signed) code.offsets.push_back(step.offset);
    sums.add(channel.sums);
    max_steps = std::max(
        max_steps, static_cast<double>(channel.sums.max_abs) / static_cast<double>(step.scale));
  }
  if (error != nullptr) *error = make_encode_error(sums, max_steps);
  return code;
}

Result<EncodedWeight> encode_to_linear(FloatView weights, const Shape& shape, const Form& form,
                                       const EncodeOptions& options) {
  VP_ASSIGN_OR_RETURN(Grid grid, make_grid(form, options));
  VP_ASSIGN_OR_RETURN(const std::size_t count, check_encode_input(weights, shape));
  VP_ASSIGN_OR_RETURN(const AxisSplit layout, read_layout(shape, form, options));
  if (grid.is_fitted() && form.granularity == Granularity::Channel) {
    VP_ASSIGN_OR_RETURN(grid.taps, check_taps(options, layout));
  }
  EncodedWeight encoded;
  encoded.shape = shape;
  encoded.codes = ByteBuffer(count);
  wish_huge_pages(encoded.codes);
  const MutableBytes codes = encoded.codes;
  std::vector<Channel> channels(layout.channels);
  if (layout.channels == 1) {
    encode_channel(weights, grid, grid.threads, codes, &channels[0]);
  } else {
    const bool contiguous = layout.outer == 1;
    // Waking a thread costs more than a small weight.
    const int threads = count < kSumPiece ? 1 : options.threads;
    parallel_for(layout.channels, threads, [&](std::size_t c) {
      if (contiguous) {
        encode_channel(weights.subview(c * layout.inner, layout.inner), grid, 1,
                       codes.subspan(c * layout.inner, layout.inner), &channels[c]);
      } else {
        encode_strided_channel(weights, layout, c, grid, codes, &channels[c]);
      }
    });
  }
  VP_RETURN_IF_ERROR(check_channels(weights, grid, channels));
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
  const auto by_channel = [](int bits, std::string_view help) {
    return OfferedForm{
        .form = {.encoding = Encoding::Linear, .bits = bits, .granularity = Granularity::Channel},
        .help = help,
        .is_default = bits == 8};
  };
  static const std::array offered = {
      by_channel(8, "8-bit codes, one scale per output channel: a quarter of the size"),
      OfferedForm{
          .form = {.encoding = Encoding::Linear, .bits = 8, .granularity = Granularity::Tensor},
          .help = "8-bit codes, one scale per weight: as older tools wrote them",
          .is_default = true},
      by_channel(7, "128 levels per output channel, fitted to its values"),
      by_channel(6, "64 levels, likewise"),
      by_channel(5, "32 levels, likewise"),
      by_channel(4, "16 levels, likewise: an eighth of the size"),
      by_channel(3, "8 levels, likewise"),
      by_channel(2, "4 levels, likewise"),
      by_channel(1, "2 levels, likewise"),
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
