#include "formats/tflite/tflite_new_model.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <span>

#include "base/bytes.h"
#include "base/error.h"
#include "formats/tflite/tflite_model.h"
#include "formats/tflite/tflite_versions.h"

namespace visionpress::tflite {
namespace {

constexpr std::uint32_t kSchemaVersion = 3;
constexpr std::size_t kPayloadAlignment = 16;  ///< Buffer.data: force_align in the schema
constexpr const char* kDescription = "Visionpress converted.";

std::vector<std::int32_t> narrow(const Shape& shape) {
  std::vector<std::int32_t> sizes;
  for (const std::int64_t size : shape) sizes.push_back(static_cast<std::int32_t>(size));
  return sizes;
}

ByteBuffer copy_bytes(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

tfl::TensorType tensor_type(DType dtype) {
  switch (dtype) {
    case DType::Int32:
      return tfl::TensorType::INT32;
    case DType::Int64:
      return tfl::TensorType::INT64;
    case DType::Bool:
      return tfl::TensorType::BOOL;
    default:
      return tfl::TensorType::FLOAT32;
  }
}

/// Encodes values that a reader made in the type of their tensor.
ByteBuffer literal_bytes(const std::vector<float>& values, tfl::TensorType type) {
  if (type == tfl::TensorType::FLOAT32) return copy_bytes(std::as_bytes(std::span(values)));
  std::vector<std::int64_t> whole;
  whole.reserve(values.size());
  for (const float value : values) whole.push_back(static_cast<std::int64_t>(std::llrint(value)));
  if (type == tfl::TensorType::INT64) return copy_bytes(std::as_bytes(std::span(whole)));
  if (type == tfl::TensorType::INT32) {
    const std::vector<std::int32_t> narrowed = narrow(whole);
    return copy_bytes(std::as_bytes(std::span(narrowed)));
  }
  ByteBuffer truths(values.size(), std::byte{0});
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] != 0.0F) truths[i] = std::byte{1};
  }
  return truths;
}

/// The position of the 32-bit offset of a table's field, counted from `begin`.
std::size_t position_of_field(const tfl::Buffer& table, flatbuffers::voffset_t field,
                              const std::uint8_t* begin) {
  const auto* generic = view_as<const flatbuffers::Table>(&table);
  return static_cast<std::size_t>(generic->GetAddressOf(field) - begin);
}

}  // namespace

FileTensor NewModel::add_tensor(BuiltTensor tensor) {
  tensors_.push_back(std::move(tensor));
  return static_cast<FileTensor>(tensors_.size() - 1);
}

std::size_t NewModel::add_buffer(Bytes payload) {
  buffers_.push_back(payload);
  return buffers_.size() - 1;
}

Shape NewModel::sizes_of(TensorId id) const {
  const Tensor& tensor = graph_.tensor(id);
  Shape shape = tensor.shape;
  if (!shape.empty() && shape[0] < 0) shape[0] = 1;
  return shape;
}

tfl::TensorType NewModel::type_of(TensorId id) const {
  const Tensor& tensor = graph_.tensor(id);
  return tensor.weight ? tfl::TensorType::FLOAT32 : tensor_type(tensor.dtype);
}

FileTensor NewModel::file_tensor(TensorId id) {
  if (id == kNoTensor) return kAbsent;
  FileTensor& known = file_tensors_[static_cast<std::size_t>(id)];
  if (known != kAbsent) return known;
  const Tensor& source = graph_.tensor(id);
  BuiltTensor tensor;
  tensor.name = source.name;
  tensor.shape = sizes_of(id);
  tensor.type = type_of(id);
  tensor.open_batch = !source.is_constant() && !source.shape.empty() && source.shape[0] < 0;
  if (source.weight) {
    tensor.buffer = add_buffer(graph_.weights[*source.weight].stored.payload);
  } else if (!source.constant.empty()) {
    tensor.buffer = add_buffer(source.constant);
  } else if (!source.literal.empty()) {
    own_bytes_.push_back(literal_bytes(source.literal, tensor.type));
    tensor.buffer = add_buffer(own_bytes_.back());
  }
  known = add_tensor(std::move(tensor));
  return known;
}

FileTensor NewModel::add_constant(const std::string& name, tfl::TensorType type, const Shape& shape,
                                  ByteBuffer bytes) {
  std::string key = fmt::format("{} {}", static_cast<int>(type), to_string(shape));
  const auto [found, added] = constants_.try_emplace({std::move(key), bytes}, kAbsent);
  if (!added) return found->second;
  own_bytes_.push_back(std::move(bytes));
  BuiltTensor tensor;
  tensor.name = fmt::format("{}_{}", name, constants_.size());
  tensor.shape = shape;
  tensor.type = type;
  tensor.buffer = add_buffer(own_bytes_.back());
  found->second = add_tensor(std::move(tensor));
  return found->second;
}

