// What a rewrite of a TFLite file keeps and changes.
// Kept: every table, string, vector and stored default, the indices of tensors, buffers and
// operator codes, an appended archive and other bytes behind the flatbuffer. Byte positions are not
// kept. Changed by an edit: the weight's buffer, its tensor's type and quantization; the operators
// that read it (code, inputs); what the edit adds goes behind what is there (tensors, buffers,
// codes), but for DEQUANTIZE operators, which stand before the first operator that reads their
// result.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/half.h"
#include "formats/tflite/tflite_model.h"
#include "wire/flatbuffer_copy.h"

namespace visionpress {
namespace {

using Code = tfl::BuiltinOperator;

constexpr std::size_t kBufferAlignment = 16;
constexpr const char* kRuntimeMetadata = "min_runtime_version";
constexpr std::size_t kRuntimeBytes = 16;  ///< of that metadata's buffer

/// Room for what an edit adds besides its payload: a tensor, an operator, a quantization table.
constexpr std::size_t kEditOverheadBytes = 1024;
constexpr std::size_t kSpareBytes = 65536;

/// First runtime that knows a version of an operator; only versions that a rewrite may write.
/// source: tensorflow/lite/tools/versioning/runtime_version.cc.
struct RuntimeNeed {
  Code code;
  int version;
  const char* runtime;
};
constexpr RuntimeNeed kRuntimeNeeds[] = {
    {Code::CONV_2D, 2, "1.14.0"},         {Code::CONV_2D, 5, "2.4.0"},
    {Code::CONV_2D, 6, "2.9.0"},          {Code::DEPTHWISE_CONV_2D, 6, "2.3.0"},
    {Code::FULLY_CONNECTED, 3, "1.14.0"}, {Code::FULLY_CONNECTED, 12, "2.17.0"},
    {Code::DEQUANTIZE, 2, "1.14.0"},      {Code::DEQUANTIZE, 3, "1.15.0"},
    {Code::DEQUANTIZE, 5, "2.7.0"},
};

/// Gives the builder its memory and keeps it afterwards, so that the finished bytes are not copied.
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
  std::vector<std::byte> take() { return std::move(blocks_.back()); }

 private:
  static std::uint8_t* begin_of(std::vector<std::byte>& block) {
    return static_cast<std::uint8_t*>(static_cast<void*>(block.data()));
  }
  std::vector<std::vector<std::byte>> blocks_ = {};
};

/// A field's id from the slot offset that generated code names it by.
constexpr std::size_t field_of(int slot) { return static_cast<std::size_t>((slot - 4) / 2); }

template <typename T>
const T& at_index(const flatbuffers::Vector<flatbuffers::Offset<T>>& vector, std::size_t index) {
  return *vector.Get(static_cast<flatbuffers::uoffset_t>(index));
}

/// "2.10.0" is newer than "2.9.1": the numbers count, not the letters.
std::vector<int> version_numbers(std::string_view text) {
  std::vector<int> numbers(1, 0);
  for (const char c : text) {
    if (c == '.') numbers.push_back(0);
    if (c >= '0' && c <= '9' && numbers.back() < 100000)
      numbers.back() = numbers.back() * 10 + (c - '0');
  }
  return numbers;
}

/// One edit, decided.
struct PlannedEdit {
  const EncodedWeight* value = nullptr;
  const TflitePlace* place = nullptr;
  const Weight* weight = nullptr;
  bool direct = false;  ///< its operators read the stored tensor; else a DEQUANTIZE stands between
  std::vector<float> scales = {};
  int axis = 0;
  std::size_t buffer = 0;  ///< of the new payload
};

/// A DEQUANTIZE to add before operator `before` of the source.
struct NewDequantize {
  std::size_t before = 0;
  std::size_t input = 0;
  std::size_t output = 0;
  std::uint32_t code = 0;
};

struct NewTensor {
  std::string name = {};
  std::size_t shape_of = 0;  ///< the tensor whose shape it has
};

struct NewCode {
  Code code = Code::DEQUANTIZE;
  int version = 1;
};

class TfliteWriter {
 public:
  TfliteWriter(const TfliteModel& model, const RewriteOptions& options)
      : model_(model),
        root_(model.root),
        options_(options),
        subgraph_(at_index(*model.root.subgraphs(), 0)) {}

