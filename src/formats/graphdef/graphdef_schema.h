#pragma once

// Field numbers and enum values of TensorFlow's GraphDef that are read here. Source:
// tensorflow/core/framework/{graph,node_def,attr_value,tensor,tensor_shape,types,versions}.proto,
// as of 2.18.

#include <cstdint>

namespace visionpress::graphdef {

namespace graph_field {
constexpr std::uint32_t kNode = 1;
constexpr std::uint32_t kLibrary = 2;
constexpr std::uint32_t kVersion = 3;  ///< deprecated, an integer
constexpr std::uint32_t kVersions = 4;
}  // namespace graph_field

namespace versions_field {
constexpr std::uint32_t kProducer = 1;
}  // namespace versions_field

namespace node_field {
constexpr std::uint32_t kName = 1;
constexpr std::uint32_t kOp = 2;
constexpr std::uint32_t kInput = 3;
constexpr std::uint32_t kDevice = 4;
constexpr std::uint32_t kAttr = 5;
constexpr std::uint32_t kAttrKey = 1;
constexpr std::uint32_t kAttrValue = 2;
}  // namespace node_field

namespace attr_field {
constexpr std::uint32_t kList = 1;
constexpr std::uint32_t kText = 2;
constexpr std::uint32_t kInt = 3;
constexpr std::uint32_t kFloat = 4;
constexpr std::uint32_t kBool = 5;
constexpr std::uint32_t kType = 6;
constexpr std::uint32_t kShape = 7;
constexpr std::uint32_t kTensor = 8;
/// In AttrValue.ListValue each list has the field number of its single value.
constexpr std::uint32_t kListInts = 3;
}  // namespace attr_field

namespace shape_field {
constexpr std::uint32_t kDim = 2;
constexpr std::uint32_t kUnknownRank = 3;
constexpr std::uint32_t kDimSize = 1;
}  // namespace shape_field

namespace tensor_field {
constexpr std::uint32_t kDType = 1;
constexpr std::uint32_t kShape = 2;
constexpr std::uint32_t kContent = 4;  ///< little-endian elements, row-major
constexpr std::uint32_t kFloat = 5;
constexpr std::uint32_t kDouble = 6;
constexpr std::uint32_t kInt = 7;  ///< int32, int16, int8, uint8, quint8
constexpr std::uint32_t kString = 8;
constexpr std::uint32_t kInt64 = 10;
constexpr std::uint32_t kBool = 11;
constexpr std::uint32_t kHalf = 13;  ///< float16, bfloat16: one varint each, its 16 bits
constexpr std::uint32_t kUInt32 = 16;
constexpr std::uint32_t kUInt64 = 17;
}  // namespace tensor_field

/// types.proto, enum DataType: the types that are read or named in messages.
enum class DataType : std::uint8_t {
  Invalid = 0,
  Float = 1,
  Double = 2,
  Int32 = 3,
  UInt8 = 4,
  Int16 = 5,
  Int8 = 6,
  String = 7,
  Int64 = 9,
  Bool = 10,
  QInt8 = 11,
  QUInt8 = 12,
  QInt32 = 13,
  BFloat16 = 14,
  QInt16 = 15,
  QUInt16 = 16,
  UInt16 = 17,
  Half = 19,
  Resource = 20,
  UInt32 = 22,
  UInt64 = 23,
};

}  // namespace visionpress::graphdef
