#include "formats/onnx/onnx_tensor.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "base/half.h"

namespace visionpress::onnx {
namespace {

/// A type as it is read: its name, bits, and the field that holds it where raw_data does not.
struct TypeRow {
  DataType type;
  const char* name;
  int bits;
  std::uint32_t field;
  DType dtype;
};

constexpr std::array kTypes = std::to_array<TypeRow>({
    {DataType::Float, "float", 32, tensor_field::kFloatData, DType::Float32},
    {DataType::UInt8, "uint8", 8, tensor_field::kInt32Data, DType::UInt8},
    {DataType::Int8, "int8", 8, tensor_field::kInt32Data, DType::Int8},
    {DataType::UInt16, "uint16", 16, tensor_field::kInt32Data, DType::Other},
    {DataType::Int16, "int16", 16, tensor_field::kInt32Data, DType::Int16},
    {DataType::Int32, "int32", 32, tensor_field::kInt32Data, DType::Int32},
    {DataType::Int64, "int64", 64, tensor_field::kInt64Data, DType::Int64},
    {DataType::String, "string", 0, tensor_field::kStringData, DType::String},
    {DataType::Bool, "bool", 8, tensor_field::kInt32Data, DType::Bool},
    {DataType::Float16, "float16", 16, tensor_field::kInt32Data, DType::Float16},
    {DataType::Double, "double", 64, tensor_field::kDoubleData, DType::Float64},
    {DataType::UInt32, "uint32", 32, tensor_field::kUint64Data, DType::Other},
    {DataType::UInt64, "uint64", 64, tensor_field::kUint64Data, DType::Other},
    {DataType::BFloat16, "bfloat16", 16, tensor_field::kInt32Data, DType::Float32},
    {DataType::UInt4, "uint4", 4, tensor_field::kInt32Data, DType::UInt8},
    {DataType::Int4, "int4", 4, tensor_field::kInt32Data, DType::Int8},
    {DataType::UInt2, "uint2", 2, tensor_field::kInt32Data, DType::UInt8},
    {DataType::Int2, "int2", 2, tensor_field::kInt32Data, DType::Int8},
});

const TypeRow* find_type(DataType type) {
  const auto* row = std::ranges::find(kTypes, type, &TypeRow::type);
  return row == kTypes.end() ? nullptr : row;
}

/// Doubles hold every whole number up to here.
constexpr double kMostWhole = 9007199254740992.0;

double clamp_whole(double value) { return std::clamp(value, -kMostWhole, kMostWhole); }

tl::unexpected<Error> in_tensor(const std::string& path, Error error) {
  error.message = fmt::format("{}: {}", path, error.message);
  return tl::unexpected<Error>(std::move(error));
}

Result<Shape> read_shape(const ProtobufMessage& message, const std::string& path) {
  auto dims = message.read_ints(tensor_field::kDims);
  if (!dims) return in_tensor(path, dims.error());
  if (!element_count(*dims)) {
    return fail_at(ErrorKind::Malformed, message.offset(), "{}: shape {}, expected sizes", path,
                   to_string(*dims));
  }
  return std::move(*dims);
}

/// Bytes of `count` elements; nothing where they do not fit 63 bits.
std::optional<std::int64_t> payload_bytes(std::int64_t count, int bits) {
  const auto total = checked_multiply(count, bits);
  const auto rounded = total ? checked_add(*total, 7) : std::nullopt;
  return rounded ? std::optional<std::int64_t>(*rounded / 8) : std::nullopt;
}

bool is_in_typed_field(const ProtobufMessage& message) {
  constexpr std::array kTyped = {tensor_field::kFloatData, tensor_field::kInt32Data,
                                 tensor_field::kInt64Data, tensor_field::kDoubleData,
                                 tensor_field::kUint64Data};
  return std::ranges::any_of(kTyped, [&](std::uint32_t field) { return message.has(field); });
}

/// The bytes of fixed-size elements: the one packed field where there is one, else a copy.
Result<Bytes> gather_fixed(const ProtobufMessage& message, std::uint32_t number,
                           PayloadPool& pool) {
  std::vector<Bytes> pieces;
  ByteBuffer loose;  // of unpacked fields
  bool is_packed = true;
  for (const ProtobufField& field : message.fields()) {
    if (field.number != number) continue;
    if (field.type == ProtobufType::Delimited) {
      pieces.push_back(field.content);
      loose.insert(loose.end(), field.content.begin(), field.content.end());
      continue;
    }
    is_packed = false;
    const std::size_t width = field.type == ProtobufType::Fixed64 ? 8 : 4;
    const Bytes bits = view_bytes(std::span(&field.value, 1)).first(width);
    if (field.type == ProtobufType::Varint) {
      return fail_at(ErrorKind::Malformed, field.tag_offset,
                     "field {} holds whole numbers, expected floats", number);
    }
    loose.insert(loose.end(), bits.begin(), bits.end());
  }
  if (is_packed && pieces.size() == 1) return pieces.front();
  return Bytes(pool.emplace_back(std::move(loose)));
}

/// The bytes of elements that the file holds as varints. Elements of fewer than 8 bits are packed
/// already: each number is one byte of the packed stream.
Result<Bytes> gather_whole(const ProtobufMessage& message, std::uint32_t number, int bits,
                           PayloadPool& pool) {
  VP_ASSIGN_OR_RETURN(const std::vector<std::int64_t> values, message.read_ints(number));
  const std::size_t width = std::max<std::size_t>(static_cast<std::size_t>(bits) / 8, 1);
  ByteBuffer bytes(values.size() * width);
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::memcpy(bytes.data() + i * width, &values[i], width);
  }
  return Bytes(pool.emplace_back(std::move(bytes)));
}

Result<Bytes> read_payload(const StoredTensor& tensor, const TypeRow& row, const std::string& path,
                           ExternalFiles& external, PayloadPool& pool) {
  const ProtobufMessage& message = tensor.message;
  VP_ASSIGN_OR_RETURN(const std::uint64_t location, message.read_uint(tensor_field::kDataLocation));
  if (location == kLocationExternal) {
    const auto bytes = payload_bytes(tensor.count, row.bits);
    return external.read(message, path, static_cast<std::uint64_t>(bytes.value_or(0)));
  }
  if (const ProtobufField* raw = message.find_last(tensor_field::kRawData)) {
    if (raw->type == ProtobufType::Delimited) return raw->content;
    return fail_at(ErrorKind::Malformed, raw->tag_offset, "raw_data has wire type {}, expected 2",
                   static_cast<int>(raw->type));
  }
  if (row.field == tensor_field::kFloatData || row.field == tensor_field::kDoubleData) {
    return gather_fixed(message, row.field, pool);
  }
  return gather_whole(message, row.field, row.bits, pool);
}

Result<void> check_payload(const StoredTensor& tensor, const TypeRow& row,
                           const std::string& path) {
  const auto expected = payload_bytes(tensor.count, row.bits);
  if (expected && static_cast<std::uint64_t>(*expected) == tensor.payload.size()) return {};
  const char* where = tensor.message.has(tensor_field::kRawData) ? "raw_data"
                      : is_in_typed_field(tensor.message)        ? "its typed field"
                                                                 : "the payload";
  return fail_at(ErrorKind::Malformed, tensor.message.offset(),
                 "{}: {} is {} bytes, shape {} of {} needs {}", path, where, tensor.payload.size(),
                 to_string(tensor.shape), row.name,
                 expected ? std::to_string(*expected) : "more than 2^60 bytes");
}

/// Element `at` of a stream of elements of 4 or 2 bits, from the low bits of each byte up.
double load_packed(Bytes payload, int bits, bool is_signed, std::size_t at) {
  const std::size_t bit = at * static_cast<std::size_t>(bits);
  const unsigned mask = (1U << static_cast<unsigned>(bits)) - 1;
  const unsigned code = (std::to_integer<unsigned>(payload[bit / 8]) >> (bit % 8)) & mask;
  const bool is_negative = is_signed && (code & ((mask + 1) / 2)) != 0;
  return static_cast<double>(code) - (is_negative ? static_cast<double>(mask) + 1.0 : 0.0);
}

template <typename T>
double load_number(Bytes payload, std::size_t at) {
  return static_cast<double>(load_le<T>(payload, at * sizeof(T)));
}

}  // namespace

