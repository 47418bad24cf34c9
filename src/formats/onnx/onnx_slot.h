#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "wire/protobuf_cursor.h"

namespace visionpress::onnx {

/// Where a weight lies in the file, and what decodes it there.
struct WeightSlot {
  /// The TensorProto in the graph's initializers; its frames end with its own.
  std::vector<ProtobufFrame> frames = {};
  std::string tensor_name = {};  ///< the initializer's
  std::string value_name = {};   ///< what its readers read: itself, or the output of `decoders`
  /// The fields of the nodes that decode it (DequantizeLinear, Cast), in order.
  std::vector<std::vector<ProtobufFrame>> decoders = {};
  std::vector<std::string> parameters = {};  ///< initializers that only the decoders read
  bool is_replaceable = false;               ///< false: in a function, a branch or an attribute
};

}  // namespace visionpress::onnx
