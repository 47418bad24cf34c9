// Writes a .mlmodel as its source bytes with the payloads of some WeightParams replaced.
// Contract: no edits, the same bytes. An edit replaces its weight's payload and quantization
// fields, the lengths of the messages around them, and raises specificationVersion where the new
// form needs it; every other byte, unknown fields and odd varints included, is as it was.

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "formats/coreml/coreml_model.h"
#include "formats/coreml/coreml_schema.h"
#include "wire/protobuf_patch.h"

namespace visionpress::coreml {

FormatLimits CoreMlModel::limits() const {
  FormatLimits limits;
  limits.min_bits = 1;
  limits.tables = true;
  limits.float16_by_layer = true;
  return limits;
}

Result<FilePieces> CoreMlModel::rewrite(std::span<const WeightEdit> edits,
                                        const RewriteOptions& /*options*/) const {
  if (!edits.empty()) return fail(ErrorKind::Internal, "edits come with the next commit");
  return FilePieces{{file_}, {}};
}

}  // namespace visionpress::coreml
