// Reads any bytes as a Core ML model; what can be read must be written back as the same bytes.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "formats/coreml/coreml_reader.h"

extern "C" int LLVMFuzzerTestOneInput(  // NOLINT(readability-identifier-naming): libFuzzer's name
    const std::uint8_t* data, std::size_t size) {
  const auto file = std::as_bytes(std::span<const std::uint8_t>(data, size));
  visionpress::Diagnostics diagnostics;
  const auto model = visionpress::read_coreml(file, diagnostics);
  if (!model) return 0;
  const auto pieces = (*model)->rewrite({}, {});
  if (!pieces) std::abort();
  std::vector<std::byte> written;
  for (const visionpress::Bytes piece : pieces->pieces) {
    written.insert(written.end(), piece.begin(), piece.end());
  }
  if (!std::ranges::equal(written, file)) std::abort();
  return 0;
}