FileTensor NewModel::add_integers(const std::vector<std::int64_t>& values, const Shape& shape) {
  const std::vector<std::int32_t> narrowed = narrow(values);
  return add_constant("const_int32", tfl::TensorType::INT32, shape,
                      copy_bytes(std::as_bytes(std::span(narrowed))));
}

FileTensor NewModel::add_scalar(float value) {
  return add_constant("const_float32", tfl::TensorType::FLOAT32, {},
                      copy_bytes(std::as_bytes(std::span(&value, 1))));
}

FileTensor NewModel::add_zeros(std::size_t count) {
  return add_constant("zeros", tfl::TensorType::FLOAT32, {static_cast<std::int64_t>(count)},
                      ByteBuffer(count * sizeof(float), std::byte{0}));
}

FileTensor NewModel::add_value(const std::string& name, const Shape& shape, tfl::TensorType type) {
  BuiltTensor tensor;
  tensor.name = name;
  tensor.shape = shape;
  tensor.type = type;
  return add_tensor(std::move(tensor));
}

void NewModel::add_operator(tfl::BuiltinOperator code, int version,
                            const std::vector<FileTensor>& inputs,
                            const std::vector<FileTensor>& outputs, const NewOptions& options) {
  const std::pair key(code, version);
  auto found = std::find(codes_.begin(), codes_.end(), key);
  if (found == codes_.end()) found = codes_.insert(codes_.end(), key);
  const auto index = static_cast<std::uint32_t>(found - codes_.begin());
  const auto input_vector = builder_.CreateVector(inputs);
  const auto output_vector = builder_.CreateVector(outputs);
  operators_.push_back(tfl::CreateOperator(builder_, index, input_vector, output_vector,
                                           options.type, options.table));
}

/// Writes the newest runtime that any operator needs, as converters do.
void NewModel::build_runtime_version() {
  std::string_view needed;
  for (const auto& [code, version] : codes_) {
    needed = later_runtime(needed, find_runtime(code, version));
  }
  ByteBuffer& text = own_bytes_.emplace_back(kRuntimeBytes, std::byte{0});
  std::memcpy(text.data(), needed.data(), std::min(needed.size(), kRuntimeBytes - 1));
  (void)add_buffer(text);
}

flatbuffers::Offset<tfl::SubGraph> NewModel::build_subgraph() {
  std::vector<FileTensor> inputs;
  std::vector<FileTensor> outputs;
  for (const TensorId id : graph_.inputs) inputs.push_back(file_tensor(id));
  for (const TensorId id : graph_.outputs) outputs.push_back(file_tensor(id));
  std::vector<flatbuffers::Offset<tfl::Tensor>> tensors;
  for (const BuiltTensor& built : tensors_) {
    const std::vector<std::int32_t> sizes = narrow(built.shape);
    const auto shape = builder_.CreateVector(sizes);
    const auto name = builder_.CreateString(built.name);
    flatbuffers::Offset<flatbuffers::Vector<std::int32_t>> signature;
    if (built.open_batch) {
      std::vector<std::int32_t> open = sizes;
      open[0] = -1;
      signature = builder_.CreateVector(open);
    }
    tfl::TensorBuilder tensor(builder_);
    tensor.add_shape(shape);
    tensor.add_type(built.type);
    tensor.add_buffer(static_cast<std::uint32_t>(built.buffer));
    tensor.add_name(name);
    if (built.open_batch) tensor.add_shape_signature(signature);
    tensors.push_back(tensor.Finish());
  }
  const auto tensor_vector = builder_.CreateVector(tensors);
  const auto input_vector = builder_.CreateVector(inputs);
  const auto output_vector = builder_.CreateVector(outputs);
  const auto operator_vector = builder_.CreateVector(operators_);
  return tfl::CreateSubGraph(builder_, tensor_vector, input_vector, output_vector, operator_vector,
                             builder_.CreateString("main"));
}

flatbuffers::Offset<tfl::SignatureDef> NewModel::build_signature() {
  const auto map = [this](const std::vector<TensorId>& ids) {
    std::vector<flatbuffers::Offset<tfl::TensorMap>> entries;
    for (const TensorId id : ids) {
      const auto name = builder_.CreateString(graph_.tensor(id).name);
      entries.push_back(
          tfl::CreateTensorMap(builder_, name, static_cast<std::uint32_t>(file_tensor(id))));
    }
    return builder_.CreateVector(entries);
  };
  const auto inputs = map(graph_.inputs);
  const auto outputs = map(graph_.outputs);
  return tfl::CreateSignatureDef(builder_, inputs, outputs,
                                 builder_.CreateString("serving_default"));
}

