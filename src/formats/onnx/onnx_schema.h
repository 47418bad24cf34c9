#pragma once

// Field numbers and enum values of ONNX that are read or written here. Source: onnx/onnx
// onnx/onnx.proto, IR version 13 (release 1.22).

#include <cstdint>

namespace visionpress::onnx {

namespace model_field {
constexpr std::uint32_t kIrVersion = 1;
constexpr std::uint32_t kProducerName = 2;
constexpr std::uint32_t kProducerVersion = 3;
constexpr std::uint32_t kDocString = 6;
constexpr std::uint32_t kGraph = 7;
constexpr std::uint32_t kOpsetImport = 8;
constexpr std::uint32_t kMetadataProps = 14;
constexpr std::uint32_t kFunctions = 25;
}  // namespace model_field

namespace opset_field {
constexpr std::uint32_t kDomain = 1;
constexpr std::uint32_t kVersion = 2;
}  // namespace opset_field

/// StringStringEntryProto.
namespace entry_field {
constexpr std::uint32_t kKey = 1;
constexpr std::uint32_t kValue = 2;
}  // namespace entry_field

namespace graph_field {
constexpr std::uint32_t kNode = 1;
constexpr std::uint32_t kName = 2;
constexpr std::uint32_t kInitializer = 5;
constexpr std::uint32_t kInput = 11;
constexpr std::uint32_t kOutput = 12;
constexpr std::uint32_t kSparseInitializer = 15;
}  // namespace graph_field

namespace function_field {
constexpr std::uint32_t kName = 1;
constexpr std::uint32_t kInput = 4;
constexpr std::uint32_t kOutput = 5;
constexpr std::uint32_t kAttribute = 6;
constexpr std::uint32_t kNode = 7;
constexpr std::uint32_t kOpsetImport = 9;
constexpr std::uint32_t kDomain = 10;
constexpr std::uint32_t kAttributeProto = 11;
constexpr std::uint32_t kOverload = 13;
}  // namespace function_field

namespace node_field {
constexpr std::uint32_t kInput = 1;
constexpr std::uint32_t kOutput = 2;
constexpr std::uint32_t kName = 3;
constexpr std::uint32_t kOpType = 4;
constexpr std::uint32_t kAttribute = 5;
constexpr std::uint32_t kDomain = 7;
constexpr std::uint32_t kOverload = 8;
}  // namespace node_field

namespace attribute_field {
constexpr std::uint32_t kName = 1;
constexpr std::uint32_t kFloat = 2;
constexpr std::uint32_t kInt = 3;
constexpr std::uint32_t kString = 4;
constexpr std::uint32_t kTensor = 5;
constexpr std::uint32_t kGraph = 6;
constexpr std::uint32_t kFloats = 7;
constexpr std::uint32_t kInts = 8;
constexpr std::uint32_t kStrings = 9;
constexpr std::uint32_t kType = 20;
constexpr std::uint32_t kRefName = 21;
}  // namespace attribute_field

namespace value_info_field {
constexpr std::uint32_t kName = 1;
constexpr std::uint32_t kType = 2;
constexpr std::uint32_t kTensorType = 1;   ///< of TypeProto
constexpr std::uint32_t kElementType = 1;  ///< of TypeProto.Tensor
constexpr std::uint32_t kShape = 2;        ///< of TypeProto.Tensor
constexpr std::uint32_t kDim = 1;          ///< of TensorShapeProto
constexpr std::uint32_t kDimValue = 1;     ///< of TensorShapeProto.Dimension
constexpr std::uint32_t kDenotation = 6;   ///< of TypeProto
}  // namespace value_info_field

namespace tensor_field {
constexpr std::uint32_t kDims = 1;
constexpr std::uint32_t kDataType = 2;
constexpr std::uint32_t kSegment = 3;
constexpr std::uint32_t kFloatData = 4;
constexpr std::uint32_t kInt32Data = 5;
constexpr std::uint32_t kStringData = 6;
constexpr std::uint32_t kInt64Data = 7;
constexpr std::uint32_t kName = 8;
constexpr std::uint32_t kRawData = 9;
constexpr std::uint32_t kDoubleData = 10;
constexpr std::uint32_t kUint64Data = 11;
constexpr std::uint32_t kExternalData = 13;
constexpr std::uint32_t kDataLocation = 14;
}  // namespace tensor_field

constexpr std::uint64_t kLocationExternal = 1;  ///< of TensorProto.DataLocation

/// TensorProto.DataType.
enum class DataType : std::uint32_t {
  Undefined = 0,
  Float = 1,
  UInt8 = 2,
  Int8 = 3,
  UInt16 = 4,
  Int16 = 5,
  Int32 = 6,
  Int64 = 7,
  String = 8,
  Bool = 9,
  Float16 = 10,
  Double = 11,
  UInt32 = 12,
  UInt64 = 13,
  Complex64 = 14,
  Complex128 = 15,
  BFloat16 = 16,
  UInt4 = 21,
  Int4 = 22,
  UInt2 = 25,
  Int2 = 26,
};

/// The newest IR version and opset that are read.
constexpr std::int64_t kNewestIr = 13;
constexpr std::int64_t kNewestOpset = 27;
constexpr std::int64_t kOldestIr = 3;

}  // namespace visionpress::onnx
