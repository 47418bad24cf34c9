#include "base/error.h"
#include "formats/tflite/tflite_model.h"

namespace visionpress {

FormatLimits TfliteModel::limits() const {
  FormatLimits limits;
  limits.min_bits = 8;
  limits.linear_needs_symmetric = true;
  limits.float16_all = true;
  return limits;
}

Result<FilePieces> TfliteModel::rewrite(std::span<const WeightEdit> /*edits*/,
                                        const RewriteOptions& /*options*/) const {
  return fail(ErrorKind::Unsupported, "a TFLite file cannot be rewritten yet");
}

}  // namespace visionpress
