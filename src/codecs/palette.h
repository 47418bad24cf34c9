#pragma once

#include "model/weight.h"
#include "visionpress/result.h"

namespace visionpress {

// Tables of 2^bits values, one code per weight. They are decoded only; no encoder makes them yet.

/// errors: Malformed where the table does not have 2^bits entries.
[[nodiscard]] Result<void> check_palette(const WeightCode& code);

/// codes: one byte each, all inside the table.
void decode_palette_part(const WeightCode& code, Bytes codes, std::span<float> out);

}  // namespace visionpress
