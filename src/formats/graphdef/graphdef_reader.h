#pragma once

// Reads TensorFlow's frozen graphs: a GraphDef whose variables have become Const nodes.
// graphdef_nodes.h describes the accepted layout; graphdef_lower_*.cc lower the operators.

#include <memory>

#include "base/bytes.h"
#include "formats/graphdef/graphdef_nodes.h"
#include "formats/read_options.h"
#include "model/source_model.h"
#include "visionpress/result.h"
#include "visionpress/vocabulary.h"

namespace visionpress {

/// Opens a frozen graph. Its one Placeholder is the input; tensors that no node reads are the
/// outputs. The graph is channels-last. Nodes without an operator become Unsupported.
/// file: borrowed by the result.
/// errors: Usage for a setting that does not name a scalar input, or whose value the input's type
/// does not have; Malformed with offset and node; Unsupported for several inputs, for a graph
/// written as text, and for a file that a copy in text mode has damaged.
[[nodiscard]] Result<std::unique_ptr<SourceModel>> read_graphdef(Bytes file,
                                                                 const ReadOptions& options,
                                                                 Diagnostics& diagnostics);

/// The same for nodes that `nodes` has located anywhere in `file`.
[[nodiscard]] Result<std::unique_ptr<SourceModel>> read_graphdef_nodes(Bytes file,
                                                                       graphdef::NodeList nodes,
                                                                       const ReadOptions& options,
                                                                       Diagnostics& diagnostics);

/// Whether the bytes begin like a GraphDef, or like one that was copied in text mode or written as
/// text. Does not check the rest.
[[nodiscard]] bool looks_like_graphdef(Bytes file);

}  // namespace visionpress
