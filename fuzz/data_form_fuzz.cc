// Reads any bytes as a data set of each form, writes what was read in another one, and reads that.
// The first byte chooses the file's name, the second the writer; the rest is the file and, behind
// kPartMark, the labels of a.png beside it.

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>

#include "base/output_folder.h"
#include "eval/dataset.h"
#include "eval/dataset_writers.h"
#include "eval/image.h"
#include "fuzz_input.h"

namespace visionpress {
namespace {

constexpr std::array<const char*, 5> kNames = {"a.xml", "data.yaml", "t.csv", "t.json", "t.jsonl"};

Result<Dataset> load(const std::string& path) {
  DatasetOptions options;
  options.data = path;
  options.image_need = ImageNeed::SkipMissing;
  options.splits = Splits::All;
  Diagnostics diagnostics;
  return load_dataset(options, diagnostics);
}

void check_writer(const Dataset& dataset, const DatasetWriter& writer) {
  auto set = make_export_set(dataset);
  if (!set) return;
  const std::string target = scratch_folder() + "/written";
  auto output = OutputFolder::create(target, Overwrite::Allow);
  require(output.has_value(), "the folder is made");
  const std::function<void()> written = [] {};
  ExportFolder folder(*output, Pictures::Copy, written);
  // Sizes may be unknown, and no image may have one tag.
  if (!writer.write(*set, folder) || !output->commit()) return;
  const auto again =
      load(writer.main_file.empty() ? target : target + "/" + std::string(writer.main_file));
  const bool leaves_out = &writer == &vott_csv_writer || &writer == &folder_writer;
  require(again.has_value() || leaves_out, "a written data set is read again");
  if (again && !leaves_out) {
    require(again->images.size() == dataset.images.size(), "with each image");
    require(again->box_count() <= dataset.box_count() + dataset.images.size(), "and its boxes");
  }
}

void read_all(Bytes input) {
  if (input.size() < 2) return;
  clear_scratch_folder();
  const auto parts = split_parts(input.subspan(2), 2);
  const std::string picture = scratch_folder() + "/a.png";
  require(save_image(make_image(40, 20), picture, Overwrite::Allow).has_value(), "a picture");
  if (parts.size() > 1) put_file("a.txt", parts[1]);
  const auto name = kNames[static_cast<std::size_t>(input[0]) % kNames.size()];
  const auto dataset = load(put_file(name, parts[0]));
  if (!dataset) return;
  const auto& writer =
      *kDatasetWriters[static_cast<std::size_t>(input[1]) % kDatasetWriters.size()];
  check_writer(*dataset, writer);
}

}  // namespace
}  // namespace visionpress

extern "C" int LLVMFuzzerTestOneInput(  // NOLINT(readability-identifier-naming): libFuzzer's name
    const std::uint8_t* data, std::size_t size) {
  visionpress::read_all(std::as_bytes(std::span<const std::uint8_t>(data, size)));
  return 0;
}
