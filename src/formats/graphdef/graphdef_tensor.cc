#include "formats/graphdef/graphdef_tensor.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/error.h"
#include "base/half.h"
#include "wire/varint.h"

namespace visionpress::graphdef {
namespace {

/// The field of TensorProto that holds single values of a type.
std::uint32_t values_field(DataType type) {
  switch (type) {
    case DataType::Float:
      return tensor_field::kFloat;
    case DataType::Double:
      return tensor_field::kDouble;
    case DataType::Int32:
    case DataType::UInt8:
    case DataType::Int16:
    case DataType::Int8:
    case DataType::QInt8:
    case DataType::QUInt8:
    case DataType::QInt32:
    case DataType::QInt16:
    case DataType::QUInt16:
    case DataType::UInt16:
      return tensor_field::kInt;
    case DataType::UInt32:
      return tensor_field::kUInt32;
    case DataType::UInt64:
      return tensor_field::kUInt64;
    case DataType::Int64:
      return tensor_field::kInt64;
    case DataType::Bool:
      return tensor_field::kBool;
    case DataType::Half:
    case DataType::BFloat16:
      return tensor_field::kHalf;
    default:
      return 0;
  }
}

Result<void> check_content(const StoredTensor& tensor, const ProtobufField& field) {
  const auto wanted =
      checked_multiply(tensor.count, static_cast<std::int64_t>(element_bytes(tensor.dtype)));
  if (field.type == ProtobufType::Delimited && element_bytes(tensor.dtype) != 0 && wanted &&
      static_cast<std::uint64_t>(*wanted) == field.content.size()) {
    return {};
  }
  return fail_at(ErrorKind::Malformed, field.tag_offset,
                 "tensor_content is {} bytes, {} of shape {} needs {}", field.content.size(),
                 name_of(tensor.dtype), to_string(tensor.shape), wanted.value_or(-1));
}

template <typename T>
void load_elements(Bytes payload, std::vector<double>& values) {
  for (std::size_t at = 0; at < payload.size(); at += sizeof(T)) {
    values.push_back(static_cast<double>(load_le<T>(payload, at)));
  }
}

/// Reads the numbers of a packed field.
Result<std::vector<std::uint64_t>> read_varints(const ProtobufField& field) {
  std::vector<std::uint64_t> values;
  for (std::size_t at = 0; at < field.content.size();) {
    const auto value = read_varint(field.content, at);
    if (!value) {
      return fail_at(ErrorKind::Malformed, field.content_offset,
                     "field {}: a packed number is cut short or too long", field.number);
    }
    values.push_back(*value);
  }
  return values;
}

/// Converts a bfloat16, which is the upper half of a float32.
float bfloat16_to_float(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16U);
}

Result<void> load_payload(const StoredTensor& tensor, std::vector<double>& values) {
  switch (tensor.dtype) {
    case DataType::Float:
      load_elements<float>(tensor.payload, values);
      return {};
    case DataType::Double:
      load_elements<double>(tensor.payload, values);
      return {};
    case DataType::Int32:
    case DataType::QInt32:
      load_elements<std::int32_t>(tensor.payload, values);
      return {};
    case DataType::Int64:
      load_elements<std::int64_t>(tensor.payload, values);
      return {};
    case DataType::Int16:
    case DataType::QInt16:
      load_elements<std::int16_t>(tensor.payload, values);
      return {};
    case DataType::UInt16:
    case DataType::QUInt16:
      load_elements<std::uint16_t>(tensor.payload, values);
      return {};
    case DataType::UInt32:
      load_elements<std::uint32_t>(tensor.payload, values);
      return {};
    case DataType::UInt64:
      load_elements<std::uint64_t>(tensor.payload, values);
      return {};
    case DataType::BFloat16:
      for (std::size_t at = 0; at < tensor.payload.size(); at += 2) {
        values.push_back(bfloat16_to_float(load_le<std::uint16_t>(tensor.payload, at)));
      }
      return {};
    case DataType::Int8:
    case DataType::QInt8:
      load_elements<std::int8_t>(tensor.payload, values);
      return {};
    case DataType::UInt8:
    case DataType::QUInt8:
    case DataType::Bool:
      load_elements<std::uint8_t>(tensor.payload, values);
      return {};
    case DataType::Half:
      for (std::size_t at = 0; at < tensor.payload.size(); at += 2) {
        values.push_back(half_to_float(load_le<std::uint16_t>(tensor.payload, at)));
      }
      return {};
    default:
      return fail_at(ErrorKind::Unsupported, tensor.offset, "values of type {} are not read",
                     name_of(tensor.dtype));
  }
}

/// Reads the values of one field of any wire type. A tensor may have very many unpacked values, so
/// they are read one by one, without a list of them in between.
Result<void> load_field(const ProtobufField& field, DataType type, std::vector<double>& values) {
  const auto add_varint = [&](std::uint64_t bits) {
    if (type == DataType::Half) {
      values.push_back(half_to_float(static_cast<std::uint16_t>(bits)));
    } else if (type == DataType::BFloat16) {
      values.push_back(bfloat16_to_float(static_cast<std::uint16_t>(bits)));
    } else if (type == DataType::Int64) {
      values.push_back(static_cast<double>(std::bit_cast<std::int64_t>(bits)));
    } else if (type == DataType::UInt32 || type == DataType::UInt64) {
      values.push_back(static_cast<double>(bits));
    } else {
      values.push_back(static_cast<std::int32_t>(static_cast<std::uint32_t>(bits)));
    }
  };
  if (field.type == ProtobufType::Fixed32 && type == DataType::Float) {
    values.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(field.value)));
    return {};
  }
  if (field.type == ProtobufType::Fixed64 && type == DataType::Double) {
    values.push_back(std::bit_cast<double>(field.value));
    return {};
  }
  const bool is_fixed = type == DataType::Float || type == DataType::Double;
  if (field.type == ProtobufType::Varint && !is_fixed) {
    add_varint(field.value);
    return {};
  }
  if (field.type == ProtobufType::Delimited && !is_fixed) {
    VP_ASSIGN_OR_RETURN(const auto packed, read_varints(field));
    for (const std::uint64_t bits : packed) add_varint(bits);
    return {};
  }
  const std::size_t size = type == DataType::Float ? sizeof(float) : sizeof(double);
  if (field.type == ProtobufType::Delimited && field.content.size() % size == 0) {
    if (type == DataType::Float) load_elements<float>(field.content, values);
    if (type == DataType::Double) load_elements<double>(field.content, values);
    return {};
  }
  return fail_at(ErrorKind::Malformed, field.tag_offset, "field {} holds no {} values",
                 field.number, name_of(type));
}

}  // namespace

