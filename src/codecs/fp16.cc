#include "codecs/fp16.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "base/error.h"
#include "base/huge_pages.h"
#include "base/parallel.h"
#include "codecs/encode_error.h"
#include "kernels/weight_codes.h"

namespace visionpress {
namespace {

// A half has no scale, so axis and granularity mean nothing here.

// Encode.

Result<EncodedWeight> encode_fp16(FloatView weights, const Shape& shape, const Form& /*form*/,
                                  const EncodeOptions& options) {
  VP_ASSIGN_OR_RETURN(const std::size_t count, check_encode_input(weights, shape));
  EncodedWeight encoded;
  encoded.shape = shape;
  encoded.code.encoding = Encoding::Float16;
  encoded.code.bits = 16;
  encoded.codes = ByteBuffer(count * 2);
  wish_huge_pages(encoded.codes);
  std::vector<ErrorSums> pieces((count + kSumPiece - 1) / kSumPiece);
  parallel_for(pieces.size(), options.threads, [&](std::size_t i) {
    const std::size_t begin = i * kSumPiece;
    const std::size_t size = std::min(kSumPiece, count - begin);
    pieces[i] = encode_halves(weights.subview(begin, size),
                              MutableBytes(encoded.codes).subspan(begin * 2, size * 2));
  });
  ErrorSums sums;
  for (const ErrorSums& piece : pieces) sums.add(piece);
  // The sum of squares is not finite exactly if a value is not: squares of finite floats stay below
  // 2^256, and doubles reach 2^1024.
  if (!std::isfinite(sums.signal)) return fail_not_finite(weights);
  if (options.error != nullptr) {
    *options.error = make_encode_error(sums, static_cast<double>(sums.max_steps));
  }
  return encoded;
}

}  // namespace

// Estimate.

EncodeError measure_halves(FloatView weights, int threads) {
  std::vector<ErrorSums> pieces((weights.size() + kSumPiece - 1) / kSumPiece);
  parallel_for(pieces.size(), threads, [&](std::size_t i) {
    constexpr std::size_t kPart = 4096;      // a piece's codes stay in the first cache
    std::array<std::byte, 2 * kPart> codes;  // uninitialised: only written
    const std::size_t begin = i * kSumPiece;
    const std::size_t end = std::min(weights.size(), begin + kSumPiece);
    for (std::size_t at = begin; at < end; at += kPart) {
      const std::size_t size = std::min(kPart, end - at);
      pieces[i].add(encode_halves(weights.subview(at, size), MutableBytes(codes).first(size * 2)));
    }
  });
  ErrorSums sums;
  for (const ErrorSums& piece : pieces) sums.add(piece);
  return make_encode_error(sums, static_cast<double>(sums.max_steps));
}

// Decode.

void decode_fp16_part(const WeightRef& weight, std::size_t begin, std::span<float> out) {
  decode_halves(weight.payload.subspan(begin * 2), out);
}

Family fp16_family() {
  static const std::array offered = {OfferedForm{
      .form = {.encoding = Encoding::Float16, .bits = 16},
      .help = "half-precision floats: half the size, 11 significant bits",
      .is_default = true,
  }};
  return {
      .name = "fp16",
      .encoding = Encoding::Float16,
      .least_bits = 16,
      .most_bits = 16,
      .min_elements = 0,
      .offered = offered,
      .encode = encode_fp16,
  };
}

}  // namespace visionpress
