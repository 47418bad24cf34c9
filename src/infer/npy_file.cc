#include "infer/npy_file.h"

#include <array>
#include <filesystem>

#include <fmt/format.h>

#include "base/error.h"

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

Result<void> write_npy_files(const std::string& path, const std::vector<OutputView>& outputs,
                             Overwrite overwrite) {
  const std::filesystem::path given(path);
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const std::string numbered =
        fmt::format("{}.{}{}", given.stem().string(), i, given.extension().string());
    const std::string file = outputs.size() == 1 ? path : (given.parent_path() / numbered).string();
    VP_RETURN_IF_ERROR(write_npy(file, outputs[i].shape, outputs[i].values, overwrite));
  }
  return {};
}

}  // namespace visionpress
