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

std::size_t count_saturated(FloatView weights) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (std::fabs(weights[i]) > kHalfMax) ++count;
  }
  return count;
}

/// Largest |w - decoded| / scale of a Linear weight.
double find_max_steps(FloatView weights, const WeightRef& encoded, std::span<const float> decoded) {
  const WeightCode& code = encoded.code;
  std::size_t inner = 1;
  for (std::size_t i = static_cast<std::size_t>(std::max(code.axis, 0)) + 1;
       i < encoded.shape.size(); ++i) {
    inner *= static_cast<std::size_t>(encoded.shape[i]);
  }
  std::vector<float> max_abs(code.scales.size(), 0.0F);
  for (std::size_t i = 0; i < weights.size(); ++i) {
    float& largest = max_abs[code.scales.size() == 1 ? 0 : i / inner % code.scales.size()];
    largest = std::max(largest, std::fabs(weights[i] - decoded[i]));
  }
  double steps = 0.0;
  for (std::size_t c = 0; c < max_abs.size(); ++c) {
    steps = std::max(
        steps, static_cast<double>(max_abs[c]) / std::fabs(static_cast<double>(code.scales[c])));
  }
  return steps;
}

}  // namespace

Result<EncodeError> measure_error(FloatView weights, const WeightRef& encoded, int threads) {
  VP_ASSIGN_OR_RETURN(const std::vector<float> decoded, load_weight(encoded, threads));
  if (decoded.size() != weights.size()) {
    return fail(ErrorKind::InvalidArgument, "{} values compared with a weight of shape {}",
                weights.size(), to_string(encoded.shape));
  }
  std::vector<ErrorSums> pieces((weights.size() + kSumPiece - 1) / kSumPiece);
  parallel_for(pieces.size(), threads, [&](std::size_t i) {
    const std::size_t begin = i * kSumPiece;
    const std::size_t count = std::min(kSumPiece, weights.size() - begin);
    pieces[i] =
        compare_values(weights.subview(begin, count), std::span(decoded).subspan(begin, count));
  });
  ErrorSums sums;
  for (const ErrorSums& piece : pieces) sums.add(piece);
  switch (encoded.code.encoding) {
    case Encoding::Float16:
      sums.saturated = count_saturated(weights);
      return make_encode_error(sums, static_cast<double>(sums.max_steps));
    case Encoding::Linear:
      return make_encode_error(sums, find_max_steps(weights, encoded, decoded));
    case Encoding::Float32:
    case Encoding::Table:
      break;
  }
  return make_encode_error(sums, 0.0);
}

}  // namespace visionpress
