// Rewrites a TFLite file. A rewrite keeps every table, string, vector and stored default, the
// indices of tensors, buffers and operator codes, an appended archive, and other bytes after the
// flatbuffer. It does not keep byte positions. An edit changes the weight's buffer, its tensor's
// type and quantization, and the code and inputs of the operators that read it. New tensors,
// buffers and codes follow the existing ones; new DEQUANTIZE operators stand before the first
// operator that reads their result.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "formats/tflite/tflite_model.h"
#include "formats/tflite/tflite_rewrite_plan.h"
#include "formats/tflite/tflite_versions.h"
#include "model/bit_packing.h"
#include "wire/flatbuffer_copy.h"

namespace visionpress {
namespace {

using tflite::NewCode;
using tflite::NewDequantize;
using tflite::NewTensor;
using tflite::PlannedEdit;
using tflite::RewritePlan;

constexpr std::size_t kBufferAlignment = 16;

/// Space for the parts that an edit adds in addition to its payload: a tensor, an operator, a
/// quantization table.
constexpr std::size_t kEditOverheadBytes = 1024;
constexpr std::size_t kSpareBytes = 65536;

/// Allocates the builder's memory and keeps it afterwards, so that the finished bytes are not
/// copied.
class PieceAllocator final : public flatbuffers::Allocator {
 public:
  std::uint8_t* allocate(std::size_t size) override {
    blocks_.emplace_back(size);
    return begin_of(blocks_.back());
  }
  void deallocate(std::uint8_t* block, std::size_t /*size*/) override {
    std::erase_if(blocks_, [block](auto& held) { return begin_of(held) == block; });
  }
  /// The block that the builder released.
  ByteBuffer take() { return std::move(blocks_.back()); }

 private:
  static std::uint8_t* begin_of(ByteBuffer& block) { return view_as<std::uint8_t>(block.data()); }
  std::vector<ByteBuffer> blocks_ = {};
};

/// Converts a slot offset, by which generated code names a field, to the field's id.
constexpr std::size_t field_of(int slot) { return static_cast<std::size_t>((slot - 4) / 2); }

class TfliteWriter {
 public:
  TfliteWriter(const TfliteModel& model, const RewritePlan& plan)
      : model_(model),
        root_(model.root),
        subgraph_(at_index(*model.root.subgraphs(), 0)),
        plan_(plan) {}

  Result<FilePieces> write();

 private:
  const tfl::Operator& source_operator(std::size_t index) const {
    return at_index(*subgraph_.operators(), index);
  }
  const tfl::Tensor& source_tensor(std::size_t index) const {
    return at_index(*subgraph_.tensors(), index);
  }
  std::size_t expected_bytes() const;
  Result<void> build_edits(FlatbufferCopier& copier, flatbuffers::FlatBufferBuilder& builder);
  void build_outside(FlatbufferCopier& copier, flatbuffers::FlatBufferBuilder& builder);
  std::size_t outside_end() const;
  Result<void> build_buffers(FlatbufferCopier& copier, flatbuffers::FlatBufferBuilder& builder);
  Result<void> build_tensors(FlatbufferCopier& copier, flatbuffers::FlatBufferBuilder& builder);
  Result<void> build_operators(FlatbufferCopier& copier, flatbuffers::FlatBufferBuilder& builder);
  Result<void> build_codes(FlatbufferCopier& copier, flatbuffers::FlatBufferBuilder& builder);
  void build_runtime_version(FlatbufferCopier& copier, flatbuffers::FlatBufferBuilder& builder);
  static FlatbufferOffset copy_payload(Bytes payload, flatbuffers::FlatBufferBuilder& builder);
  FlatbufferOffset borrow_payload(Bytes payload, flatbuffers::FlatBufferBuilder& builder);
  void list_pieces(Bytes block, std::size_t begin, FilePieces& file) const;
  Result<void> append_rest(std::size_t source_end, std::size_t written, FilePieces& file) const;

  /// A payload that is not copied into the flatbuffer.
  struct BorrowedPayload {
    std::size_t from_end = 0;  ///< of the flatbuffer to the payload's first byte
    Bytes bytes = {};
  };

