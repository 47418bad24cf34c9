#include <algorithm>
#include <array>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/output_folder.h"
#include "eval/dataset.h"
#include "eval/dataset_writers.h"
#include "eval/image.h"
#include "eval/label_files.h"
#include "visionpress/data.h"

namespace visionpress {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> list_forms() {
  std::vector<std::string> names;
  names.reserve(kDatasetWriters.size());
  for (const DatasetWriter* writer : kDatasetWriters) names.emplace_back(writer->name);
  return names;
}

Result<const DatasetWriter*> find_writer(const std::string& form) {
  for (const DatasetWriter* writer : kDatasetWriters) {
    if (writer->name == form) return writer;
  }
  return fail(ErrorKind::Usage, "no form is called \"{}\"; the forms are {}", form,
              fmt::join(list_forms(), ", "));
}

/// A folder that is replaced loses all that is in it, so it must have nothing but a data set's
/// files.
Result<void> check_replaced(const std::string& output) {
  std::error_code code;
  fs::recursive_directory_iterator at(output, code);
  for (; !code && at != fs::recursive_directory_iterator(); at.increment(code)) {
    std::error_code ignored;
    const std::string path = at->path();
    if (at->is_directory(ignored) || has_image_name(path)) continue;
    constexpr std::array<std::string_view, 6> kLabels = {".csv", ".json", ".jsonl",
                                                         ".txt", ".xml",  ".yaml"};
    if (std::ranges::find(kLabels, extension_of(path)) != kLabels.end()) continue;
    return fail_in(output, ErrorKind::Output, "{} is in it, so it is not a data set to overwrite",
                   path);
  }
  return {};
}

/// Nor may it have the source's files.
Result<void> check_output(const DataConvertOptions& options, const Dataset& dataset) {
  VP_RETURN_IF_ERROR(check_not_stdout(options.output));
  std::error_code code;
  const fs::path output = fs::weakly_canonical(options.output, code);
  const auto lies_in_output = [&](const std::string& path) {
    const fs::path relative = fs::weakly_canonical(path, code).lexically_relative(output);
    return !relative.empty() && *relative.begin() != "..";
  };
  std::string inside;
  if (lies_in_output(options.data)) inside = options.data;
  for (const DatasetImage& image : dataset.images) {
    if (inside.empty() && !image.path.empty() && lies_in_output(image.path)) inside = image.path;
  }
  if (inside.empty()) return options.overwrite ? check_replaced(options.output) : Result<void>{};
  return fail_in(options.output, ErrorKind::Usage, "{} lies in it, which is read", inside);
}

Result<void> keep_split(const std::string& split, Dataset& dataset) {
  if (split.empty()) return {};
  std::vector<std::string> splits;
  for (const DatasetImage& image : dataset.images) {
    if (!image.split.empty() && std::ranges::find(splits, image.split) == splits.end()) {
      splits.push_back(image.split);
    }
  }
  std::erase_if(dataset.images, [&](const DatasetImage& image) { return image.split != split; });
  if (!dataset.images.empty()) return {};
  return fail_in(dataset.source, ErrorKind::Usage, "it has no split \"{}\"{}{}", split,
                 splits.empty() ? "" : "; its splits are ", fmt::join(splits, ", "));
}

ImageNeed find_need(const DataConvertOptions& options) {
  if (!options.copy_images) return ImageNeed::Optional;
  return options.skip_missing ? ImageNeed::SkipMissing : ImageNeed::Required;
}

/// Writes the set into a new folder. returns: how many images it has.
Result<std::size_t> write_set(const DataConvertOptions& options, const DatasetWriter& writer,
                              ExportSet& set, const Progress& progress) {
  VP_ASSIGN_OR_RETURN(OutputFolder output,
                      OutputFolder::create(options.output, options.overwrite ? Overwrite::Allow
                                                                             : Overwrite::Refuse));
  std::size_t done = 0;
  const std::function<void()> written = [&] {
    ++done;
    if (progress) progress(done, set.images.size(), "images");
  };
  ExportFolder folder(output, options.copy_images ? Pictures::Copy : Pictures::Leave, written);
  if (auto write = writer.write(set, folder); !write) {
    return in_file(std::move(write).error(), options.data);
  }
  VP_RETURN_IF_ERROR(output.commit());
  return done;
}

}  // namespace

Result<DataConvertResult> convert_data_set(const DataConvertOptions& options,
                                           const Progress& progress) {
  if (options.output.empty()) return fail(ErrorKind::Usage, "no folder to write to");
  VP_ASSIGN_OR_RETURN(const DatasetWriter* writer, find_writer(options.form));
  Diagnostics diagnostics;
  VP_ASSIGN_OR_RETURN(Dataset dataset, load_dataset({.data = options.data,
                                                     .images = options.images,
                                                     .image_need = find_need(options),
                                                     .splits = Splits::All},
                                                    diagnostics));
  VP_RETURN_IF_ERROR(keep_split(options.split, dataset));
  VP_RETURN_IF_ERROR(check_output(options, dataset));
  auto made = make_export_set(dataset);
  if (!made) return in_file(std::move(made).error(), options.data);
  ExportSet set = *std::move(made);
  DataConvertResult result;
  VP_ASSIGN_OR_RETURN(result.images, write_set(options, *writer, set, progress));
  set.oddities.report(options.output, diagnostics);
  result.output = options.output;
  if (!writer->main_file.empty()) result.output = fs::path(options.output) / writer->main_file;
  result.form = writer->name;
  result.tags = set.tags.size();
  for (const ExportImage& image : set.images) result.boxes += image.boxes.size();
  result.boxes -= set.left_out_boxes;
  for (const auto& [name, count] : set.lost) result.lost.push_back({name, count});
  result.warnings = diagnostics.warnings();
  return result;
}

}  // namespace visionpress
