// Opens any bytes as an export package: a ZIP archive, or, where it is none, the files of a folder
// (manifest, labels, properties, model) with kPartMark between them. What opens is inspected, its
// model exchanged, and the new archive opened again.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "fuzz_input.h"
#include "package/export_package.h"
#include "package/file_set.h"
#include "package/zip_archive.h"
#include "visionpress/model.h"

namespace visionpress {
namespace {

void exchange_model(const FileSet& files, const ExportPackage& package) {
  const std::array<std::byte, 3> model = {std::byte{1}, std::byte{2}, std::byte{3}};
  const Bytes piece = model;
  const auto replaced = replace_model(files, package, {&piece, 1});
  if (!replaced) return;
  const auto written = repack(files, *replaced);
  if (!written) {
    require(written.error().kind != ErrorKind::Internal, "an archive that opens can be written");
    return;
  }
  const auto archive = ZipArchive::open(*written);
  require(archive.has_value(), "the new archive opens");
  const ZipEntry* entry = archive->find(package.model_entry);
  require(entry != nullptr, "the new archive has the model");
  const auto bytes = archive->read(*entry);
  require(bytes && bytes->size() == model.size(), "the new archive holds the new model");
}

void open_archive(Bytes input) {
  ZipLimits limits;
  limits.total_bytes = std::uint64_t{1} << 24U;  // more only makes the fuzzer slow
  if (const auto archive = ZipArchive::open(input, limits); archive) {
    for (const ZipEntry& entry : archive->entries()) {
      const auto bytes = archive->read(entry);
      if (bytes) require(bytes->size() == entry.bytes, "an entry has the size it says");
    }
  } else {
    return;
  }
  const std::string path = put_file("export.zip", input);
  Diagnostics diagnostics;
  const auto files = FileSet::open(path);
  require(files.has_value(), "an archive that opens is a set of files");
  const auto package = read_package(*files, diagnostics);
  if (package && files->read(package->model_entry)) exchange_model(*files, *package);
  static_cast<void>(inspect(path));
}

void open_folder(Bytes input) {
  constexpr std::array<const char*, 4> kNames = {"cvexport.manifest", "labels.txt",
                                                 "metadata_properties.json", "model.tflite"};
  clear_scratch_folder();
  const auto parts = split_parts(input, kNames.size());
  for (std::size_t i = 0; i < parts.size(); ++i) {
    put_file(std::string("export/") + kNames[i], parts[i]);
  }
  Diagnostics diagnostics;
  const std::string folder = scratch_folder() + "/export";
  const auto files = FileSet::open(folder);
  require(files.has_value(), "a folder can be listed");
  static_cast<void>(read_package(*files, diagnostics));
  static_cast<void>(inspect(folder));
}

}  // namespace
}  // namespace visionpress

extern "C" int LLVMFuzzerTestOneInput(  // NOLINT(readability-identifier-naming): libFuzzer's name
    const std::uint8_t* data, std::size_t size) {
  const auto input = std::as_bytes(std::span<const std::uint8_t>(data, size));
  if (visionpress::is_zip(input)) {
    visionpress::open_archive(input);
  } else {
    visionpress::open_folder(input);
  }
  return 0;
}
