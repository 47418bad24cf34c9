#pragma once

#include "codecs/family.h"
#include "model/weight.h"
#include "visionpress/result.h"

namespace visionpress {

/// Tables of 2^bits values, one for the whole weight, and a code of 1 to 8 bits per element. The
/// table has the least squared error of all tables for the values rounded to 11 significant bits.
/// Up to 2^bits distinct values are kept exactly.
[[nodiscard]] Family palette_family();

/// errors: Malformed where the table does not have 2^bits entries.
[[nodiscard]] Result<void> check_palette(const WeightCode& code);

/// codes: one byte each, all inside the table.
void decode_palette_part(const WeightCode& code, Bytes codes, std::span<float> out);

}  // namespace visionpress