  Result<void> plan(std::span<const WeightEdit> edits);
  Result<FilePieces> write();

 private:
  Result<void> check_carried() const;
  Result<void> check_distinct() const;
  Result<PlannedEdit> check_edit(const WeightEdit& edit) const;
  Result<void> check_linear(const WeightEdit& edit, const std::string& name) const;
  bool is_hybrid_use(const TfliteUse& use, const EncodedWeight& value) const;
  void decide_form(PlannedEdit& edit);
  bool keep_bias_float(const PlannedEdit& edit);
  bool is_bias_float(const TfliteUse& use, std::set<std::size_t>& halves) const;
  void spread_scale(PlannedEdit& edit) const;
  void plan_buffer(PlannedEdit& edit);
  void plan_operators(const PlannedEdit& edit);
  void plan_direct(const PlannedEdit& edit);
  void plan_decoded(const PlannedEdit& edit);
  void read_from(const TfliteUse& use, std::size_t tensor);
  void raise_version(std::size_t operator_index, int version);
  std::uint32_t find_code(Code code, int version);
  std::vector<TfliteUse> all_uses(const TflitePlace& place) const;
  const tfl::Operator& source_operator(std::size_t index) const {
    return at_index(*subgraph_.operators(), index);
  }
  const tfl::Tensor& source_tensor(std::size_t index) const {
    return at_index(*subgraph_.tensors(), index);
  }
  Code code_of(std::size_t operator_index) const {
    return builtin_code(
        at_index(*root_.operator_codes(), source_operator(operator_index).opcode_index()));
  }
  std::size_t expected_bytes() const;
  Result<void> build_edits(FlatbufferCopier& copier, flatbuffers::FlatBufferBuilder& builder);
  Result<void> build_buffers(FlatbufferCopier& copier, flatbuffers::FlatBufferBuilder& builder);
  Result<void> build_tensors(FlatbufferCopier& copier, flatbuffers::FlatBufferBuilder& builder);
  Result<void> build_operators(FlatbufferCopier& copier, flatbuffers::FlatBufferBuilder& builder);
  Result<void> build_codes(FlatbufferCopier& copier, flatbuffers::FlatBufferBuilder& builder);
  void build_runtime_version(FlatbufferCopier& copier, flatbuffers::FlatBufferBuilder& builder);
  Result<void> append_rest(std::size_t source_end, FilePieces& file) const;

