#pragma once

// The forms of data sets that are read, each in its file. A folder of tags (folder_dataset.cc) is
// what a folder of no other form is.

#include <array>
#include <string_view>

#include "eval/dataset_parts.h"

namespace visionpress {

/// What the form of a file is known by.
struct FileHead {
  std::string extension = {};  ///< in lower case: ".xml"
  std::string_view text = {};  ///< its first 64 KB, without a mark or blanks before it
};

/// A row of the table. A file or a folder is of the first form that claims it.
struct DatasetForm {
  std::string_view name = {};  ///< for options and messages: "coco"
  /// JSON with an object: a file is of the form whose key comes first in it. Unused ones are empty.
  std::array<std::string_view, 3> keys = {};
  /// Any other file, and a folder. Null: the form has none.
  bool (*is_file)(const FileHead& file) = nullptr;
  bool (*is_folder)(const std::string& folder) = nullptr;
  /// For `keys`. errors: Malformed with the element path; Io for further files of the data set.
  Result<Dataset> (*read_json)(JsonFile& json, const DatasetOptions& options,
                               Diagnostics& diagnostics) = nullptr;
  /// For `is_file` and `is_folder`. errors: as read_json.
  Result<Dataset> (*read)(const DatasetOptions& options, Diagnostics& diagnostics) = nullptr;
};

extern const DatasetForm azure_form;
extern const DatasetForm coco_form;
extern const DatasetForm createml_form;
extern const DatasetForm csv_form;
extern const DatasetForm label_studio_form;
extern const DatasetForm labelme_form;
extern const DatasetForm voc_form;
extern const DatasetForm vott_form;   // version 1
extern const DatasetForm vott2_form;  // version 2
extern const DatasetForm yolo_form;

/// A CSV table is known by its columns alone, so it is asked last.
inline constexpr std::array kDatasetForms = {
    &coco_form,     &vott_form,         &vott2_form, &yolo_form,    &voc_form,
    &createml_form, &label_studio_form, &azure_form, &labelme_form, &csv_form};

/// The form that claims a folder; null: none, so that it may have a folder for each tag.
[[nodiscard]] const DatasetForm* find_folder_form(const std::string& folder);

/// For the error of a file that is none of them.
inline constexpr std::string_view kDataForms =
    "--data takes COCO, VoTT, YOLO (data.yaml), Pascal VOC, Create ML, LabelMe, Label Studio, "
    "Azure's JSON lines, a CSV table, or a folder with one folder for each tag";

}  // namespace visionpress
