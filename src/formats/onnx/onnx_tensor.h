#pragma once

// The values of a TensorProto: an initializer, or an attribute that is a tensor.
//
// The layout accepted (field numbers in onnx_schema.h):
//   TensorProto { dims 1, data_type 2, name 8, and one of: raw_data 9; the typed field of the type
//                 (float_data 4, int32_data 5, int64_data 7, double_data 10, uint64_data 11);
//                 data_location 14 = EXTERNAL with external_data 13 { location, offset, length } }
//   Elements are little-endian; those of 4 and 2 bits lie from the low bits up (raw_data), which is
//   also how int32_data holds them, one byte in each entry.

#include <deque>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/bytes.h"
#include "formats/onnx/onnx_external.h"
#include "formats/onnx/onnx_schema.h"
#include "model/tensor.h"
#include "visionpress/result.h"
#include "wire/protobuf_cursor.h"

namespace visionpress::onnx {

/// The protobuf's name in lower case ("float", "uint8", "bfloat16"), or "type 42".
[[nodiscard]] std::string name_of(DataType type);
/// Bits per element in raw_data; 0 if the type has no fixed size.
[[nodiscard]] int element_bits(DataType type);
/// Whether it is a floating-point type that is read.
[[nodiscard]] bool is_real(DataType type);
/// Whether it is an integer type. Truth values are not.
[[nodiscard]] bool is_whole(DataType type);
/// The graph's nearest DType.
[[nodiscard]] DType dtype_of(DataType type);

/// The range of an integer type of up to 32 bits, as doubles; for wider ones that of the whole
/// numbers that a double holds.
struct WholeRange {
  double low = 0.0;
  double high = 0.0;
};
[[nodiscard]] WholeRange range_of(DataType type);

/// A TensorProto of the file.
struct StoredTensor {
  std::string name = {};
  DataType dtype = DataType::Undefined;
  Shape shape = {};
  std::int64_t count = 1;  ///< elements of `shape`
  /// All elements, row-major and little-endian, packed where they have fewer than 8 bits. Borrowed
  /// from the file, from an external file, or from the pool. Empty for texts.
  Bytes payload = {};
  bool is_external = false;
  /// The TensorProto; the last of its frames is its place in the file.
  ProtobufMessage message = {};
};

/// Payloads that are not contiguous in the file: varints, and fields in several pieces.
using PayloadPool = std::deque<ByteBuffer>;

/// Reads type, shape and values. path: the start of each message.
/// errors: Malformed where the values do not fit the shape; Unsupported for a type that is not
/// read; those of ExternalFiles.
[[nodiscard]] Result<StoredTensor> read_tensor(ProtobufMessage message, const std::string& path,
                                               ExternalFiles& external, PayloadPool& pool);

/// All values of a tensor. int64 values beyond 2^53 become the nearest number within it.
[[nodiscard]] std::vector<double> load_values(const StoredTensor& tensor);
/// Element `at` of `count` packed elements.
[[nodiscard]] double load_value(Bytes payload, DataType type, std::size_t at);
/// The texts of a string tensor. errors: Malformed.
[[nodiscard]] Result<std::vector<std::string>> load_texts(const StoredTensor& tensor);

}  // namespace visionpress::onnx