Result<std::optional<Shape>> read_shape(const ProtobufMessage& message) {
  VP_ASSIGN_OR_RETURN(const bool open, message.read_bool(shape_field::kUnknownRank));
  if (open) return std::optional<Shape>();
  Shape shape;
  for (const ProtobufField& field : message.fields()) {
    if (field.number != shape_field::kDim) continue;
    VP_ASSIGN_OR_RETURN(const ProtobufMessage dim, message.open(field));
    VP_ASSIGN_OR_RETURN(const std::int64_t size, dim.read_int(shape_field::kDimSize));
    if (size < -1) {
      return fail_at(ErrorKind::Malformed, dim.offset(), "a size of {}", size);
    }
    shape.push_back(size);
  }
  return std::optional<Shape>(std::move(shape));
}

namespace {

/// The fields of a TensorProto that may hold its values.
struct ValueFields {
  std::vector<ProtobufField> contents = {};  ///< tensor_content and packed float_val
  std::size_t packed = 0;                    ///< how many of `contents` are packed
  std::size_t others = 0;  ///< number of other fields, including values in other forms
};

Result<void> read_tensor_field(const ProtobufField& field, StoredTensor& tensor,
                               ValueFields& found) {
  if (field.number == tensor_field::kDType && field.type == ProtobufType::Varint) {
    tensor.dtype = static_cast<DataType>(field.value < 256 ? field.value : 0);
  } else if (field.number == tensor_field::kShape && field.type == ProtobufType::Delimited) {
    VP_ASSIGN_OR_RETURN(const ProtobufMessage whole, ProtobufMessage::read_file(field.content));
    VP_ASSIGN_OR_RETURN(auto shape, read_shape(whole));
    if (!shape)
      return fail_at(ErrorKind::Malformed, field.tag_offset, "a constant of unknown rank");
    tensor.shape = std::move(*shape);
  } else if (field.number == tensor_field::kContent) {
    found.contents.push_back(field);
  } else if (field.number == tensor_field::kFloat && field.type == ProtobufType::Delimited) {
    found.contents.push_back(field);
    ++found.packed;
  } else {
    ++found.others;
  }
  return {};
}

/// Chooses the payload that can be borrowed, if there is exactly one.
Result<void> choose_payload(ValueFields found, StoredTensor& tensor) {
  // In proto3, an empty tensor_content equals an absent one.
  std::erase_if(found.contents, [](const ProtobufField& field) { return field.content.empty(); });
  if (found.contents.size() > 1 && found.packed < found.contents.size()) {
    return fail_at(ErrorKind::Malformed, found.contents.back().tag_offset,
                   "tensor_content beside other values");
  }
  if (found.contents.size() != 1) return {};
  const ProtobufField& content = found.contents.front();
  if (found.packed == 0) {
    if (element_bytes(tensor.dtype) == 0) return {};  // elements of this type are not read
    VP_RETURN_IF_ERROR(check_content(tensor, content));
    tensor.payload = content.content;
  } else if (found.others == 0 && tensor.dtype == DataType::Float &&
             check_content(tensor, content)) {
    tensor.payload = content.content;
  }
  return {};
}

}  // namespace

