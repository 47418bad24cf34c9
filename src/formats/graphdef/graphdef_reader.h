#pragma once

// Reads TensorFlow's frozen graphs: a GraphDef whose variables have become Const nodes. The layout
// accepted is in graphdef_nodes.h, the operators in graphdef_lower_*.cc.

#include <memory>

#include "base/bytes.h"
#include "formats/graphdef/graphdef_nodes.h"
#include "formats/read_options.h"
#include "model/source_model.h"
#include "visionpress/result.h"
#include "visionpress/vocabulary.h"

namespace visionpress {

/// Opens a frozen graph. Its one Placeholder is the input; what nobody reads are the outputs. The
/// graph has the channels last. Nodes without an operator become Unsupported.
/// file: borrowed by the result.
/// errors: Usage for a setting of no scalar input, or of a value that its type does not have;
/// Malformed with offset and node; Unsupported for several inputs, and for files that are
/// no graph but a text or a copy that a text mode has damaged.
[[nodiscard]] Result<std::unique_ptr<SourceModel>> read_graphdef(Bytes file,
                                                                 const ReadOptions& options,
                                                                 Diagnostics& diagnostics);

/// The same for nodes that lie somewhere in `file`.
[[nodiscard]] Result<std::unique_ptr<SourceModel>> read_graphdef_nodes(Bytes file,
                                                                       graphdef::NodeList nodes,
                                                                       const ReadOptions& options,
                                                                       Diagnostics& diagnostics);

/// True when the bytes begin as a GraphDef does, or as one that was copied in text mode or written
/// as text; says nothing about the rest.
[[nodiscard]] bool looks_like_graphdef(Bytes file);

}  // namespace visionpress
