#pragma once

// Reads TensorFlow Lite files. Layout: a flatbuffer with identifier TFL3 (tflite_schema.fbs),
// weights in its buffers, and sometimes a ZIP archive of label files appended behind it.

#include <memory>

#include "base/bytes.h"
#include "formats/read_options.h"
#include "model/source_model.h"
#include "visionpress/result.h"

namespace visionpress {

/// Opens a TFLite file of schema version 3. Subgraph 0 becomes the graph; others are carried
/// through a rewrite. An operator that cannot be run becomes Unsupported, the file still opens.
/// options: the input size, for an image whose sizes the file leaves open (`shape_signature` says
/// -1). file: borrowed for the life of the result, aligned to 16 bytes (mapped files are). errors:
/// Malformed with the element path; Unsupported for other schema versions.
[[nodiscard]] Result<std::unique_ptr<SourceModel>> read_tflite(Bytes file,
                                                               Diagnostics& diagnostics);
[[nodiscard]] Result<std::unique_ptr<SourceModel>> read_tflite(Bytes file,
                                                               const ReadOptions& options,
                                                               Diagnostics& diagnostics);

/// True when the bytes carry the identifier TFL3; says nothing about the rest.
[[nodiscard]] bool looks_like_tflite(Bytes file);

}  // namespace visionpress
