#include "codecs/fp16.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.h"
#include "base/parallel.h"
#include "codecs/encode_error.h"
#include "kernels/weight_codes.h"

namespace visionpress {
namespace {

// Options: none. A half has no scale, so axis and symmetry mean nothing here.

// Outline.

WeightCode half_code() {
  WeightCode code;
  code.encoding = Encoding::Float16;
  code.bits = 16;
  return code;
}

WeightCode outline_fp16(const Shape& /*shape*/, const EncodeOptions& /*options*/) {
  return half_code();
}

// Encode.

Result<EncodedWeight> encode_fp16(FloatView weights, const Shape& shape,
                                  const EncodeOptions& options) {
  VP_ASSIGN_OR_RETURN(const std::size_t count, check_encode_input(weights, shape));
  EncodedWeight encoded;
  encoded.shape = shape;
  encoded.code = half_code();
  encoded.codes = ByteBuffer(count * 2);
  std::vector<ErrorSums> pieces((count + kSumPiece - 1) / kSumPiece);
  parallel_for(pieces.size(), options.threads, [&](std::size_t i) {
    const std::size_t begin = i * kSumPiece;
    const std::size_t size = std::min(kSumPiece, count - begin);
    pieces[i] = encode_halves(weights.subview(begin, size),
                              MutableBytes(encoded.codes).subspan(begin * 2, size * 2));
  });
  ErrorSums sums;
  for (const ErrorSums& piece : pieces) sums.add(piece);
  // One NaN or infinity among the values makes the sum of squares such; finite floats cannot: their
  // squares stay below 2^256 and doubles reach 2^1024.
  if (!std::isfinite(sums.signal)) return fail_not_finite(weights);
  if (options.error != nullptr) {
    *options.error = make_encode_error(sums, static_cast<double>(sums.max_steps));
  }
  return encoded;
}

// Decode: decode_weight (decode.h), Encoding::Float16.

}  // namespace

Scheme fp16_scheme() {
  return {
      .name = "fp16",
      .help = "half-precision floats: half the size, 11 significant bits",
      .bits = 16,
      .floating = true,
      .min_elements = 0,
      .encode = encode_fp16,
      .outline = outline_fp16,
  };
}

}  // namespace visionpress
