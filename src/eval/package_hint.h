#pragma once

#include "eval/preprocess.h"
#include "package/export_package.h"

namespace visionpress {

/// How the scripts in packages of this domain and age prepare an image. metadata_properties.json is
/// looked at for the kind of model alone: its pixel format and range describe training, and the
/// exported graphs take BGR (General, compact) and 0..255 whatever it says.
/// width: of the model's input.
[[nodiscard]] PackageHint choose_hint(const ExportPackage& package, int width);

}  // namespace visionpress
