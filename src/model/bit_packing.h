#pragma once

// Codes of 1 to 8 bits as one bit stream, in both bit orders. Readers unpack such streams, writers
// pack them.

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/buffer.h"
#include "base/bytes.h"
#include "model/weight.h"

namespace visionpress {

/// Bytes that `count` codes of `bits` bits take in a packed stream; nothing when that does not fit
/// 63 bits.
[[nodiscard]] std::optional<std::int64_t> packed_bytes(std::int64_t count, int bits);

/// Packs codes of one byte each; zeros fill the last byte. Only the low `bits` bits of a code are
/// written: of a signed code its two's complement. The caller keeps codes in range
/// (find_wide_code).
/// bits: 1..8.  packing: MsbFirst or LsbFirst.
/// source: the bit order of Core ML's rawValue (NeuralNetwork.proto, WeightParams) is MsbFirst,
/// that of TFLite's int4 LsbFirst.
[[nodiscard]] ByteBuffer pack_codes(Bytes codes, int bits, Packing packing);

/// Index of the first unsigned code that does not fit into `bits` bits; nothing where all fit.
[[nodiscard]] std::optional<std::size_t> find_wide_code(Bytes codes, int bits);

/// Takes codes [begin, begin + codes.size()) out of a packed stream, one per byte, zero-extended.
/// packed: long enough for them.  bits: 1..8.  packing: MsbFirst or LsbFirst.
void unpack_codes(Bytes packed, int bits, Packing packing, std::size_t begin, MutableBytes codes);

/// Extends the sign of each code of `bits` bits to its byte.
void extend_signs(MutableBytes codes, int bits);

}  // namespace visionpress
