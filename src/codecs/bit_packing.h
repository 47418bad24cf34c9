#pragma once

#include "base/bytes.h"
#include "model/weight.h"

namespace visionpress {

/// Bytes that `count` codes of `bits` bits take in a packed stream; nothing when that does not fit
/// 63 bits.
[[nodiscard]] std::optional<std::int64_t> packed_bytes(std::int64_t count, int bits);

/// Takes codes [begin, begin + codes.size()) out of a packed stream, one a byte, zero-extended.
/// packed: long enough for them.  bits: 1..8.  packing: MsbFirst or LsbFirst.
/// source: the bit order of Core ML's rawValue (NeuralNetwork.proto, WeightParams) is MsbFirst.
void unpack_codes(Bytes packed, int bits, Packing packing, std::size_t begin, MutableBytes codes);

/// Extends the sign of each code of `bits` bits to its byte.
void extend_signs(MutableBytes codes, int bits);

}  // namespace visionpress