std::string name_of(DataType type) {
  const TypeRow* row = find_type(type);
  return row != nullptr ? row->name : fmt::format("type {}", static_cast<unsigned>(type));
}

int element_bits(DataType type) {
  const TypeRow* row = find_type(type);
  return row != nullptr ? row->bits : 0;
}

bool is_real(DataType type) {
  return type == DataType::Float || type == DataType::Float16 || type == DataType::BFloat16 ||
         type == DataType::Double;
}

bool is_whole(DataType type) {
  const TypeRow* row = find_type(type);
  return row != nullptr && !is_real(type) && type != DataType::String && type != DataType::Bool;
}

DType dtype_of(DataType type) {
  const TypeRow* row = find_type(type);
  return row != nullptr ? row->dtype : DType::Other;
}

WholeRange range_of(DataType type) {
  const int bits = element_bits(type);
  const bool is_unsigned = type == DataType::UInt8 || type == DataType::UInt16 ||
                           type == DataType::UInt32 || type == DataType::UInt4 ||
                           type == DataType::UInt2 || type == DataType::Bool;
  if (type == DataType::UInt64) return {0.0, kMostWhole};
  if (bits == 0 || bits > 32) return {-kMostWhole, kMostWhole};
  if (type == DataType::Bool) return {0.0, 1.0};
  const double count = static_cast<double>(std::uint64_t{1} << static_cast<unsigned>(bits));
  return is_unsigned ? WholeRange{0.0, count - 1.0} : WholeRange{-count / 2, count / 2 - 1.0};
}

