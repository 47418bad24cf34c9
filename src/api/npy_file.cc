#include "api/npy_file.h"

#include <array>

#include <fmt/format.h>

namespace visionpress {

Result<void> write_npy(const std::string& path, const Shape& shape, std::span<const float> values,
                       Overwrite overwrite) {
  std::string header = fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}{}), }}",
                                   fmt::join(shape, ", "), shape.size() == 1 ? "," : "");
  constexpr std::size_t kPrefix = 10;     // magic, version, length
  constexpr std::size_t kAlignment = 64;  // of the values' offset in the file
  header.append((kAlignment - (kPrefix + header.size() + 1) % kAlignment) % kAlignment, ' ');
  header += '\n';
  std::string head("\x93NUMPY\x01\x00", 8);
  head += static_cast<char>(header.size() & 0xff);
  head += static_cast<char>(header.size() >> 8U);
  head += header;
  auto file = OutputFile::create(path, overwrite);
  if (!file) return tl::unexpected<Error>(file.error());
  const std::array<Bytes, 2> pieces = {std::as_bytes(std::span(head)), std::as_bytes(values)};
  if (auto written = file->write(pieces); !written) return written;
  return file->commit();
}

}  // namespace visionpress