Result<FilePieces> NewModel::finish() {
  const auto subgraph = build_subgraph();
  const auto signature = build_signature();
  build_runtime_version();
  const auto runtime_buffer = static_cast<std::uint32_t>(buffers_.size() - 1);
  std::vector<flatbuffers::Offset<tfl::OperatorCode>> codes;
  for (const auto& [code, version] : codes_) {
    // Old runtimes read the byte; for operators with a larger code it holds 127.
    const auto byte = static_cast<std::int8_t>(std::min(static_cast<int>(code), 127));
    codes.push_back(tfl::CreateOperatorCode(builder_, byte, 0, version, code));
  }
  // Every table refers to one empty vector until lay_out knows the places of the payloads.
  const auto nothing = builder_.CreateVector(std::vector<std::uint8_t>());
  std::vector<flatbuffers::Offset<tfl::Buffer>> buffers;
  for (const Bytes payload : buffers_) {
    buffers.push_back(payload.empty() ? tfl::CreateBuffer(builder_)
                                      : tfl::CreateBuffer(builder_, nothing));
  }
  const auto metadata =
      tfl::CreateMetadata(builder_, builder_.CreateString(kRuntimeMetadata), runtime_buffer);
  const auto code_vector = builder_.CreateVector(codes);
  const auto subgraph_vector = builder_.CreateVector(std::vector{subgraph});
  const auto description = builder_.CreateString(kDescription);
  const auto buffer_vector = builder_.CreateVector(buffers);
  const auto metadata_vector = builder_.CreateVector(std::vector{metadata});
  const auto signature_vector = builder_.CreateVector(std::vector{signature});
  builder_.Finish(
      tfl::CreateModel(builder_, kSchemaVersion, code_vector, subgraph_vector, description,
                       buffer_vector, 0, metadata_vector, signature_vector),
      tfl::ModelIdentifier());
  return lay_out();
}

/// Lays out the structure, followed by each payload with its length in front. Offsets in a
/// flatbuffer lead forward, so payloads may follow all tables and need not be copied into the
/// builder.
Result<FilePieces> NewModel::lay_out() {
  const std::uint8_t* begin = builder_.GetBufferPointer();
  const auto* structure = view_as<const std::byte>(begin);
  FilePieces file;
  ByteBuffer head(structure, structure + builder_.GetSize());
  // The padding and length in front of each payload. Reserved at full size, because pieces borrow
  // from it and it must not move.
  ByteBuffer gaps;
  constexpr std::size_t kLengthBytes = sizeof(flatbuffers::uoffset_t);
  gaps.reserve(buffers_.size() * (kPayloadAlignment + kLengthBytes));
  const auto& tables = *tfl::GetModel(begin)->buffers();
  std::size_t at = head.size();
  std::vector<Bytes> pieces = {Bytes(head)};
  for (std::size_t i = 0; i < buffers_.size(); ++i) {
    const Bytes payload = buffers_[i];
    if (payload.empty()) continue;
    const std::size_t data =
        (at + kLengthBytes + kPayloadAlignment - 1) / kPayloadAlignment * kPayloadAlignment;
    if (payload.size() >= FLATBUFFERS_MAX_BUFFER_SIZE - data) {
      return fail(ErrorKind::Unsupported,
                  "the new file would have more than {} bytes, a flatbuffer holds less than {}",
                  data + payload.size(), FLATBUFFERS_MAX_BUFFER_SIZE);
    }
    const std::size_t gap_begin = gaps.size();
    gaps.resize(gap_begin + data - at, std::byte{0});
    store_le(MutableBytes(gaps), gaps.size() - kLengthBytes,
             static_cast<flatbuffers::uoffset_t>(payload.size()));
    pieces.push_back(Bytes(gaps).subspan(gap_begin));
    pieces.push_back(payload);
    const std::size_t field = position_of_field(at_index(tables, i), tfl::Buffer::VT_DATA, begin);
    store_le(MutableBytes(head), field,
             static_cast<flatbuffers::uoffset_t>(data - kLengthBytes - field));
    at = data + payload.size();
  }
  file.pieces = std::move(pieces);
  file.owned.push_back(std::move(head));
  file.owned.push_back(std::move(gaps));
  for (ByteBuffer& bytes : own_bytes_) file.owned.push_back(std::move(bytes));
  return file;
}

}  // namespace visionpress::tflite
