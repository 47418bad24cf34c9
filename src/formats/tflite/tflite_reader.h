#pragma once

// Reads TensorFlow Lite files. Layout: a flatbuffer with identifier TFL3 (tflite_schema.fbs) with
// the weights in its buffers, sometimes followed by a ZIP archive of label files.

#include <memory>

#include "base/bytes.h"
#include "formats/read_options.h"
#include "model/source_model.h"
#include "visionpress/result.h"

namespace visionpress {

/// Opens a TFLite file of schema version 3. Subgraph 0 becomes the graph; a rewrite carries the
/// others. An operator that cannot be run becomes an Unsupported node, and the file still opens.
/// options: the input size, if the file leaves the image's size open (-1 in `shape_signature`).
/// file: borrowed for the lifetime of the result; aligned to 16 bytes, as mapped files are.
/// errors: Malformed with the element path; Unsupported for other schema versions.
[[nodiscard]] Result<std::unique_ptr<SourceModel>> read_tflite(Bytes file,
                                                               Diagnostics& diagnostics);
[[nodiscard]] Result<std::unique_ptr<SourceModel>> read_tflite(Bytes file,
                                                               const ReadOptions& options,
                                                               Diagnostics& diagnostics);

/// Whether the bytes carry the identifier TFL3. Does not check the rest.
[[nodiscard]] bool looks_like_tflite(Bytes file);

}  // namespace visionpress
