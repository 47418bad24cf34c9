#pragma once

// Reads a TFLite file's information about its input and classes from tensors, metadata and appended
// files.

#include "formats/tflite/tflite_model.h"
#include "visionpress/result.h"

namespace visionpress {

/// Whether four axes are N,C,H,W, that is, whether only the second can be the channels of an image.
[[nodiscard]] bool is_planar_image(const Shape& shape);

/// Fills input_info, labels, labels_source and metadata of `graph`. Information that cannot be used
/// becomes a warning, because the network itself does not depend on it.
[[nodiscard]] Result<void> read_input_info(const TfliteModel& model, Graph& graph,
                                           Diagnostics& diagnostics);

}  // namespace visionpress
