#pragma once

// The forms of data sets in JSON that are read, each in its file. A folder of tags is the only form
// that is not JSON (folder_dataset.cc).

#include <array>
#include <string_view>

#include "eval/dataset_parts.h"

namespace visionpress {

/// A row of the table.
struct DatasetForm {
  /// Keys of the root: a file is of the form whose key comes first in it. Unused ones are empty.
  std::array<std::string_view, 3> keys = {};
  /// errors: Malformed with the element path; Io for further files of the data set.
  Result<Dataset> (*read)(JsonFile& json, const DatasetOptions& options,
                          Diagnostics& diagnostics) = nullptr;
};

extern const DatasetForm coco_form;
extern const DatasetForm vott_form;   // version 1
extern const DatasetForm vott2_form;  // version 2

inline constexpr std::array kDatasetForms = {&coco_form, &vott_form, &vott2_form};

/// For the error of a file that is none of them.
inline constexpr std::string_view kJsonForms =
    "COCO (\"images\", \"annotations\", \"categories\") and VoTT (\"frames\", or \"assets\" of an "
    "export of version 2) are read";

}  // namespace visionpress