Result<StoredTensor> read_tensor(const ProtobufMessage& value, const ProtobufField& place) {
  StoredTensor tensor;
  tensor.content = place.content;
  tensor.offset = place.content_offset;
  tensor.frames = value.frames();
  tensor.frames.push_back(
      {place.tag_offset, place.length_offset, place.content_offset, place.end_offset});
  ValueFields found;
  ProtobufCursor cursor(place.content, place.content_offset);
  for (;;) {
    VP_ASSIGN_OR_RETURN(const bool more, cursor.next());
    if (!more) break;
    VP_RETURN_IF_ERROR(read_tensor_field(cursor.field(), tensor, found));
  }
  const auto count = element_count(tensor.shape);
  if (!count) {
    return fail_at(ErrorKind::Malformed, tensor.offset, "a constant of shape {}",
                   to_string(tensor.shape));
  }
  tensor.count = *count;
  VP_RETURN_IF_ERROR(choose_payload(std::move(found), tensor));
  return tensor;
}

Result<std::vector<double>> load_values(const StoredTensor& tensor, const std::string& path) {
  constexpr std::int64_t kMostValues = std::int64_t{1} << 26;
  std::vector<double> values;
  const auto load = [&]() -> Result<void> {
    if (!tensor.payload.empty()) return load_payload(tensor, values);
    const std::uint32_t wanted = values_field(tensor.dtype);
    if (wanted == 0) {
      return fail_at(ErrorKind::Unsupported, tensor.offset, "values of type {} are not read",
                     name_of(tensor.dtype));
    }
    ProtobufCursor cursor(tensor.content, tensor.offset);
    for (;;) {
      VP_ASSIGN_OR_RETURN(const bool more, cursor.next());
      if (!more) break;
      if (cursor.field().number != wanted) continue;
      VP_RETURN_IF_ERROR(load_field(cursor.field(), tensor.dtype, values));
    }
    const auto given = static_cast<std::int64_t>(values.size());
    if (given > tensor.count) {
      return fail_at(ErrorKind::Malformed, tensor.offset, "{} values for the shape {}", given,
                     to_string(tensor.shape));
    }
    if (tensor.count > kMostValues) {
      return fail_at(ErrorKind::Malformed, tensor.offset, "{} values stand for a shape of {}",
                     given, to_string(tensor.shape));
    }
    values.resize(static_cast<std::size_t>(tensor.count), values.empty() ? 0.0 : values.back());
    return {};
  };
  if (const auto loaded = load(); !loaded) {
    Error error = loaded.error();
    error.message = fmt::format("{}: {}", path, error.message);
    return tl::unexpected<Error>(std::move(error));
  }
  return values;
}

std::string name_of(DataType type) {
  switch (type) {
    case DataType::Float:
      return "float32";
    case DataType::Double:
      return "float64";
    case DataType::Int32:
      return "int32";
    case DataType::UInt8:
      return "uint8";
    case DataType::Int16:
      return "int16";
    case DataType::Int8:
      return "int8";
    case DataType::String:
      return "string";
    case DataType::Int64:
      return "int64";
    case DataType::Bool:
      return "bool";
    case DataType::QInt8:
      return "qint8";
    case DataType::QUInt8:
      return "quint8";
    case DataType::QInt32:
      return "qint32";
    case DataType::BFloat16:
      return "bfloat16";
    case DataType::QInt16:
      return "qint16";
    case DataType::QUInt16:
      return "quint16";
    case DataType::UInt16:
      return "uint16";
    case DataType::UInt32:
      return "uint32";
    case DataType::UInt64:
      return "uint64";
    case DataType::Half:
      return "float16";
    case DataType::Resource:
      return "resource";
    case DataType::Invalid:
      return "no type";
  }
  return fmt::format("type {}", static_cast<int>(type));
}

bool is_real(DataType type) {
  return type == DataType::Float || type == DataType::Double || type == DataType::Half ||
         type == DataType::BFloat16;
}

std::size_t element_bytes(DataType type) {
  switch (type) {
    case DataType::BFloat16:
    case DataType::QInt16:
    case DataType::QUInt16:
    case DataType::UInt16:
      return 2;
    case DataType::UInt32:
      return 4;
    case DataType::UInt64:
      return 8;
    case DataType::QInt8:
    case DataType::QUInt8:
      return 1;
    case DataType::QInt32:
      return 4;
    default:
      return visionpress::element_bytes(dtype_of(type));
  }
}

DType dtype_of(DataType type) {
  switch (type) {
    case DataType::Float:
      return DType::Float32;
    case DataType::Double:
      return DType::Float64;
    case DataType::Int32:
      return DType::Int32;
    case DataType::UInt8:
      return DType::UInt8;
    case DataType::Int16:
      return DType::Int16;
    case DataType::Int8:
      return DType::Int8;
    case DataType::String:
      return DType::String;
    case DataType::Int64:
      return DType::Int64;
    case DataType::Bool:
      return DType::Bool;
    case DataType::Half:
      return DType::Float16;
    default:
      return DType::Other;
  }
}

}  // namespace visionpress::graphdef
