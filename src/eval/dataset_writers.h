#pragma once

// The forms in which data sets are written. The short ones share a file: json_writers.cc,
// table_writers.cc.

#include <array>
#include <string>
#include <string_view>

#include "eval/export_set.h"

namespace visionpress {

struct DatasetWriter {
  std::string_view name = {};  ///< of the option: "coco"
  /// The file that `--data` takes, in the folder; empty: the folder itself.
  std::string_view main_file = {};
  /// Writes the set, and notes in it what the form loses. errors: Output, Io.
  Result<void> (*write)(ExportSet& set, ExportFolder& folder) = nullptr;
};

extern const DatasetWriter azure_writer;
extern const DatasetWriter coco_writer;
extern const DatasetWriter createml_writer;
extern const DatasetWriter csv_writer;
extern const DatasetWriter folder_writer;
extern const DatasetWriter label_studio_writer;
extern const DatasetWriter labelme_writer;
extern const DatasetWriter voc_writer;
extern const DatasetWriter vott_csv_writer;
extern const DatasetWriter vott_writer;
extern const DatasetWriter yolo_writer;

/// In the order of the help.
inline constexpr std::array kDatasetWriters = {
    &coco_writer,     &yolo_writer,     &voc_writer,          &vott_writer,
    &vott_csv_writer, &createml_writer, &label_studio_writer, &labelme_writer,
    &azure_writer,    &csv_writer,      &folder_writer};

}  // namespace visionpress
