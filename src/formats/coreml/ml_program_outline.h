#pragma once

// Names what is in a Core ML ML Program without reading its operations' meaning.
//
// The layout accepted (protobuf): Model { specificationVersion 1, mlProgram 502 }
//   Program { functions 2: map of Function }, Function { opset 2, block_specializations 3: map of
//   Block }, Block { operations 3 }, Operation { type 1, blocks 4 }
// source: apple/coremltools mlmodel/format/{Model,MIL}.proto, as of 9.0.

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "visionpress/package_listing.h"
#include "visionpress/result.h"

namespace visionpress {

struct MlProgramOutline {
  std::uint64_t version = 0;  ///< specification version
  std::string kind = {};      ///< "mlProgram", "neuralNetwork", "pipeline": the kind of model
  std::vector<ProgramFunction> functions = {};  ///< of an mlProgram
};

/// file: the .mlmodel in a Core ML package. errors: Malformed with the offset.
[[nodiscard]] Result<MlProgramOutline> outline_ml_program(Bytes file);

}  // namespace visionpress
