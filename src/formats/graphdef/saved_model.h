#pragma once

// Reads TensorFlow's SavedModels: a folder with the graph and, beside it, the variables.
//
// The layout accepted:
//   saved_model.pb: SavedModel { version 1, MetaGraphDef 2 ... }
//     MetaGraphDef { MetaInfoDef 1 { tags 4 }, GraphDef 2, signatures 5 { name: SignatureDef } }
//       SignatureDef { inputs 1, outputs 2 { name: TensorInfo { name 1, dtype 2, shape 3 } } }
//   variables/variables.index and .data-...: tensor_bundle.h; absent where nothing is variable
// source: tensorflow/core/protobuf/{saved_model,meta_graph}.proto.

#include <memory>

#include "base/bytes.h"
#include "formats/model_files.h"
#include "formats/read_options.h"
#include "model/source_model.h"
#include "visionpress/result.h"

namespace visionpress {

/// Opens the graph of tag "serve" (else the only one) at its signature "serving_default" (else the
/// only one): what its outputs need, with calls replaced by the functions' nodes and variables by
/// constants. Outputs bear the signature's names. The result owns everything it needs.
/// model: begins with saved_model.pb, whose folder holds all the rest.
/// errors: as read_graphdef; Unsupported for several signatures without a default; Malformed for
/// variables that are missing or damaged. Its `rewrite` is refused: a SavedModel is no one file.
[[nodiscard]] Result<std::unique_ptr<SourceModel>> read_saved_model(const ModelFiles& model,
                                                                    const ReadOptions& options,
                                                                    Diagnostics& diagnostics);

/// Whether these bytes are the saved_model.pb of a SavedModel.
[[nodiscard]] bool looks_like_saved_model_graph(Bytes file);

}  // namespace visionpress
