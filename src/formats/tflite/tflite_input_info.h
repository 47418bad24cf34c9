#pragma once

// What a TFLite file says about its input and its classes, in tensors, metadata and appended files.

#include "formats/tflite/tflite_model.h"
#include "visionpress/result.h"

namespace visionpress {

/// Whether four axes are N,C,H,W: only the second can be the channels of an image.
[[nodiscard]] bool is_planar_image(const Shape& shape);

/// Fills input_info, labels, labels_source and metadata of `graph`. What is there but cannot be
/// used becomes a warning: the network itself does not depend on it.
[[nodiscard]] Result<void> read_input_info(const TfliteModel& model, Graph& graph,
                                           Diagnostics& diagnostics);

}  // namespace visionpress
