#pragma once

// The values of a Const as stored in the file.
//
// The layout accepted (field numbers in graphdef_schema.h):
//   TensorProto { dtype 1, TensorShapeProto 2 { dim 2 { size 1 } ..., unknown_rank 3 },
//                 tensor_content 4, or a field of single values a type }

#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "formats/graphdef/graphdef_schema.h"
#include "model/tensor.h"
#include "visionpress/result.h"
#include "wire/protobuf_cursor.h"

namespace visionpress::graphdef {

/// The protobuf's name without DT_ ("float32", "quint8"), or "type 42".
[[nodiscard]] std::string name_of(DataType type);
/// Bytes per element in tensor_content; 0 if the type has no fixed size.
[[nodiscard]] std::size_t element_bytes(DataType type);
/// Whether it is a floating-point type.
[[nodiscard]] bool is_real(DataType type);
/// The graph's nearest DType.
[[nodiscard]] DType dtype_of(DataType type);

/// Reads a TensorShapeProto: nothing if the rank is open; -1 for an open size. errors: Malformed.
[[nodiscard]] Result<std::optional<Shape>> read_shape(const ProtobufMessage& message);

/// A TensorProto of the file.
struct StoredTensor {
  DataType dtype = DataType::Invalid;
  Shape shape = {};
  std::int64_t count = 1;  ///< elements of `shape`
  /// All `count` elements, row-major and little-endian; borrowed from the file. Empty if the file
  /// encodes the values in another way (one value for all, unpacked, as varints).
  Bytes payload = {};
  /// The TensorProto itself. frames: node, attr entry, AttrValue, tensor, outermost first.
  Bytes content = {};
  std::uint64_t offset = 0;
  std::vector<ProtobufFrame> frames = {};
};

/// Reads type and shape, and finds out whether the values are contiguous.
/// value: an AttrValue; place: the field in it that holds the TensorProto. errors: Malformed.
[[nodiscard]] Result<StoredTensor> read_tensor(const ProtobufMessage& value,
                                               const ProtobufField& place);

/// Loads all `count` values of a tensor from any encoding. If there are fewer values, the last one
/// is repeated; if there are none, all are zero (tensorflow/core/framework/tensor.cc,
/// FromProtoField).
/// errors: Unsupported for an element type that is not decoded; Malformed if the values do not fit
/// the shape, or if a few bytes would become more than 2^26 values. path: the start of each
/// message.
[[nodiscard]] Result<std::vector<double>> load_values(const StoredTensor& tensor,
                                                      const std::string& path);

}  // namespace visionpress::graphdef