Result<StoredTensor> read_tensor(ProtobufMessage message, const std::string& path,
                                 ExternalFiles& external, PayloadPool& pool) {
  StoredTensor tensor;
  auto type = message.read_uint(tensor_field::kDataType);
  if (!type) return in_tensor(path, type.error());
  tensor.dtype = static_cast<DataType>(*type > 0xffff ? 0xffff : *type);
  const TypeRow* row = find_type(tensor.dtype);
  if (row == nullptr) {
    return fail_at(ErrorKind::Unsupported, message.offset(),
                   "{}: its elements are of {}, which is not read", path, name_of(tensor.dtype));
  }
  VP_ASSIGN_OR_RETURN(tensor.shape, read_shape(message, path));
  tensor.count = *element_count(tensor.shape);
  auto name = message.read_text(tensor_field::kName);
  if (!name) return in_tensor(path, name.error());
  tensor.name = std::move(*name);
  if (message.has(tensor_field::kSegment)) {
    return fail_at(ErrorKind::Unsupported, message.offset(),
                   "{}: it is one segment of a tensor, which is not read", path);
  }
  tensor.message = std::move(message);
  if (tensor.dtype == DataType::String) return tensor;
  auto location = tensor.message.read_uint(tensor_field::kDataLocation);
  if (!location) return in_tensor(path, location.error());
  tensor.is_external = *location == kLocationExternal;
  auto payload = read_payload(tensor, *row, path, external, pool);
  if (!payload) {
    return tensor.is_external ? tl::unexpected<Error>(std::move(payload).error())
                              : in_tensor(path, payload.error());
  }
  tensor.payload = *payload;
  VP_RETURN_IF_ERROR(check_payload(tensor, *row, path));
  return tensor;
}

double load_value(Bytes payload, DataType type, std::size_t at) {
  switch (type) {
    case DataType::Float:
      return load_number<float>(payload, at);
    case DataType::Double:
      return load_number<double>(payload, at);
    case DataType::Float16:
      return static_cast<double>(half_to_float(load_le<std::uint16_t>(payload, at * 2)));
    case DataType::BFloat16: {
      const std::uint32_t high = load_le<std::uint16_t>(payload, at * 2);
      return static_cast<double>(std::bit_cast<float>(high << 16));
    }
    case DataType::UInt8:
      return load_number<std::uint8_t>(payload, at);
    case DataType::Bool:
      return load_le<std::uint8_t>(payload, at) != 0 ? 1.0 : 0.0;
    case DataType::Int8:
      return load_number<std::int8_t>(payload, at);
    case DataType::UInt16:
      return load_number<std::uint16_t>(payload, at);
    case DataType::Int16:
      return load_number<std::int16_t>(payload, at);
    case DataType::Int32:
      return load_number<std::int32_t>(payload, at);
    case DataType::UInt32:
      return load_number<std::uint32_t>(payload, at);
    case DataType::Int64:
      return clamp_whole(load_number<std::int64_t>(payload, at));
    case DataType::UInt64:
      return clamp_whole(load_number<std::uint64_t>(payload, at));
    case DataType::UInt4:
    case DataType::UInt2:
      return load_packed(payload, element_bits(type), false, at);
    case DataType::Int4:
    case DataType::Int2:
      return load_packed(payload, element_bits(type), true, at);
    default:
      return 0.0;
  }
}

std::vector<double> load_values(const StoredTensor& tensor) {
  std::vector<double> values(static_cast<std::size_t>(tensor.count));
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = load_value(tensor.payload, tensor.dtype, i);
  }
  return values;
}

Result<std::vector<std::string>> load_texts(const StoredTensor& tensor) {
  return tensor.message.read_texts(tensor_field::kStringData);
}

}  // namespace visionpress::onnx
