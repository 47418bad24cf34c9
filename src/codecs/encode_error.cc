#include "codecs/encode_error.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "base/error.h"
#include "base/parallel.h"
#include "codecs/decode.h"

namespace visionpress {

EncodeError make_encode_error(const ErrorSums& sums, double max_steps) {
  EncodeError error;
  error.snr_db = sums.noise > 0.0 ? 10.0 * std::log10(sums.signal / sums.noise)
                                  : std::numeric_limits<double>::infinity();
  error.max_abs = static_cast<double>(sums.max_abs);
  error.max_steps = max_steps;
  error.saturated = sums.saturated;
  return error;
}

Result<std::size_t> check_encode_input(FloatView weights, const Shape& shape) {
  const auto count = element_count(shape);
  if (!count || static_cast<std::uint64_t>(*count) != weights.size()) {
    return fail(ErrorKind::InvalidArgument, "{} values do not fill shape {}", weights.size(),
                to_string(shape));
  }
  return weights.size();
}

tl::unexpected<Error> fail_not_finite(FloatView weights) {
  std::size_t index = 0;
  while (index < weights.size() && std::isfinite(weights[index])) ++index;
  return fail(ErrorKind::InvalidArgument, "value {} is {}, expected a finite number", index,
              index < weights.size() ? weights[index] : 0.0F);
}

namespace {

std::size_t count_saturated(FloatView weights, std::span<const float> decoded) {
  const ValueRange range = find_range(decoded);
  if (range.finite && range.min > -kHalfMax && range.max < kHalfMax) return 0;
  std::size_t count = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (std::fabs(weights[i]) > kHalfMax) ++count;
  }
  return count;
}

/// Number of contiguous elements with one scale; all elements where there is one scale.
std::size_t count_inner(const WeightRef& weight) {
  if (weight.code.scales.size() == 1)
    return static_cast<std::size_t>(element_count(weight.shape).value_or(0));
  return split_at(weight.shape, static_cast<std::size_t>(weight.code.axis)).inner;
}

/// Largest |w - decoded| / scale over the part of a Linear weight that begins at `begin`, and its
/// sums.
double compare_runs(const WeightRef& encoded, std::size_t begin, FloatView weights,
                    std::span<const float> decoded, ErrorSums* sums) {
  const WeightCode& code = encoded.code;
  const std::size_t inner = std::max<std::size_t>(count_inner(encoded), 1);
  double max_steps = 0.0;
  for (std::size_t done = 0; done < decoded.size();) {
    const std::size_t at = begin + done;
    const std::size_t run = std::min(inner - at % inner, decoded.size() - done);
    const std::size_t channel = code.scales.size() == 1 ? 0 : at / inner % code.scales.size();
    const ErrorSums next = compare_values(weights.subview(done, run), decoded.subspan(done, run));
    sums->add(next);
    if (next.max_abs > 0.0F) {
      max_steps = std::max(max_steps, static_cast<double>(next.max_abs) /
                                          std::fabs(static_cast<double>(code.scales[channel])));
    }
    done += run;
  }
  return max_steps;
}

}  // namespace

Result<EncodeError> measure_error(FloatView weights, const WeightRef& encoded, int threads) {
  VP_RETURN_IF_ERROR(check_weight(encoded));
  const auto count = static_cast<std::size_t>(*element_count(encoded.shape));
  if (count != weights.size()) {
    return fail(ErrorKind::InvalidArgument, "{} values compared with a weight of shape {}",
                weights.size(), to_string(encoded.shape));
  }
  const Encoding encoding = encoded.code.encoding;
  struct Part {
    ErrorSums sums = {};
    double max_steps = 0.0;
  };
  std::vector<Part> parts((count + kMaxDecodePart - 1) / kMaxDecodePart);
  parallel_for(parts.size(), threads, [&](std::size_t i) {
    const std::size_t begin = i * kMaxDecodePart;
    const std::size_t size = std::min(kMaxDecodePart, count - begin);
    std::array<float, kMaxDecodePart> buffer;  // uninitialised: decode_part writes what is read
    const std::span<float> decoded = std::span(buffer).first(size);
    decode_part(encoded, begin, decoded);
    const FloatView original = weights.subview(begin, size);
    if (encoding == Encoding::Linear) {
      parts[i].max_steps = compare_runs(encoded, begin, original, decoded, &parts[i].sums);
      return;
    }
    parts[i].sums = compare_values(original, decoded);
    if (encoding == Encoding::Float16) {
      parts[i].max_steps = static_cast<double>(parts[i].sums.max_steps);
      parts[i].sums.saturated = count_saturated(original, decoded);
    }
  });
  ErrorSums sums;
  double max_steps = 0.0;
  for (const Part& part : parts) {
    sums.add(part.sums);
    max_steps = std::max(max_steps, part.max_steps);
  }
  return make_encode_error(sums, max_steps);
}

}  // namespace visionpress