  const TfliteModel& model_;
  const tfl::Model& root_;
  const RewriteOptions& options_;
  const tfl::SubGraph& subgraph_;
  std::vector<PlannedEdit> edits_ = {};
  std::map<std::size_t, const EncodedWeight*> wishes_ = {};  ///< edits by weight, ours included
  std::vector<std::unique_ptr<EncodedWeight>> float_biases_ = {};
  std::vector<std::size_t> buffer_users_ =
      {};  ///< tensors and metadata that still read each buffer
  std::size_t new_buffers_ = 0;
  std::vector<NewTensor> new_tensors_ = {};
  std::vector<NewDequantize> new_dequantizes_ = {};
  std::vector<NewCode> new_codes_ = {};
  std::map<std::size_t, std::vector<std::int32_t>> changed_inputs_ = {};
  std::map<std::size_t, std::uint32_t> changed_codes_ = {};
  std::set<std::size_t> dropped_operators_ = {};
};

/// Data that lies outside of the flatbuffer is reached by offsets from the start of the file, which
/// a rewrite would move.
Result<void> TfliteWriter::check_carried() const {
  for (std::size_t i = 0; i < size_of(root_.buffers()); ++i) {
    if (at_index(*root_.buffers(), i).offset() > 1) {
      return fail(
          ErrorKind::Unsupported,
          "buffers[{}]: its data lies outside of the flatbuffer, such files are not rewritten", i);
    }
  }
  for (std::size_t s = 0; s < root_.subgraphs()->size(); ++s) {
    const auto& subgraph = at_index(*root_.subgraphs(), s);
    for (std::size_t i = 0; i < size_of(subgraph.operators()); ++i) {
      if (at_index(*subgraph.operators(), i).large_custom_options_offset() > 1) {
        return fail(ErrorKind::Unsupported,
                    "subgraphs[{}].operators[{}]: its options lie outside of the flatbuffer, such "
                    "files are not rewritten",
                    s, i);
      }
    }
  }
  return {};
}

template <typename T>
bool has_repeats(const flatbuffers::Vector<flatbuffers::Offset<T>>* vector) {
  std::set<const T*> seen;
  for (std::size_t i = 0; i < size_of(vector); ++i) {
    if (!seen.insert(&at_index(*vector, i)).second) return true;
  }
  return false;
}

/// An edit of one element must not change another that is stored as the same table.
Result<void> TfliteWriter::check_distinct() const {
  if (has_repeats(subgraph_.tensors()) || has_repeats(subgraph_.operators()) ||
      has_repeats(root_.subgraphs())) {
    return fail(ErrorKind::Unsupported,
                "two tensors or operators are one table in the file; its weights cannot "
                "be replaced");
  }
  return {};
}

Result<void> TfliteWriter::check_linear(const WeightEdit& edit, const std::string& name) const {
  const WeightCode& code = edit.value->code;
  const auto nonzero = [](auto value) { return value != 0; };
  if (code.bits != 8 || !code.is_signed ||
      std::any_of(code.zero_points.begin(), code.zero_points.end(), nonzero) ||
      std::any_of(code.offsets.begin(), code.offsets.end(), nonzero)) {
    return fail(ErrorKind::InvalidArgument,
                "\"{}\": TFLite takes linear codes of 8 bits, signed, with zero points 0", name);
  }
  const std::size_t scales = code.scales.size();
  const bool inside =
      code.axis >= 0 && static_cast<std::size_t>(code.axis) < edit.value->shape.size();
  const bool by_channel = inside && static_cast<std::int64_t>(scales) ==
                                        edit.value->shape[static_cast<std::size_t>(code.axis)];
  if (scales != 1 && !by_channel) {
    return fail(ErrorKind::InvalidArgument, "\"{}\": {} scales along axis {} of shape {}", name,
                scales, code.axis, to_string(edit.value->shape));
  }
  if (std::find(edit.value->codes.begin(), edit.value->codes.end(), std::byte{0x80}) !=
      edit.value->codes.end()) {
    return fail(ErrorKind::InvalidArgument,
                "\"{}\": a code is -128, TFLite kernels use -127 to 127", name);
  }
  return {};
}

Result<PlannedEdit> TfliteWriter::check_edit(const WeightEdit& edit) const {
  const Graph& graph = model_.graph();
  if (edit.index >= graph.weights.size() || edit.value == nullptr) {
    return fail(ErrorKind::InvalidArgument, "edit of weight {}, the model has {}", edit.index,
                graph.weights.size());
  }
  const Weight& weight = graph.weights[edit.index];
  if (!weight.fixed_because.empty()) {
    return fail(ErrorKind::InvalidArgument, "\"{}\" cannot be replaced: {}", weight.name,
                weight.fixed_because);
  }
  const EncodedWeight& value = *edit.value;
  std::size_t width = 1;
  switch (value.code.encoding) {
    case Encoding::Float32:
      width = 4;
      break;
    case Encoding::Float16:
      width = 2;
      break;
    case Encoding::Linear:
      VP_RETURN_IF_ERROR(check_linear(edit, weight.name));
      break;
    case Encoding::Table:
      return fail(ErrorKind::InvalidArgument, "\"{}\": TFLite has no tables of values",
                  weight.name);
  }
  const auto count = element_count(value.shape);
  if (value.shape != weight.stored.shape || !count ||
      value.codes.size() != static_cast<std::size_t>(*count) * width) {
    return fail(ErrorKind::InvalidArgument, "\"{}\": {} bytes of shape {} for a weight of shape {}",
                weight.name, value.codes.size(), to_string(value.shape),
                to_string(weight.stored.shape));
  }
  PlannedEdit planned;
  planned.value = &value;
  planned.place = &model_.places[edit.index];
  planned.weight = &weight;
  planned.scales = value.code.scales;
  planned.axis = value.code.axis;
  return planned;
}

std::vector<TfliteUse> TfliteWriter::all_uses(const TflitePlace& place) const {
  std::vector<TfliteUse> uses = place.direct;
  for (const auto& dequantize : place.dequantizes) {
    uses.insert(uses.end(), dequantize.uses.begin(), dequantize.uses.end());
  }
  return uses;
}

/// Whether the runtime has a kernel for float activations and this 8-bit kernel at this place.
bool TfliteWriter::is_hybrid_use(const TfliteUse& use, const EncodedWeight& value) const {
  const Code code = code_of(use.operator_index);
  if (code != Code::CONV_2D && code != Code::DEPTHWISE_CONV_2D && code != Code::FULLY_CONNECTED) {
    return false;
  }
  if (use.slot != 1) return false;
  const auto& stored = source_operator(use.operator_index);
  const std::int32_t x = stored.inputs()->Get(0);
  if (x < 0 || source_tensor(static_cast<std::size_t>(x)).type() != tfl::TensorType::FLOAT32)
    return false;
  if (code == Code::FULLY_CONNECTED) {
    const auto* options = stored.builtin_options_as_FullyConnectedOptions();
    if (options == nullptr || options->weights_format() != tfl::WeightsFormat::DEFAULT)
      return false;
  }
  return value.code.scales.size() == 1 ||
         value.code.axis == (code == Code::DEPTHWISE_CONV_2D ? 3 : 0);
}

/// Whether the bias beside a kernel will be a float32 constant. A half bias that nobody asked to
/// replace is added to `halves`: it can become one.
bool TfliteWriter::is_bias_float(const TfliteUse& use, std::set<std::size_t>& halves) const {
  const auto& inputs = *source_operator(use.operator_index).inputs();
  if (inputs.size() < 3 || inputs.Get(2) < 0) return true;
  const Graph& graph = model_.graph();
  const auto& index = graph.tensor(inputs.Get(2)).weight;
  if (!index) return false;
  const auto wish = wishes_.find(*index);
  if (wish != wishes_.end()) return wish->second->code.encoding == Encoding::Float32;
  const Weight& bias = graph.weights[*index];
  if (bias.stored.code.encoding == Encoding::Float32) return true;
  if (bias.stored.code.encoding != Encoding::Float16 || !bias.fixed_because.empty()) return false;
  const auto& dequantizes = model_.places[*index].dequantizes;
  if (std::any_of(dequantizes.begin(), dequantizes.end(),
                  [](const auto& d) { return d.is_output; })) {
    return false;
  }
  halves.insert(*index);
  return true;
}

/// XNNPACK, LiteRT's default, refuses a file in which an 8-bit kernel read as such has a bias that
/// comes out of a DEQUANTIZE (LiteRT 2.3). Half biases become float32, which loses nothing.
bool TfliteWriter::keep_bias_float(const PlannedEdit& edit) {
  std::set<std::size_t> halves;
  for (const TfliteUse& use : all_uses(*edit.place)) {
    if (!is_bias_float(use, halves)) return false;
  }
  for (const std::size_t index : halves) {
    const Weight& bias = model_.graph().weights[index];
    auto value = std::make_unique<EncodedWeight>();
    value->shape = bias.stored.shape;
    value->codes.resize(bias.stored.payload.size() * 2);
    for (std::size_t at = 0; at < bias.stored.payload.size(); at += 2) {
      store_le(MutableBytes(value->codes), 2 * at,
               half_to_float(load_le<std::uint16_t>(bias.stored.payload, at)));
    }
    wishes_[index] = value.get();
    PlannedEdit planned;
    planned.value = value.get();
    planned.place = &model_.places[index];
    planned.weight = &bias;
    planned.direct = true;
    float_biases_.push_back(std::move(value));
    plan_buffer(planned);
    plan_operators(planned);
    edits_.push_back(std::move(planned));
  }
  return true;
}

void TfliteWriter::decide_form(PlannedEdit& edit) {
  const Encoding encoding = edit.value->code.encoding;
  const std::vector<TfliteUse> uses = all_uses(*edit.place);
  const bool given_out = std::any_of(edit.place->dequantizes.begin(), edit.place->dequantizes.end(),
                                     [](const auto& dequantize) { return dequantize.is_output; });
  if (encoding == Encoding::Float32) edit.direct = !given_out;
  if (encoding != Encoding::Linear || options_.integer_form == IntegerForm::WeightOnly ||
      given_out || uses.empty()) {
    return;
  }
  const Code first = code_of(uses.front().operator_index);
  edit.direct =
      std::all_of(uses.begin(), uses.end(),
                  [&](const TfliteUse& use) {
                    return is_hybrid_use(use, *edit.value) && code_of(use.operator_index) == first;
                  }) &&
      keep_bias_float(edit);
  if (edit.direct) spread_scale(edit);
}

/// The kernels of depthwise and grouped convolutions want a scale a channel, equal ones if need be.
void TfliteWriter::spread_scale(PlannedEdit& edit) const {
  if (edit.scales.size() != 1) return;
  for (const TfliteUse& use : all_uses(*edit.place)) {
    const Code code = code_of(use.operator_index);
    const Shape& shape = edit.value->shape;
    if (code == Code::FULLY_CONNECTED || shape.size() != 4) continue;
    const auto x = static_cast<std::size_t>(source_operator(use.operator_index).inputs()->Get(0));
    const bool grouped = code == Code::CONV_2D && model_.graph().tensors[x].shape.size() == 4 &&
                         model_.graph().tensors[x].shape[3] != shape[3];
    if (code != Code::DEPTHWISE_CONV_2D && !grouped) continue;
    edit.axis = code == Code::DEPTHWISE_CONV_2D ? 3 : 0;
    edit.scales.assign(static_cast<std::size_t>(shape[static_cast<std::size_t>(edit.axis)]),
                       edit.value->code.scales.front());
    return;
  }
}

/// A buffer that others read too stays as it is for them; the last of its readers takes it over.
/// One table may stand for several buffers (converters write all empty ones so).
void TfliteWriter::plan_buffer(PlannedEdit& edit) {
  const std::size_t buffer = source_tensor(edit.place->tensor_index).buffer();
  const auto& table = at_index(*root_.buffers(), buffer);
  std::size_t listed = 0;
  for (std::size_t i = 0; i < root_.buffers()->size(); ++i) {
    if (&at_index(*root_.buffers(), i) == &table) ++listed;
  }
  if (buffer_users_[buffer] == 1 && listed == 1) {
    edit.buffer = buffer;
    return;
  }
  --buffer_users_[buffer];
  edit.buffer = size_of(root_.buffers()) + new_buffers_++;
}

std::uint32_t TfliteWriter::find_code(Code code, int version) {
  const std::size_t known = root_.operator_codes()->size();
  for (std::size_t i = 0; i < known; ++i) {
    const auto& stored = at_index(*root_.operator_codes(), i);
    if (builtin_code(stored) == code && stored.version() == version)
      return static_cast<std::uint32_t>(i);
  }
  for (std::size_t i = 0; i < new_codes_.size(); ++i) {
    if (new_codes_[i].code == code && new_codes_[i].version == version) {
      return static_cast<std::uint32_t>(known + i);
    }
  }
  new_codes_.push_back({code, version});
  return static_cast<std::uint32_t>(known + new_codes_.size() - 1);
}

/// Other operators may share the code, so it is never changed in place.
void TfliteWriter::raise_version(std::size_t operator_index, int version) {
  const auto& stored =
      at_index(*root_.operator_codes(), source_operator(operator_index).opcode_index());
  if (stored.version() < version) {
    changed_codes_[operator_index] = find_code(code_of(operator_index), version);
  }
}

void TfliteWriter::read_from(const TfliteUse& use, std::size_t tensor) {
  auto [found, added] = changed_inputs_.try_emplace(use.operator_index);
  if (added) {
    const auto& inputs = *source_operator(use.operator_index).inputs();
    found->second.assign(inputs.begin(), inputs.end());
  }
  found->second[use.slot] = static_cast<std::int32_t>(tensor);
}

/// Versions: LiteRT's operator versions of hybrid kernels.
int hybrid_version(Code code, bool by_channel, bool grouped) {
  switch (code) {
    case Code::DEPTHWISE_CONV_2D:
      return 6;
    case Code::FULLY_CONNECTED:
      return by_channel ? 12 : 3;
    default:
      return grouped ? 6 : (by_channel ? 5 : 2);
  }
}

int dequantize_version(const PlannedEdit& edit) {
  if (edit.value->code.encoding == Encoding::Float16) return 3;
  return edit.scales.size() > 1 ? 5 : 2;
}

void TfliteWriter::plan_direct(const PlannedEdit& edit) {
  for (const auto& dequantize : edit.place->dequantizes) {
    dropped_operators_.insert(dequantize.operator_index);
    for (const TfliteUse& use : dequantize.uses) read_from(use, edit.place->tensor_index);
  }
  if (edit.value->code.encoding == Encoding::Float32) return;
  for (const TfliteUse& use : all_uses(*edit.place)) {
    const Code code = code_of(use.operator_index);
    const auto x = static_cast<std::size_t>(source_operator(use.operator_index).inputs()->Get(0));
    const Shape& input = model_.graph().tensors[x].shape;
    const bool grouped = code == Code::CONV_2D && input.size() == 4 &&
                         edit.value->shape.size() == 4 && input[3] != edit.value->shape[3];
    raise_version(use.operator_index, hybrid_version(code, edit.scales.size() > 1, grouped));
  }
}

void TfliteWriter::plan_decoded(const PlannedEdit& edit) {
  const int version = dequantize_version(edit);
  for (const auto& dequantize : edit.place->dequantizes)
    raise_version(dequantize.operator_index, version);
  if (edit.place->direct.empty()) return;
  NewDequantize added;
  added.input = edit.place->tensor_index;
  added.output = subgraph_.tensors()->size() + new_tensors_.size();
  added.code = find_code(Code::DEQUANTIZE, version);
  added.before = edit.place->direct.front().operator_index;
  for (const TfliteUse& use : edit.place->direct) {
    added.before = std::min(added.before, use.operator_index);
    read_from(use, added.output);
  }
  new_tensors_.push_back({edit.weight->name + "_dequantize", added.input});
  new_dequantizes_.push_back(added);
}

void TfliteWriter::plan_operators(const PlannedEdit& edit) {
  if (edit.direct) {
    plan_direct(edit);
  } else {
    plan_decoded(edit);
  }
}

Result<void> TfliteWriter::plan(std::span<const WeightEdit> edits) {
  VP_RETURN_IF_ERROR(check_carried());
  if (edits.empty()) return {};
  VP_RETURN_IF_ERROR(check_distinct());
  buffer_users_.assign(size_of(root_.buffers()), 0);
  const auto count_user = [this](std::size_t buffer) {
    if (buffer < buffer_users_.size()) ++buffer_users_[buffer];
  };
  for (std::size_t s = 0; s < root_.subgraphs()->size(); ++s) {
    const auto* tensors = at_index(*root_.subgraphs(), s).tensors();
    for (std::size_t i = 0; i < size_of(tensors); ++i) count_user(at_index(*tensors, i).buffer());
  }
  for (std::size_t i = 0; i < size_of(root_.metadata()); ++i) {
    count_user(at_index(*root_.metadata(), i).buffer());
  }
  std::vector<PlannedEdit> checked;
  for (const WeightEdit& edit : edits) {
    VP_ASSIGN_OR_RETURN(PlannedEdit planned, check_edit(edit));
    if (!wishes_.try_emplace(edit.index, edit.value).second) {
      return fail(ErrorKind::InvalidArgument, "\"{}\" is replaced twice", planned.weight->name);
    }
    checked.push_back(std::move(planned));
  }
  for (PlannedEdit& planned : checked) {
    decide_form(planned);
    if (planned.value->code.encoding == Encoding::Float32 && !planned.direct) {
      return fail(ErrorKind::Unsupported,
                  "\"{}\": the model gives out its decoded values, it cannot be float32",
                  planned.weight->name);
    }
    plan_buffer(planned);
    plan_operators(planned);
    edits_.push_back(std::move(planned));
  }
  return {};
}

/// Enough for the whole new flatbuffer, so that the builder never has to grow: growing would copy,
/// and hold both copies at once.
std::size_t TfliteWriter::expected_bytes() const {
  std::size_t payload = 0;
  for (std::size_t i = 0; i < size_of(root_.buffers()); ++i) {
    payload += view_vector(at_index(*root_.buffers(), i).data()).size();
  }
  const std::size_t file = model_.archive ? model_.archive->begin : model_.file.size();
  const std::size_t structure = file - std::min(file, payload);
  std::size_t kept = payload;
  for (const PlannedEdit& edit : edits_) {
    const std::size_t source = source_tensor(edit.place->tensor_index).buffer();
    if (edit.buffer == source)
      kept -= view_vector(at_index(*root_.buffers(), source).data()).size();
    kept += edit.value->codes.size() + edit.scales.size() * (sizeof(float) + sizeof(std::int64_t)) +
            kEditOverheadBytes;
  }
  return kept + structure + structure / 4 + kBufferAlignment * size_of(root_.buffers()) +
         kSpareBytes;
}

FlatbufferOffset build_payload(Bytes payload, flatbuffers::FlatBufferBuilder& builder) {
  builder.ForceVectorAlignment(payload.size(), 1, kBufferAlignment);
  builder.StartVector(payload.size(), 1);
  builder.PushBytes(static_cast<const std::uint8_t*>(static_cast<const void*>(payload.data())),
                    payload.size());
  return builder.EndVector(payload.size());
}

Result<void> TfliteWriter::build_buffers(FlatbufferCopier& copier,
                                         flatbuffers::FlatBufferBuilder& builder) {
  const std::size_t known = size_of(root_.buffers());
  std::vector<flatbuffers::Offset<tfl::Buffer>> buffers(known + new_buffers_);
  for (const PlannedEdit& edit : edits_) {
    const FlatbufferOffset data = build_payload(edit.value->codes, builder);
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

/// Raises the runtime that the converter said the file needs, where the new operators need a newer
/// one.
void TfliteWriter::build_runtime_version(FlatbufferCopier& copier,
                                         flatbuffers::FlatBufferBuilder& builder) {
  std::string needed;
  for (const NewCode& added : new_codes_) {
    for (const RuntimeNeed& need : kRuntimeNeeds) {
      if (need.code != added.code || need.version != added.version) continue;
      if (needed.empty() || version_numbers(needed) < version_numbers(need.runtime))
        needed = need.runtime;
    }
  }
  for (std::size_t i = 0; i < size_of(root_.metadata()); ++i) {
    const auto& entry = at_index(*root_.metadata(), i);
    if (entry.name() == nullptr || entry.name()->str() != kRuntimeMetadata ||
        entry.buffer() >= size_of(root_.buffers()) || buffer_users_[entry.buffer()] != 1) {
      continue;
    }
    const auto& buffer = at_index(*root_.buffers(), entry.buffer());
    const Bytes bytes = view_vector(buffer.data());
    std::string_view present = view_text(bytes);
    present = present.substr(0, std::min(present.find('\0'), present.size()));
    if (present.empty() || version_numbers(present) >= version_numbers(needed)) continue;
    std::vector<std::byte> text(std::max(bytes.size(), kRuntimeBytes));
    std::memcpy(text.data(), needed.data(), needed.size());
    copier.replace_offset(&buffer, field_of(tfl::Buffer::VT_DATA), build_payload(text, builder));
  }
}

Result<void> TfliteWriter::build_tensors(FlatbufferCopier& copier,
                                         flatbuffers::FlatBufferBuilder& builder) {
  for (const PlannedEdit& edit : edits_) {
    const tfl::Tensor& tensor = source_tensor(edit.place->tensor_index);
    const Encoding encoding = edit.value->code.encoding;
    tfl::TensorType type = tfl::TensorType::FLOAT32;
    if (encoding == Encoding::Float16) type = tfl::TensorType::FLOAT16;
    if (encoding == Encoding::Linear) type = tfl::TensorType::INT8;
    copier.replace_scalar(&tensor, field_of(tfl::Tensor::VT_TYPE),
                          static_cast<std::uint32_t>(type));
    copier.replace_scalar(&tensor, field_of(tfl::Tensor::VT_BUFFER),
                          static_cast<std::uint32_t>(edit.buffer));
    if (encoding == Encoding::Linear) {
      const auto scales = builder.CreateVector(edit.scales);
      const auto zeros = builder.CreateVector(std::vector<std::int64_t>(edit.scales.size(), 0));
      tfl::QuantizationParametersBuilder quantization(builder);
      quantization.add_scale(scales);
      quantization.add_zero_point(zeros);
      quantization.add_quantized_dimension(edit.axis);
      copier.replace_offset(&tensor, field_of(tfl::Tensor::VT_QUANTIZATION),
                            quantization.Finish().o);
    } else if (edit.weight->stored.code.encoding == Encoding::Linear) {
      copier.remove(&tensor, field_of(tfl::Tensor::VT_QUANTIZATION));
    }
  }
  if (new_tensors_.empty()) return {};
  std::vector<flatbuffers::Offset<tfl::Tensor>> tensors;
  for (std::size_t i = 0; i < subgraph_.tensors()->size(); ++i) {
    VP_ASSIGN_OR_RETURN(const FlatbufferOffset offset,
                        copier.copy_table(&source_tensor(i), *tfl::TensorTypeTable(),
                                          fmt::format("subgraphs[0].tensors[{}]", i)));
    tensors.emplace_back(offset);
  }
  for (const NewTensor& added : new_tensors_) {
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
  for (const auto& [index, inputs] : changed_inputs_) {
    copier.replace_offset(&source_operator(index), field_of(tfl::Operator::VT_INPUTS),
                          builder.CreateVector(inputs).o);
  }
  for (const auto& [index, code] : changed_codes_) {
    copier.replace_scalar(&source_operator(index), field_of(tfl::Operator::VT_OPCODE_INDEX), code);
  }
  if (new_dequantizes_.empty() && dropped_operators_.empty()) return {};
  std::vector<flatbuffers::Offset<tfl::Operator>> operators;
  for (std::size_t i = 0; i < subgraph_.operators()->size(); ++i) {
    for (const NewDequantize& added : new_dequantizes_) {
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
    if (dropped_operators_.contains(i)) continue;
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
  if (new_codes_.empty()) return {};
  std::vector<flatbuffers::Offset<tfl::OperatorCode>> codes;
  for (std::size_t i = 0; i < root_.operator_codes()->size(); ++i) {
    VP_ASSIGN_OR_RETURN(
        const FlatbufferOffset offset,
        copier.copy_table(&at_index(*root_.operator_codes(), i), *tfl::OperatorCodeTypeTable(),
                          fmt::format("operator_codes[{}]", i)));
    codes.emplace_back(offset);
  }
  for (const NewCode& added : new_codes_) {
    // All of these are below 127, so the byte that old runtimes read holds them too.
    codes.push_back(tfl::CreateOperatorCode(builder, static_cast<std::int8_t>(added.code), 0,
                                            added.version, added.code));
  }
  copier.replace_offset(&root_, field_of(tfl::Model::VT_OPERATOR_CODES),
                        builder.CreateVector(codes).o);
  return {};
}

Result<void> TfliteWriter::build_edits(FlatbufferCopier& copier,
                                       flatbuffers::FlatBufferBuilder& builder) {
  if (edits_.empty()) return {};
  VP_RETURN_IF_ERROR(build_buffers(copier, builder));
  VP_RETURN_IF_ERROR(build_tensors(copier, builder));
  VP_RETURN_IF_ERROR(build_operators(copier, builder));
  return build_codes(copier, builder);
}

/// What lies behind the flatbuffer: bytes that we do not know, and the archive with its offsets
/// moved.
Result<void> TfliteWriter::append_rest(std::size_t source_end, FilePieces& file) const {
  const std::size_t end = model_.archive ? model_.archive->begin : model_.file.size();
  std::size_t written = file.pieces.front().size();
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
    source_end = copier.source_end();
    builder.ReleaseRaw(allocated, begin);
  }
  FilePieces file;
  file.owned.push_back(allocator.take());
  file.pieces.push_back(Bytes(file.owned.front()).subspan(begin, allocated - begin));
  VP_RETURN_IF_ERROR(append_rest(source_end, file));
  return file;
}

}  // namespace

FormatLimits TfliteModel::limits() const {
  FormatLimits limits;
  limits.min_bits = 8;
  limits.linear_needs_symmetric = true;
  limits.tables = false;
  limits.float16_all = true;
  return limits;
}

Result<FilePieces> TfliteModel::rewrite(std::span<const WeightEdit> edits,
                                        const RewriteOptions& options) const {
  TfliteWriter writer(*this, options);
  VP_RETURN_IF_ERROR(writer.plan(edits));
  return writer.write();
}

}  // namespace visionpress
