#pragma once

// Reads ONNX files. The layout accepted is in onnx_graph.h, onnx_nodes.h and onnx_tensor.h.

#include <memory>

#include "formats/model_files.h"
#include "formats/read_options.h"
#include "model/source_model.h"
#include "visionpress/result.h"

namespace visionpress {

/// Whether the file begins like an ONNX model: a version, then fields that no Core ML file has.
[[nodiscard]] bool looks_like_onnx(Bytes file);

/// Opens a model. The result borrows the file's bytes; it owns those of external files.
/// errors: Malformed, Unsupported, with the place; Io for external files; InvalidArgument for an
/// input size that contradicts the file's.
[[nodiscard]] Result<std::unique_ptr<SourceModel>> read_onnx(const ModelFiles& model,
                                                             const ReadOptions& options,
                                                             Diagnostics& diagnostics);
/// The same without files beside it: external data is an error.
[[nodiscard]] Result<std::unique_ptr<SourceModel>> read_onnx(Bytes file, const ReadOptions& options,
                                                             Diagnostics& diagnostics);

}  // namespace visionpress
