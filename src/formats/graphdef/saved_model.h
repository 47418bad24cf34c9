#pragma once

// Reads TensorFlow's SavedModels: a folder that holds the graph and, in separate files, the
// variables.
//
// The layout accepted:
//   saved_model.pb: SavedModel { version 1, MetaGraphDef 2 ... }
//     MetaGraphDef { MetaInfoDef 1 { tags 4 }, GraphDef 2, signatures 5 { name: SignatureDef } }
//       SignatureDef { inputs 1, outputs 2 { name: TensorInfo { name 1, dtype 2, shape 3 } } }
// variables/variables.index and .data-...: tensor_bundle.h; absent if there are no variables
// source: tensorflow/core/protobuf/{saved_model,meta_graph}.proto.

#include <memory>

#include "base/bytes.h"
#include "formats/model_files.h"
#include "formats/read_options.h"
#include "model/source_model.h"
#include "visionpress/result.h"

namespace visionpress {

/// Opens the graph with tag "serve" (else the only graph) at its signature "serving_default" (else
/// the only signature). Keeps the nodes that the signature's outputs need, inlines function calls
/// and replaces variables by constants. Outputs have the signature's names. The result owns
/// everything it needs.
/// model: `entry` is saved_model.pb, whose folder holds the other files.
/// errors: as read_graphdef; Unsupported for several signatures without a default; Malformed for
/// variables that are missing or damaged. The result refuses `rewrite`, because a SavedModel is not
/// a single file.
[[nodiscard]] Result<std::unique_ptr<SourceModel>> read_saved_model(const ModelFiles& model,
                                                                    const ReadOptions& options,
                                                                    Diagnostics& diagnostics);

/// Whether these bytes are the saved_model.pb of a SavedModel.
[[nodiscard]] bool looks_like_saved_model_graph(Bytes file);

}  // namespace visionpress
