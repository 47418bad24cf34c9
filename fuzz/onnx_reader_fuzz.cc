// Opens any bytes as an ONNX file, and rewrites and reopens what opens.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "base/bytes.h"
#include "formats/onnx/onnx_reader.h"

namespace visionpress {
namespace {

void read_and_rewrite(Bytes file) {
  Diagnostics diagnostics;
  const auto model = read_onnx(file, {}, diagnostics);
  if (!model) return;
  const auto pieces = (*model)->rewrite({}, {});
  if (!pieces) return;
  std::vector<std::byte> copy;
  for (const Bytes piece : pieces->pieces) copy.insert(copy.end(), piece.begin(), piece.end());
  // Without edits the file is the same, byte for byte.
  if (!std::ranges::equal(copy, file)) std::abort();
}

}  // namespace
}  // namespace visionpress

extern "C" int LLVMFuzzerTestOneInput(  // NOLINT(readability-identifier-naming): libFuzzer's name
    const std::uint8_t* data, std::size_t size) {
  const auto* begin = visionpress::view_as<const std::byte>(data);
  const std::vector<std::byte> file(begin, begin + size);
  visionpress::read_and_rewrite(file);
  return 0;
}
