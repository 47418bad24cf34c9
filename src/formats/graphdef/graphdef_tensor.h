#pragma once

// The values of a Const as they lie in the file.
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

/// "float32", "quint8" ...: the protobuf's word without DT_, or "type 42".
[[nodiscard]] std::string name_of(DataType type);
/// Bytes of one element in tensor_content; 0 where it has no fixed size.
[[nodiscard]] std::size_t element_bytes(DataType type);
/// Whether it is a floating-point type.
[[nodiscard]] bool is_real(DataType type);
/// Nearest DType of the graph.
[[nodiscard]] DType dtype_of(DataType type);

/// A TensorShapeProto: nothing where the rank is open; -1 for an open size. errors: Malformed.
[[nodiscard]] Result<std::optional<Shape>> read_shape(const ProtobufMessage& message);

/// A TensorProto in the file.
struct StoredTensor {
  DataType dtype = DataType::Invalid;
  Shape shape = {};
  std::int64_t count = 1;  ///< elements of `shape`
  /// Whole elements, row-major, little-endian, all `count` of them; borrowed from the file. Empty
  /// where the file spells the values otherwise (one value for all, unpacked, as varints).
  Bytes payload = {};
  /// The TensorProto itself. frames: node, attr entry, AttrValue, tensor, outermost first.
  Bytes content = {};
  std::uint64_t offset = 0;
  std::vector<ProtobufFrame> frames = {};
};

/// Reads type and shape, then finds whether the values lie in one piece.
/// value: an AttrValue; place: its field that holds the TensorProto. errors: Malformed.
[[nodiscard]] Result<StoredTensor> read_tensor(const ProtobufMessage& value,
                                               const ProtobufField& place);

/// All `count` values of a tensor, whatever its spelling: the last of fewer values stands for the
/// rest, no value at all for zeros (tensorflow/core/framework/tensor.cc, FromProtoField).
/// errors: Unsupported for an element type without values here; Malformed when the values do not
/// fit the shape, or when a few bytes would become more than 2^26 values. path: in front of them.
[[nodiscard]] Result<std::vector<double>> load_values(const StoredTensor& tensor,
                                                      const std::string& path);

}  // namespace visionpress::graphdef