  const TfliteModel& model_;
  const tfl::Model& root_;
  const tfl::SubGraph& subgraph_;
  const RewritePlan& plan_;
  std::vector<BorrowedPayload> borrowed_ = {};
  std::vector<ByteBuffer> packed_ = {};
};

/// An upper bound of the new flatbuffer's size, so that the builder never has to grow: growing
/// would copy the bytes and hold both copies at once.
std::size_t TfliteWriter::expected_bytes() const {
  std::size_t payload = 0;
  for (std::size_t i = 0; i < size_of(root_.buffers()); ++i) {
    payload += view_payload(model_.file, at_index(*root_.buffers(), i)).size();
  }
  const std::size_t file = model_.archive ? model_.archive->begin : model_.file.size();
  const std::size_t structure = file - std::min(file, payload);
  std::size_t kept = payload;
  for (const PlannedEdit& edit : plan_.edits) {
    const std::size_t source = source_tensor(edit.place->tensor_index).buffer();
    kept += edit.scales.size() * (sizeof(float) + sizeof(std::int64_t)) + kEditOverheadBytes;
    if (edit.shares_buffer) continue;
    if (edit.buffer == source)
      kept -= view_payload(model_.file, at_index(*root_.buffers(), source)).size();
    kept += edit.value->codes.size();
  }
  return kept + structure + structure / 4 + kBufferAlignment * size_of(root_.buffers()) +
         kSpareBytes;
}

FlatbufferOffset TfliteWriter::copy_payload(Bytes payload,
                                            flatbuffers::FlatBufferBuilder& builder) {
  builder.ForceVectorAlignment(payload.size(), 1, kBufferAlignment);
  builder.StartVector(payload.size(), 1);
  builder.PushBytes(view_as<const std::uint8_t>(payload.data()), payload.size());
  return builder.EndVector(payload.size());
}

/// Leaves a gap that the file's pieces fill: its memory is never touched, so that the system never
/// provides it. payload: outlives the pieces.
FlatbufferOffset TfliteWriter::borrow_payload(Bytes payload,
                                              flatbuffers::FlatBufferBuilder& builder) {
  constexpr std::size_t kLeast = 65536;  // below it, a copy costs less than a piece
  if (payload.size() < kLeast) return copy_payload(payload, builder);
  builder.ForceVectorAlignment(payload.size(), 1, kBufferAlignment);
  std::uint8_t* unset = nullptr;
  const FlatbufferOffset offset = builder.CreateUninitializedVector(payload.size(), 1, &unset);
  borrowed_.push_back({.from_end = offset - sizeof(FlatbufferOffset), .bytes = payload});
  return offset;
}

/// The flatbuffer, which is block[begin, end), with the borrowed payloads in their gaps.
void TfliteWriter::list_pieces(Bytes block, std::size_t begin, FilePieces& file) const {
  // Later payloads lie before earlier ones.
  std::size_t at = begin;
  for (auto payload = borrowed_.rbegin(); payload != borrowed_.rend(); ++payload) {
    const std::size_t gap = block.size() - payload->from_end;
    file.pieces.push_back(block.subspan(at, gap - at));
    file.pieces.push_back(payload->bytes);
    at = gap + payload->bytes.size();
  }
  file.pieces.push_back(block.subspan(at));
}

/// Moves buffers and options from outside into the flatbuffer, because the file offsets that refer
/// to them would change.
void TfliteWriter::build_outside(FlatbufferCopier& copier,
                                 flatbuffers::FlatBufferBuilder& builder) {
  for (std::size_t i = 0; i < size_of(root_.buffers()); ++i) {
    const auto& buffer = at_index(*root_.buffers(), i);
    if (buffer.offset() <= 1) continue;
    copier.remove(&buffer, field_of(tfl::Buffer::VT_OFFSET));
    copier.remove(&buffer, field_of(tfl::Buffer::VT_SIZE));
    const bool is_replaced =
        std::ranges::any_of(plan_.edits, [i](const PlannedEdit& edit) { return edit.buffer == i; });
    if (is_replaced || plan_.dropped_buffers.contains(i)) continue;
    copier.replace_offset(&buffer, field_of(tfl::Buffer::VT_DATA),
                          borrow_payload(view_payload(model_.file, buffer), builder));
  }
  for (std::size_t s = 0; s < root_.subgraphs()->size(); ++s) {
    const auto& subgraph = at_index(*root_.subgraphs(), s);
    for (std::size_t i = 0; i < size_of(subgraph.operators()); ++i) {
      const auto& operation = at_index(*subgraph.operators(), i);
      if (operation.large_custom_options_offset() <= 1) continue;
      copier.remove(&operation, field_of(tfl::Operator::VT_LARGE_CUSTOM_OPTIONS_OFFSET));
      copier.remove(&operation, field_of(tfl::Operator::VT_LARGE_CUSTOM_OPTIONS_SIZE));
      copier.replace_offset(&operation, field_of(tfl::Operator::VT_CUSTOM_OPTIONS),
                            borrow_payload(view_options(model_.file, operation), builder));
    }
  }
}

/// The end of the last buffer or options outside of the flatbuffer.
std::size_t TfliteWriter::outside_end() const {
  std::size_t end = 0;
  for (std::size_t i = 0; i < size_of(root_.buffers()); ++i) {
    const auto& buffer = at_index(*root_.buffers(), i);
    if (buffer.offset() > 1) end = std::max<std::size_t>(end, buffer.offset() + buffer.size());
  }
  for (std::size_t s = 0; s < root_.subgraphs()->size(); ++s) {
    const auto* operators = at_index(*root_.subgraphs(), s).operators();
    for (std::size_t i = 0; i < size_of(operators); ++i) {
      const auto& operation = at_index(*operators, i);
      if (operation.large_custom_options_offset() <= 1) continue;
      end = std::max<std::size_t>(
          end, operation.large_custom_options_offset() + operation.large_custom_options_size());
    }
  }
  return end;
}

Result<void> TfliteWriter::build_buffers(FlatbufferCopier& copier,
                                         flatbuffers::FlatBufferBuilder& builder) {
  const std::size_t known = size_of(root_.buffers());
  std::vector<flatbuffers::Offset<tfl::Buffer>> buffers(known + plan_.new_buffers);
  build_outside(copier, builder);
  for (const std::size_t dropped : plan_.dropped_buffers) {
    copier.remove(&at_index(*root_.buffers(), dropped), field_of(tfl::Buffer::VT_DATA));
  }
  for (const PlannedEdit& edit : plan_.edits) {
    if (edit.shares_buffer) continue;
    Bytes codes = edit.value->codes;
    if (edit.type == tfl::TensorType::INT4) {
      codes = packed_.emplace_back(
          pack_codes(edit.value->codes, tflite::kPackedBits, Packing::LsbFirst));
    }
    const FlatbufferOffset data = borrow_payload(codes, builder);
    if (edit.buffer < known) {
      copier.replace_offset(&at_index(*root_.buffers(), edit.buffer),
                            field_of(tfl::Buffer::VT_DATA), data);
    } else {
      buffers[edit.buffer] =
          tfl::CreateBuffer(builder, flatbuffers::Offset<flatbuffers::Vector<std::uint8_t>>(data));
    }
  }
  build_runtime_version(copier, builder);
  for (std::size_t i = 0; i < known; ++i) {
    VP_ASSIGN_OR_RETURN(const FlatbufferOffset offset,
                        copier.copy_table(&at_index(*root_.buffers(), i), *tfl::BufferTypeTable(),
                                          fmt::format("buffers[{}]", i)));
    buffers[i] = flatbuffers::Offset<tfl::Buffer>(offset);
  }
  copier.replace_offset(&root_, field_of(tfl::Model::VT_BUFFERS), builder.CreateVector(buffers).o);
  return {};
}

/// Raises the minimum runtime that the converter recorded, if new operators need a newer one.
void TfliteWriter::build_runtime_version(FlatbufferCopier& copier,
                                         flatbuffers::FlatBufferBuilder& builder) {
  // Older runtimes have the version of CONV_2D, but not its kernel for INT4.
  std::string_view needed = plan_.has_packed_conv ? "2.11.0" : "";
  for (const NewCode& added : plan_.new_codes) {
    needed = tflite::later_runtime(needed, tflite::find_runtime(added.code, added.version));
  }
  for (std::size_t i = 0; i < size_of(root_.metadata()); ++i) {
    const auto& entry = at_index(*root_.metadata(), i);
    if (entry.name() == nullptr || entry.name()->str() != tflite::kRuntimeMetadata ||
        entry.buffer() >= size_of(root_.buffers()) || plan_.buffer_users[entry.buffer()] != 1) {
      continue;
    }
    const auto& buffer = at_index(*root_.buffers(), entry.buffer());
    const Bytes bytes = view_payload(model_.file, buffer);
    std::string_view present = view_text(bytes);
    present = present.substr(0, std::min(present.find('\0'), present.size()));
    if (present.empty() || tflite::later_runtime(needed, present) == present) continue;
    std::vector<std::byte> text(std::max(bytes.size(), tflite::kRuntimeBytes));
    std::memcpy(text.data(), needed.data(), needed.size());
    copier.replace_offset(&buffer, field_of(tfl::Buffer::VT_DATA), copy_payload(text, builder));
  }
}

FlatbufferOffset build_quantization(const PlannedEdit& edit,
                                    flatbuffers::FlatBufferBuilder& builder) {
  const auto scales = builder.CreateVector(edit.scales);
  const auto zeros = builder.CreateVector(std::vector<std::int64_t>(edit.scales.size(), 0));
  tfl::QuantizationParametersBuilder quantization(builder);
  quantization.add_scale(scales);
  quantization.add_zero_point(zeros);
  quantization.add_quantized_dimension(edit.axis);
  return quantization.Finish().o;
}

Result<void> TfliteWriter::build_tensors(FlatbufferCopier& copier,
                                         flatbuffers::FlatBufferBuilder& builder) {
  std::map<std::size_t, FlatbufferOffset> quantizations;  // by the payload's buffer
  for (const PlannedEdit& edit : plan_.edits) {
    const tfl::Tensor& tensor = source_tensor(edit.place->tensor_index);
    const Encoding encoding = edit.value->code.encoding;
    tfl::TensorType type = tfl::TensorType::FLOAT32;
    if (encoding == Encoding::Float16) type = tfl::TensorType::FLOAT16;
    if (encoding == Encoding::Linear) type = edit.type;
    copier.replace_scalar(&tensor, field_of(tfl::Tensor::VT_TYPE),
                          static_cast<std::uint32_t>(type));
    copier.replace_scalar(&tensor, field_of(tfl::Tensor::VT_BUFFER),
                          static_cast<std::uint32_t>(edit.buffer));
    if (encoding == Encoding::Linear) {
      // Tensors with the same payload have the same scales, so they share one table.
      const auto [made, is_new] = quantizations.try_emplace(edit.buffer, 0);
      if (is_new) made->second = build_quantization(edit, builder);
      copier.replace_offset(&tensor, field_of(tfl::Tensor::VT_QUANTIZATION), made->second);
    } else if (edit.weight->stored.code.encoding == Encoding::Linear) {
      copier.remove(&tensor, field_of(tfl::Tensor::VT_QUANTIZATION));
    }
  }
  if (plan_.new_tensors.empty()) return {};
  std::vector<flatbuffers::Offset<tfl::Tensor>> tensors;
  for (std::size_t i = 0; i < subgraph_.tensors()->size(); ++i) {
    VP_ASSIGN_OR_RETURN(const FlatbufferOffset offset,
                        copier.copy_table(&source_tensor(i), *tfl::TensorTypeTable(),
                                          fmt::format("subgraphs[0].tensors[{}]", i)));
    tensors.emplace_back(offset);
  }
  for (const NewTensor& added : plan_.new_tensors) {
    const auto* shape = source_tensor(added.shape_of).shape();
    const std::vector<std::int32_t> sizes =
        shape == nullptr ? std::vector<std::int32_t>()
                         : std::vector<std::int32_t>(shape->begin(), shape->end());
    const auto sizes_offset = builder.CreateVector(sizes);
    const auto name = builder.CreateString(added.name);
    tfl::TensorBuilder tensor(builder);
    tensor.add_shape(sizes_offset);
    tensor.add_name(name);
    tensors.push_back(tensor.Finish());
  }
  copier.replace_offset(&subgraph_, field_of(tfl::SubGraph::VT_TENSORS),
                        builder.CreateVector(tensors).o);
  return {};
}

Result<void> TfliteWriter::build_operators(FlatbufferCopier& copier,
                                           flatbuffers::FlatBufferBuilder& builder) {
  for (const auto& [index, inputs] : plan_.changed_inputs) {
    copier.replace_offset(&source_operator(index), field_of(tfl::Operator::VT_INPUTS),
                          builder.CreateVector(inputs).o);
  }
  for (const auto& [index, code] : plan_.changed_codes) {
    copier.replace_scalar(&source_operator(index), field_of(tfl::Operator::VT_OPCODE_INDEX), code);
  }
  if (plan_.new_dequantizes.empty() && plan_.dropped_operators.empty()) return {};
  std::vector<flatbuffers::Offset<tfl::Operator>> operators;
  for (std::size_t i = 0; i < subgraph_.operators()->size(); ++i) {
    for (const NewDequantize& added : plan_.new_dequantizes) {
      if (added.before != i) continue;
      const auto inputs =
          builder.CreateVector(std::vector<std::int32_t>{static_cast<std::int32_t>(added.input)});
      const auto outputs =
          builder.CreateVector(std::vector<std::int32_t>{static_cast<std::int32_t>(added.output)});
      tfl::OperatorBuilder dequantize(builder);
      dequantize.add_opcode_index(added.code);
      dequantize.add_inputs(inputs);
      dequantize.add_outputs(outputs);
      operators.push_back(dequantize.Finish());
    }
    if (plan_.dropped_operators.contains(i)) continue;
    VP_ASSIGN_OR_RETURN(const FlatbufferOffset offset,
                        copier.copy_table(&source_operator(i), *tfl::OperatorTypeTable(),
                                          fmt::format("subgraphs[0].operators[{}]", i)));
    operators.emplace_back(offset);
  }
  copier.replace_offset(&subgraph_, field_of(tfl::SubGraph::VT_OPERATORS),
                        builder.CreateVector(operators).o);
  return {};
}

Result<void> TfliteWriter::build_codes(FlatbufferCopier& copier,
                                       flatbuffers::FlatBufferBuilder& builder) {
  if (plan_.new_codes.empty()) return {};
  std::vector<flatbuffers::Offset<tfl::OperatorCode>> codes;
  for (std::size_t i = 0; i < root_.operator_codes()->size(); ++i) {
    VP_ASSIGN_OR_RETURN(
        const FlatbufferOffset offset,
        copier.copy_table(&at_index(*root_.operator_codes(), i), *tfl::OperatorCodeTypeTable(),
                          fmt::format("operator_codes[{}]", i)));
    codes.emplace_back(offset);
  }
  for (const NewCode& added : plan_.new_codes) {
    // All of these codes are below 127, so they also fit into the byte that old runtimes read.
    codes.push_back(tfl::CreateOperatorCode(builder, static_cast<std::int8_t>(added.code), 0,
                                            added.version, added.code));
  }
  copier.replace_offset(&root_, field_of(tfl::Model::VT_OPERATOR_CODES),
                        builder.CreateVector(codes).o);
  return {};
}

Result<void> TfliteWriter::build_edits(FlatbufferCopier& copier,
                                       flatbuffers::FlatBufferBuilder& builder) {
  if (plan_.edits.empty() && outside_end() == 0) return {};
  VP_RETURN_IF_ERROR(build_buffers(copier, builder));
  VP_RETURN_IF_ERROR(build_tensors(copier, builder));
  VP_RETURN_IF_ERROR(build_operators(copier, builder));
  return build_codes(copier, builder);
}

/// Appends the bytes after the flatbuffer: unknown bytes, and the archive with adjusted offsets.
/// written: the size of the flatbuffer.
Result<void> TfliteWriter::append_rest(std::size_t source_end, std::size_t written,
                                       FilePieces& file) const {
  const std::size_t end = model_.archive ? model_.archive->begin : model_.file.size();
  if (source_end < end) {
    const Bytes unknown = model_.file.subspan(source_end, end - source_end);
    if (std::any_of(unknown.begin(), unknown.end(),
                    [](std::byte b) { return b != std::byte{0}; })) {
      file.pieces.push_back(unknown);
      written += unknown.size();
    }
  }
  if (!model_.archive) return {};
  if (source_end > end) {
    return fail_at(ErrorKind::Unsupported, end,
                   "the appended archive overlaps the flatbuffer, which ends at {}", source_end);
  }
  file.owned.push_back(moved_archive(model_.file, *model_.archive, written));
  file.pieces.emplace_back(file.owned.back());
  return {};
}

Result<FilePieces> TfliteWriter::write() {
  const std::size_t expected = expected_bytes();
  if (expected >= FLATBUFFERS_MAX_BUFFER_SIZE) {
    return fail(ErrorKind::Unsupported,
                "the new file would have {} bytes, a flatbuffer holds less than {}", expected,
                FLATBUFFERS_MAX_BUFFER_SIZE);
  }
  PieceAllocator allocator;
  std::size_t allocated = 0;
  std::size_t begin = 0;
  std::size_t source_end = 0;
  {
    flatbuffers::FlatBufferBuilder builder(expected, &allocator);
    FlatbufferCopier copier(model_.file, builder);
    copier.align_vectors(*tfl::BufferTypeTable(), field_of(tfl::Buffer::VT_DATA), kBufferAlignment);
    VP_RETURN_IF_ERROR(build_edits(copier, builder));
    VP_ASSIGN_OR_RETURN(const FlatbufferOffset root,
                        copier.copy_table(&root_, *tfl::ModelTypeTable(), ""));
    builder.Finish(flatbuffers::Offset<tfl::Model>(root), tfl::ModelIdentifier());
    source_end = std::max(copier.source_end(), outside_end());
    builder.ReleaseRaw(allocated, begin);
  }
  FilePieces file;
  file.owned = std::move(packed_);
  file.owned.push_back(allocator.take());
  list_pieces(Bytes(file.owned.back()).first(allocated), begin, file);
  VP_RETURN_IF_ERROR(append_rest(source_end, allocated - begin, file));
  return file;
}

}  // namespace

FormRules TfliteModel::rules(const Form& form) const {
  // 128 elements save 256 bytes. The DEQUANTIZE that each weight needs costs 100 to 200 of them,
  // depending on the length of its name (estimate_overhead), and runs for every image.
  constexpr std::size_t kLeastHalves = 128;
  return {.least_elements = form.encoding == Encoding::Float16 ? kLeastHalves : 0};
}

Result<void> TfliteModel::check_rewritable() const { return tflite::check_distinct(*this); }

Form TfliteModel::adapt(std::size_t /*index*/, const Form& wish) const {
  Form form = wish;
  form.is_signed = form.encoding == Encoding::Linear;
  return form;
}

std::string TfliteModel::why_not(std::size_t index, const Form& form,
                                 const RewriteOptions& options) const {
  return tflite::why_not(*this, options, index, form);
}

/// Codes of fewer bits are bytes that take few values, because the fast kernels for float
/// activations read bytes, unless the caller asks for packed ones.
WeightCode TfliteModel::stored_code(std::size_t index, const WeightCode& code,
                                    const RewriteOptions& options) const {
  WeightCode stored = code;
  if (code.encoding == Encoding::Linear) {
    stored.bits = tflite::stored_bits(*this, options, index, code);
  }
  return stored;
}

std::uint64_t TfliteModel::estimate_overhead(std::size_t weight_index, const WeightCode& code,
                                             const RewriteOptions& options) const {
  constexpr std::size_t kOffset = sizeof(FlatbufferOffset);
  const auto vector_bytes = [](std::size_t count, std::size_t each) {
    return kOffset + count * each;  // after its length
  };
  // A table has the offset of its vtable, which is shared, and one slot per field.
  const auto table_bytes = [](std::size_t fields) { return kOffset * (1 + fields); };
  std::size_t bytes = 0;
  if (code.encoding == Encoding::Linear) {
    // min and max are absent; the scales themselves are counted with the code.
    bytes += kOffset + table_bytes(3) + vector_bytes(0, 0) +
             vector_bytes(code.scales.size(), sizeof(std::int64_t));
  }
  const bool decoded =
      code.encoding == Encoding::Float16 || options.integer_form == IntegerForm::WeightOnly;
  if (!decoded || places[weight_index].direct.empty()) return bytes;
  const Weight& weight = graph_.weights[weight_index];
  const std::size_t name = weight.name.size() + tflite::kDequantizeSuffix.size() + 1;
  const std::size_t tensor = table_bytes(2) +
                             vector_bytes(weight.stored.shape.size(), sizeof(std::int32_t)) +
                             vector_bytes((name + kOffset - 1) / kOffset, kOffset);
  const std::size_t node = table_bytes(3) + 2 * vector_bytes(1, sizeof(std::int32_t));
  return bytes + tensor + node +
         2 * kOffset;  // the offset of the tensor and of the operator in their lists
}

Result<FilePieces> TfliteModel::rewrite(std::span<const WeightEdit> edits,
                                        const RewriteOptions& options) const {
  VP_ASSIGN_OR_RETURN(const RewritePlan plan, tflite::plan_rewrite(*this, options, edits));
  return TfliteWriter(*this, plan).write();
}

}  // namespace visionpress
