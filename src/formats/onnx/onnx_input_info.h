#pragma once

#include "formats/onnx/onnx_graph.h"
#include "model/graph.h"

namespace visionpress::onnx {

/// Reads what the file says of its image input: from metadata_props (Image.BitmapPixelFormat,
/// Image.NominalPixelRange) and from the input's description.
/// shape: the input's, [N,C,H,W].
[[nodiscard]] InputInfo read_input_info(const ModelFile& model, const ValueInfo& input,
                                        const Shape& shape);

/// Class labels in metadata_props: `names` (Ultralytics: {0: 'person', 1: 'bicycle'}), `labels` and
/// `classes` (separated by commas or lines, or a JSON list).
void read_labels(Graph& graph);

}  // namespace visionpress::onnx
