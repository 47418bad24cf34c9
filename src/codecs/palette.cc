#include "codecs/palette.h"

#include "base/error.h"

namespace visionpress {

Result<void> check_palette(const WeightCode& code) {
  const std::size_t entries = std::size_t{1} << static_cast<unsigned>(code.bits);
  if (code.table.size() == entries) return {};
  return fail(ErrorKind::Malformed, "table has {} entries, {} bits need {}", code.table.size(),
              code.bits, entries);
}

void decode_palette_part(const WeightCode& code, Bytes codes, std::span<float> out) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = code.table[std::to_integer<std::size_t>(codes[i])];
  }
}

}  // namespace visionpress
