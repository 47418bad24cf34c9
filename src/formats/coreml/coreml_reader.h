#pragma once

// Reads Core ML models of the kinds neuralNetwork, neuralNetworkClassifier, neuralNetworkRegressor.
//
// The layout accepted (protobuf messages, field numbers in coreml_schema.h):
//   Model { specificationVersion 1, description 2, isUpdatable 10, one kind of model }
//     NeuralNetwork { layers 1, preprocessing 2, input shape mappings 5 6 } and, in a classifier,
//     labels
//       NeuralNetworkLayer { name 1, input 2, output 3, one type of layer }
//         its parameters, with WeightParams (coreml_weights.h)
// source: apple/coremltools mlmodel/format/{Model,NeuralNetwork}.proto.

#include <memory>

#include "base/bytes.h"
#include "formats/read_options.h"
#include "model/source_model.h"
#include "visionpress/result.h"

namespace visionpress {

/// Opens a .mlmodel. The graph is channels-first; [Seq,B,C,H,W] becomes [1,C,H,W]. Layers without
/// an operator become Unsupported nodes, so that a file that cannot be run can still be rewritten.
/// options: the input size, if the file allows several.
/// file: borrowed by the result, which does not copy a payload that is contiguous in the file.
/// errors: Malformed with offset and element path; Unsupported for other kinds of model, named;
/// InvalidArgument for an input size outside of the file's limits.
[[nodiscard]] Result<std::unique_ptr<SourceModel>> read_coreml(Bytes file,
                                                               const ReadOptions& options,
                                                               Diagnostics& diagnostics);
[[nodiscard]] inline Result<std::unique_ptr<SourceModel>> read_coreml(Bytes file,
                                                                      Diagnostics& diagnostics) {
  return read_coreml(file, ReadOptions(), diagnostics);
}

}  // namespace visionpress
