#include "formats/tflite/tflite_reader.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "base/bytes.h"
#include "base/error.h"
#include "formats/input_values.h"
#include "formats/tflite/tflite_input_info.h"
#include "formats/tflite/tflite_lowering.h"
#include "formats/tflite/tflite_model.h"
#include "formats/tflite/tflite_sparsity.h"
#include "lower/known_values.h"
#include "lower/shape_rules.h"

namespace visionpress {
namespace {

using Code = tfl::BuiltinOperator;

constexpr std::uint32_t kSchemaVersion = 3;
/// Of buffers in the format, and so also of the file in memory.
constexpr std::size_t kAlignment = 16;

/// The encoding of a tensor's elements.
struct ElementType {
  DType dtype = DType::Other;
  int bits = 0;  ///< 0: no fixed size
  bool is_signed = false;
  bool is_code = false;  ///< an integer that a scale turns into a value
};

ElementType element_type(tfl::TensorType type) {
  switch (type) {
    case tfl::TensorType::FLOAT32:
      return {.dtype = DType::Float32, .bits = 32, .is_signed = true, .is_code = false};
    case tfl::TensorType::FLOAT16:
      return {.dtype = DType::Float16, .bits = 16, .is_signed = true, .is_code = false};
    case tfl::TensorType::FLOAT64:
      return {.dtype = DType::Float64, .bits = 64, .is_signed = true, .is_code = false};
    case tfl::TensorType::INT8:
      return {.dtype = DType::Int8, .bits = 8, .is_signed = true, .is_code = true};
    case tfl::TensorType::UINT8:
      return {.dtype = DType::UInt8, .bits = 8, .is_signed = false, .is_code = true};
    case tfl::TensorType::INT16:
      return {.dtype = DType::Int16, .bits = 16, .is_signed = true, .is_code = false};
    case tfl::TensorType::INT32:
      return {.dtype = DType::Int32, .bits = 32, .is_signed = true, .is_code = false};
    case tfl::TensorType::INT64:
      return {.dtype = DType::Int64, .bits = 64, .is_signed = true, .is_code = false};
    case tfl::TensorType::BOOL:
      return {.dtype = DType::Bool, .bits = 8, .is_signed = false, .is_code = false};
    case tfl::TensorType::STRING:
      return {.dtype = DType::String, .bits = 0, .is_signed = false, .is_code = false};
    case tfl::TensorType::INT4:
      return {.dtype = DType::Other, .bits = 4, .is_signed = true, .is_code = true};
    case tfl::TensorType::UINT4:
      return {.dtype = DType::Other, .bits = 4, .is_signed = false, .is_code = true};
    case tfl::TensorType::INT2:
      return {.dtype = DType::Other, .bits = 2, .is_signed = true, .is_code = true};
    default:
      return {};
  }
}

/// Whether an operator may read an operand before the run, when the result of a DEQUANTIZE does not
/// exist yet. This holds for unknown kernels and for DENSIFY, which unpacks a constant.
bool needs_constant(Code code) {
  switch (code) {
    case Code::CUSTOM:
    case Code::DELEGATE:
    case Code::DENSIFY:
    case Code::STABLEHLO_CUSTOM_CALL:
      return true;
    default:
      return false;
  }
}

/// Builds a TfliteModel from a verified flatbuffer.
class TfliteReader {
 public:
  TfliteReader(Bytes file, const tfl::Model& root, const ReadOptions& options,
               Diagnostics& diagnostics)
      : file_(file),
        root_(root),
        options_(options),
        diagnostics_(diagnostics),
        model_(std::make_unique<TfliteModel>(file, root)),
        graph_(model_->graph_) {}

  Result<std::unique_ptr<SourceModel>> read();

 private:
  Result<void> check_model();
  Result<void> read_tensors();
  Result<void> read_tensor(std::size_t index);
  Result<void> read_constant(std::size_t index, Bytes payload);
  Result<void> check_buffers() const;
  Result<Bytes> view_buffer(const tfl::Tensor& tensor, const std::string& path) const;
  void note_rank(const tfl::Tensor& stored, std::size_t index);
  void open_input_size(TensorId id);
  Result<void> read_quantization(const tfl::Tensor& tensor, const std::string& path,
                                 QuantParams& quantization) const;
  Result<void> add_weight(std::size_t index, const ElementType& type, Bytes payload);
  Result<void> read_operators();
  Result<void> read_operator(std::size_t index);
  Result<void> set_inputs();
  [[nodiscard]] std::optional<TensorId> find_input(const std::string& name) const;
  [[nodiscard]] std::string list_inputs() const;
  Result<bool> read_densify(const TfliteOperator& source);
  Result<bool> read_dequantize(std::size_t index, const TfliteOperator& source);
  void note_uses(std::size_t index, const TfliteOperator& source, const Node& node,
                 bool works_on_integers);
  void assign_role(const TfliteOperator& source, std::size_t slot, const Node& node,
                   Weight& weight);
  void mark_signed_bytes(const TfliteOperator& source);
  void add_nodes(std::size_t index, const TfliteOperator& source, LoweredOperator lowered);
  void add_step(const Node& whole, LoweredStep step);
  void settle_ranks(std::size_t first);
  void drop_unwritten(std::vector<TensorId>& ids) const;
  Result<std::vector<TensorId>> check_ids(const flatbuffers::Vector<std::int32_t>* ids,
                                          const std::string& path, bool optional) const;
  void find_shared_buffers();
  bool is_shared_with_others(std::size_t tensor) const;
  void note_fixed_weights();
  std::string tensor_path(std::size_t index) const;

  Bytes file_;
  const tfl::Model& root_;
  const ReadOptions& options_;
  Diagnostics& diagnostics_;
  std::unique_ptr<TfliteModel> model_;
  Graph& graph_;
  const tfl::SubGraph* subgraph_ = nullptr;
  std::set<TensorId> without_rank_ = {};  ///< tensors whose rank the file does not state
  /// Some tensor sets has_rank, so tensors that do not set it have no rank.
  bool states_ranks_ = false;
  std::set<TensorId> settings_ = {};  ///< inputs that the user gave values for
  std::set<std::string> names_ = {};
  /// By weight: a layer that reads it and works on integers; empty if there is none.
  std::vector<std::string> integer_users_ = {};
  /// By weight: an operator that needs it as a constant; empty if there is none.
  std::vector<std::string> custom_users_ = {};
  std::vector<std::size_t> shared_buffers_ = {};  ///< readers other than weights, by buffer
  std::vector<bool> claimed_ = {};  ///< by weight: whether its first consumer has set its role
};

std::string TfliteReader::tensor_path(std::size_t index) const {
  return fmt::format("subgraphs[0].tensors[{}] \"{}\"", index, graph_.tensors[index].name);
}

Result<void> TfliteReader::check_model() {
  if (root_.version() != kSchemaVersion) {
    return fail(ErrorKind::Unsupported, "schema version is {}, only {} is read", root_.version(),
                kSchemaVersion);
  }
  if (size_of(root_.subgraphs()) == 0)
    return fail(ErrorKind::Malformed, "the model has no subgraph");
  if (root_.subgraphs()->size() > 1) {
    diagnostics_.warn(fmt::format("the file has {} subgraphs; only the first is looked at",
                                  root_.subgraphs()->size()));
  }
  subgraph_ = root_.subgraphs()->Get(0);
  graph_.format = Format::TfLite;
  graph_.layout = Layout::ChannelsLast;
  graph_.format_version = fmt::format("schema version {}", root_.version());
  if (root_.description() != nullptr) graph_.producer = root_.description()->str();
  return {};
}

Result<Bytes> TfliteReader::view_buffer(const tfl::Tensor& tensor, const std::string& path) const {
  if (tensor.buffer() == 0 && size_of(root_.buffers()) == 0) return Bytes{};
  if (tensor.buffer() >= size_of(root_.buffers())) {
    return fail(ErrorKind::Malformed, "{}: buffer {} of {}", path, tensor.buffer(),
                size_of(root_.buffers()));
  }
  return view_payload(file_, at_index(*root_.buffers(), tensor.buffer()));
}

/// Checks the buffers that lie outside of the flatbuffer, at an offset from the start of the file.
Result<void> TfliteReader::check_buffers() const {
  for (std::size_t i = 0; i < size_of(root_.buffers()); ++i) {
    const auto& buffer = at_index(*root_.buffers(), i);
    if (buffer.offset() <= 1) continue;
    if (buffer.offset() > file_.size() || buffer.size() > file_.size() - buffer.offset()) {
      return fail_at(ErrorKind::Malformed, buffer.offset(),
                     "buffers[{}]: its data is {} bytes, the file ends at {}", i, buffer.size(),
                     file_.size());
    }
  }
  for (std::size_t s = 0; s < root_.subgraphs()->size(); ++s) {
    const auto* operators = at_index(*root_.subgraphs(), s).operators();
    for (std::size_t i = 0; i < size_of(operators); ++i) {
      const auto& operation = at_index(*operators, i);
      const std::uint64_t offset = operation.large_custom_options_offset();
      if (offset > 1 && (offset > file_.size() ||
                         operation.large_custom_options_size() > file_.size() - offset)) {
        return fail_at(ErrorKind::Malformed, offset,
                       "subgraphs[{}].operators[{}]: its options are {} bytes, the file ends at {}",
                       s, i, operation.large_custom_options_size(), file_.size());
      }
    }
  }
  return {};
}

/// A scalar has rank 0; the rank of a tensor without a shape is unknown. Files of early converters
/// state no ranks, and their scalars have an empty shape.
void TfliteReader::note_rank(const tfl::Tensor& stored, std::size_t index) {
  if (size_of(stored.shape()) > 0 || stored.has_rank() || graph_.tensors[index].is_constant())
    return;
  if (stored.shape() != nullptr && !states_ranks_) return;
  without_rank_.insert(static_cast<TensorId>(index));
  graph_.tensors[index].has_rank = false;
}

/// An image's height or width whose signature is -1 is open: --input-size gives it. If the shape
/// then holds 1, that is a placeholder; any other size is the file's proposal.
void TfliteReader::open_input_size(TensorId id) {
  Tensor& tensor = graph_.tensors[static_cast<std::size_t>(id)];
  const auto* signature =
      subgraph_->tensors()->Get(static_cast<flatbuffers::uoffset_t>(id))->shape_signature();
  if (tensor.shape.size() != 4 || size_of(signature) != 4) return;
  const bool is_planar = is_planar_image(tensor.shape);
  for (std::size_t a = 0; a < 2; ++a) {
    const std::size_t axis = a + (is_planar ? 2 : 1);
    if (signature->Get(static_cast<flatbuffers::uoffset_t>(axis)) >= 0) continue;
    if (options_.input_size) {
      tensor.shape[axis] = (*options_.input_size)[a];
    } else if (tensor.shape[axis] == 1) {
      tensor.shape[axis] = -1;
    }
  }
}

Result<void> TfliteReader::read_quantization(const tfl::Tensor& tensor, const std::string& path,
                                             QuantParams& quantization) const {
  const auto* stored = tensor.quantization();
  if (size_of(stored->scale()) > 0) {
    quantization.scales.assign(stored->scale()->begin(), stored->scale()->end());
  }
  if (size_of(stored->zero_point()) > 0) {
    // The verifier does not check their alignment, so they are copied as bytes.
    quantization.zero_points.resize(stored->zero_point()->size());
    std::memcpy(quantization.zero_points.data(), stored->zero_point()->Data(),
                quantization.zero_points.size() * sizeof(std::int64_t));
  }
  quantization.axis = stored->quantized_dimension();
  const std::size_t scales = quantization.scales.size();
  const std::size_t zeros = quantization.zero_points.size();
  if (zeros != 0 && zeros != scales) {
    return fail(ErrorKind::Malformed, "{}: {} scales and {} zero points", path, scales, zeros);
  }
  for (const std::int64_t zero : quantization.zero_points) {
    if (zero < std::numeric_limits<std::int32_t>::min() ||
        zero > std::numeric_limits<std::int32_t>::max()) {
      return fail(ErrorKind::Malformed, "{}: zero point {} does not fit 32 bits", path, zero);
    }
  }
  if (scales > 1) {
    const std::size_t rank = size_of(tensor.shape());
    const auto axis = static_cast<std::size_t>(quantization.axis);
    if (quantization.axis < 0 || axis >= rank ||
        tensor.shape()->Get(static_cast<flatbuffers::uoffset_t>(axis)) !=
            static_cast<std::int64_t>(scales)) {
      return fail(ErrorKind::Malformed, "{}: {} scales along axis {} of shape {}", path, scales,
                  quantization.axis, to_string(graph_.tensors.back().shape));
    }
  }
  return {};
}

Result<void> TfliteReader::read_tensor(std::size_t index) {
  const auto& stored = at_index(*subgraph_->tensors(), index);
  Tensor& tensor = graph_.tensors[static_cast<std::size_t>(graph_.add_tensor({}))];
  tensor.name = stored.name() == nullptr || stored.name()->size() == 0
                    ? fmt::format("tensor {}", index)
                    : stored.name()->str();
  const std::string path = tensor_path(index);
  if (stored.shape() != nullptr) {
    for (const std::int32_t size : *stored.shape()) {
      if (size < -1) return fail(ErrorKind::Malformed, "{}: a size is {}", path, size);
      tensor.shape.push_back(size);
    }
  }
  tensor.dtype = element_type(stored.type()).dtype;
  if (stored.quantization() != nullptr && size_of(stored.quantization()->scale()) > 0) {
    QuantParams quantization;
    VP_RETURN_IF_ERROR(read_quantization(stored, path, quantization));
    tensor.quantization = std::move(quantization);
  }
  VP_ASSIGN_OR_RETURN(const Bytes payload, view_buffer(stored, path));
  if (!payload.empty() && !stored.is_variable()) VP_RETURN_IF_ERROR(read_constant(index, payload));
  note_rank(stored, index);
  return {};
}

Result<void> TfliteReader::read_constant(std::size_t index, Bytes payload) {
  const auto& stored = at_index(*subgraph_->tensors(), index);
  Tensor& tensor = graph_.tensors[index];
  const ElementType type = element_type(stored.type());
  if (type.bits == 0 || stored.sparsity() != nullptr) {
    tensor.constant = payload;
    return {};
  }
  const auto count = element_count(tensor.shape);
  const auto bits = count ? checked_multiply(*count, type.bits) : std::nullopt;
  if (!bits || (*bits + 7) / 8 != static_cast<std::int64_t>(payload.size())) {
    return fail(ErrorKind::Malformed,
                "{}: its buffer has {} bytes, {} elements of shape {} need {}", tensor_path(index),
                payload.size(), tfl::EnumNameTensorType(stored.type()), to_string(tensor.shape),
                bits ? std::to_string((*bits + 7) / 8) : "more than fit");
  }
  const bool is_float = tensor.dtype == DType::Float32 || tensor.dtype == DType::Float16;
  if (is_float || (type.is_code && tensor.quantization)) return add_weight(index, type, payload);
  tensor.constant = payload;
  return {};
}

Result<void> TfliteReader::add_weight(std::size_t index, const ElementType& type, Bytes payload) {
  Tensor& tensor = graph_.tensors[index];
  Weight weight;
  weight.name = tensor.name;
  if (!names_.insert(weight.name).second) {
    weight.name = fmt::format("{} (tensor {})", tensor.name, index);
    names_.insert(weight.name);
  }
  weight.layer = weight.name;
  weight.path = tensor_path(index);
  weight.layer_group = std::numeric_limits<std::size_t>::max() - index;
  weight.stored.shape = tensor.shape;
  weight.stored.payload = payload;
  WeightCode& code = weight.stored.code;
  code.bits = type.bits;
  code.is_signed = type.is_signed;
  code.encoding = Encoding::Float32;
  if (tensor.dtype == DType::Float16) code.encoding = Encoding::Float16;
  if (type.is_code) {
    code.encoding = Encoding::Linear;
    code.scales = tensor.quantization->scales;
    code.axis = tensor.quantization->axis;
    for (const std::int64_t zero : tensor.quantization->zero_points) {
      code.zero_points.push_back(static_cast<std::int32_t>(zero));
    }
    if (type.bits < 8) weight.stored.packing = Packing::LsbFirst;
  }
  tensor.quantization.reset();
  tensor.weight = graph_.weights.size();
  graph_.weights.push_back(std::move(weight));
  model_->places.push_back({index, {}, {}});
  return {};
}

Result<void> TfliteReader::read_tensors() {
  const std::size_t count = size_of(subgraph_->tensors());
  graph_.tensors.reserve(count);
  for (std::size_t index = 0; index < count; ++index)
    states_ranks_ = states_ranks_ || at_index(*subgraph_->tensors(), index).has_rank();
  for (std::size_t index = 0; index < count; ++index) VP_RETURN_IF_ERROR(read_tensor(index));
  integer_users_.resize(graph_.weights.size());
  custom_users_.resize(graph_.weights.size());
  claimed_.resize(graph_.weights.size(), false);
  return {};
}

Result<std::vector<TensorId>> TfliteReader::check_ids(const flatbuffers::Vector<std::int32_t>* ids,
                                                      const std::string& path,
                                                      bool optional) const {
  std::vector<TensorId> result;
  for (std::size_t i = 0; i < size_of(ids); ++i) {
    const std::int32_t id = ids->Get(static_cast<flatbuffers::uoffset_t>(i));
    const bool absent = optional && id == -1;
    const std::size_t count = size_of(
        subgraph_->tensors());  // not the graph's count, because the graph has additional tensors
    if (!absent && (id < 0 || static_cast<std::size_t>(id) >= count)) {
      return fail(ErrorKind::Malformed, "{}[{}]: tensor {} of {}", path, i, id, count);
    }
    result.push_back(absent ? kNoTensor : id);
  }
  return result;
}

/// Early converters (TensorFlow 1.12) stored hybrid kernels as signed bytes and called them UINT8;
/// the runtime reads every kernel of a layer with float input as signed.
void TfliteReader::mark_signed_bytes(const TfliteOperator& source) {
  if (source.code != Code::CONV_2D && source.code != Code::DEPTHWISE_CONV_2D &&
      source.code != Code::FULLY_CONNECTED) {
    return;
  }
  if (source.inputs.size() < 2 || source.inputs[0] == kNoTensor || source.inputs[1] == kNoTensor)
    return;
  const Tensor& kernel = graph_.tensor(source.inputs[1]);
  if (graph_.tensor(source.inputs[0]).dtype != DType::Float32) return;
  if (!kernel.weight || kernel.dtype != DType::UInt8) return;
  WeightCode& code = graph_.weights[*kernel.weight].stored.code;
  if (std::all_of(code.zero_points.begin(), code.zero_points.end(),
                  [](std::int32_t zero) { return zero == 0; })) {
    code.is_signed = true;
  }
}

/// The network's input of this name, which is the tensor's or the signature's.
std::optional<TensorId> TfliteReader::find_input(const std::string& name) const {
  const auto* inputs = subgraph_->inputs();
  for (std::size_t i = 0; i < size_of(inputs); ++i) {
    const std::int32_t id = inputs->Get(static_cast<flatbuffers::uoffset_t>(i));
    if (id >= 0 && graph_.tensor(id).name == name) return id;
  }
  for (std::size_t s = 0; s < size_of(root_.signature_defs()); ++s) {
    const auto& signature = at_index(*root_.signature_defs(), s);
    if (signature.subgraph_index() != 0) continue;
    for (std::size_t i = 0; i < size_of(signature.inputs()); ++i) {
      const auto& entry = at_index(*signature.inputs(), i);
      const bool is_input = entry.name() != nullptr && entry.name()->string_view() == name &&
                            entry.tensor_index() < size_of(subgraph_->tensors());
      if (is_input) return static_cast<TensorId>(entry.tensor_index());
    }
  }
  return std::nullopt;
}

std::string TfliteReader::list_inputs() const {
  std::string text;
  for (std::size_t i = 0; i < size_of(subgraph_->inputs()); ++i) {
    const std::int32_t id = subgraph_->inputs()->Get(static_cast<flatbuffers::uoffset_t>(i));
    const Tensor& tensor = graph_.tensor(id);
    text += fmt::format("{}\"{}\" {} {}", text.empty() ? "" : ", ", tensor.name,
                        name_of(tensor.dtype), to_string(tensor.shape));
  }
  return text;
}

/// Makes constants of the inputs that the user gives values for.
Result<void> TfliteReader::set_inputs() {
  if (options_.settings.empty()) return {};
  VP_RETURN_IF_ERROR(check_ids(subgraph_->inputs(), "subgraphs[0].inputs", false));
  for (const InputSetting& setting : options_.settings) {
    const auto id = find_input(setting.name);
    if (!id) {
      return fail(ErrorKind::Usage, "no input \"{}\" to set; the network's inputs: {}",
                  setting.name, list_inputs());
    }
    Tensor& tensor = graph_.tensors[static_cast<std::size_t>(*id)];
    if (!settings_.insert(*id).second)
      return fail(ErrorKind::Usage, "input \"{}\" is set twice", setting.name);
    const bool takes = can_be_set(tensor.dtype) && !tensor.quantization;
    if (!takes) {
      return fail(ErrorKind::Usage,
                  "input \"{}\" of {} cannot be set: bool, whole numbers and float32 can",
                  tensor.name, name_of(tensor.dtype));
    }
    Shape shape = tensor.shape;
    const auto* signature =
        subgraph_->tensors()->Get(static_cast<flatbuffers::uoffset_t>(*id))->shape_signature();
    if (size_of(signature) == shape.size() && setting.value.ends_with(".npy"))
      std::copy(signature->begin(), signature->end(), shape.begin());
    VP_ASSIGN_OR_RETURN(InputValues given, load_input_values(setting, tensor.dtype, shape));
    tensor.shape = std::move(given.shape);
    tensor.literal.assign(given.values.begin(), given.values.end());
  }
  return {};
}

/// returns: true if the operator unpacks a sparse constant of floats and so does not become a node.
Result<bool> TfliteReader::read_densify(const TfliteOperator& source) {
  if (source.code != Code::DENSIFY || source.inputs.size() != 1 || source.outputs.size() != 1 ||
      source.inputs[0] == kNoTensor)
    return false;
  const auto input = static_cast<std::size_t>(source.inputs[0]);
  const auto& stored = at_index(*subgraph_->tensors(), input);
  Tensor& output = graph_.tensors[static_cast<std::size_t>(source.outputs[0])];
  const bool is_float =
      stored.type() == tfl::TensorType::FLOAT32 || stored.type() == tfl::TensorType::FLOAT16;
  if (!is_float || stored.sparsity() == nullptr || graph_.tensors[input].constant.empty() ||
      output.is_constant())
    return false;
  if (output.shape != graph_.tensors[input].shape) {
    return fail(ErrorKind::Malformed, "{}: DENSIFY turns shape {} into {}", source.path,
                to_string(graph_.tensors[input].shape), to_string(output.shape));
  }
  auto values = tflite::densify(stored, graph_.tensors[input].constant);
  if (!values)
    return fail(values.error().kind, "{}: {}", tensor_path(input), values.error().message);
  output.literal = std::move(*values);
  return true;
}

/// returns: true if the operator only decodes a constant and so does not become a node.
Result<bool> TfliteReader::read_dequantize(std::size_t index, const TfliteOperator& source) {
  if (source.code != Code::DEQUANTIZE || source.inputs.size() != 1 || source.outputs.size() != 1 ||
      source.inputs[0] == kNoTensor) {
    return false;
  }
  const Tensor& input = graph_.tensor(source.inputs[0]);
  const auto output_index = static_cast<std::size_t>(source.outputs[0]);
  Tensor& output = graph_.tensors[output_index];
  const bool is_unpacked = input.dtype == DType::Float16 && !input.literal.empty();
  if ((!input.weight && !is_unpacked) || output.dtype != DType::Float32) return false;
  if (output.is_constant()) {
    return fail(ErrorKind::Malformed, "{}: DEQUANTIZE writes to the constant \"{}\"", source.path,
                output.name);
  }
  if (output.shape != input.shape) {
    return fail(ErrorKind::Malformed, "{}: DEQUANTIZE turns shape {} into {}", source.path,
                to_string(input.shape), to_string(output.shape));
  }
  if (is_unpacked) {
    output.literal = input.literal;
    return true;
  }
  output.weight = input.weight;
  model_->places[*input.weight].dequantizes.push_back({index, output_index, {}, false});
  return true;
}

void TfliteReader::assign_role(const TfliteOperator& source, std::size_t slot, const Node& node,
                               Weight& weight) {
  const bool conv = source.code == Code::CONV_2D || source.code == Code::DEPTHWISE_CONV_2D ||
                    source.code == Code::FULLY_CONNECTED;
  const bool transposed = source.code == Code::TRANSPOSE_CONV;
  if ((conv || transposed) && slot == 1) {
    weight.role = WeightRole::Kernel;
    weight.channel_axis = source.code == Code::DEPTHWISE_CONV_2D ? 3 : 0;
    const auto rank = static_cast<int>(weight.stored.shape.size());
    weight.channel_axis = std::min(weight.channel_axis, std::max(rank - 1, 0));
  } else if ((conv && slot == 2) || (transposed && slot == 3)) {
    weight.role = WeightRole::Bias;
  } else if (source.code == Code::PRELU && slot == 1) {
    weight.role = WeightRole::Vector;
  }
  weight.layer = node.name;
  weight.layer_group = graph_.nodes.size();
}

void TfliteReader::note_uses(std::size_t index, const TfliteOperator& source, const Node& node,
                             bool works_on_integers) {
  for (std::size_t slot = 0; slot < source.inputs.size(); ++slot) {
    const TensorId id = source.inputs[slot];
    if (id == kNoTensor || !graph_.tensor(id).weight) continue;
    const std::size_t weight_index = *graph_.tensor(id).weight;
    TflitePlace& place = model_->places[weight_index];
    const auto tensor_index = static_cast<std::size_t>(id);
    if (place.tensor_index == tensor_index) {
      place.direct.push_back({index, slot});
      if (works_on_integers) integer_users_[weight_index] = node.name;
      if (needs_constant(source.code) && custom_users_[weight_index].empty())
        custom_users_[weight_index] = source.type;
    }
    for (auto& dequantize : place.dequantizes) {
      if (dequantize.output_tensor == tensor_index) dequantize.uses.push_back({index, slot});
    }
    if (!claimed_[weight_index]) assign_role(source, slot, node, graph_.weights[weight_index]);
    claimed_[weight_index] = true;
  }
}

/// Removes variables and empty tensors from the inputs: no operator writes them, so to the graph
/// they are absent.
void TfliteReader::drop_unwritten(std::vector<TensorId>& ids) const {
  for (TensorId& id : ids) {
    if (id == kNoTensor || graph_.tensor(id).is_constant()) continue;
    const auto& stored = *subgraph_->tensors()->Get(static_cast<flatbuffers::uoffset_t>(id));
    if (stored.is_variable() || element_count(graph_.tensor(id).shape).value_or(1) == 0) {
      id = kNoTensor;
    }
  }
}

Result<void> TfliteReader::read_operator(std::size_t index) {
  const auto& stored = at_index(*subgraph_->operators(), index);
  const std::string path = fmt::format("subgraphs[0].operators[{}]", index);
  if (stored.opcode_index() >= size_of(root_.operator_codes())) {
    return fail(ErrorKind::Malformed, "{}: operator code {} of {}", path, stored.opcode_index(),
                size_of(root_.operator_codes()));
  }
  const auto& code = *root_.operator_codes()->Get(stored.opcode_index());
  TfliteOperator source{graph_, stored,    builtin_code(code), {}, path, {},
                        {},     subgraph_, &without_rank_};
  source.type = tfl::EnumNameBuiltinOperator(source.code);
  if (source.type.empty()) source.type = fmt::format("operator {}", static_cast<int>(source.code));
  if (source.code == Code::CUSTOM && code.custom_code() != nullptr) {
    source.type = code.custom_code()->str();
  }
  VP_ASSIGN_OR_RETURN(source.inputs, check_ids(stored.inputs(), path + ".inputs", true));
  VP_ASSIGN_OR_RETURN(source.outputs, check_ids(stored.outputs(), path + ".outputs", false));
  VP_ASSIGN_OR_RETURN(const bool unpacks, read_densify(source));
  if (unpacks) return {};
  VP_ASSIGN_OR_RETURN(const bool decodes, read_dequantize(index, source));
  if (decodes) return {};
  mark_signed_bytes(source);
  VP_ASSIGN_OR_RETURN(LoweredOperator lowered, lower_operator(source));
  add_nodes(index, source, std::move(lowered));
  return {};
}

/// Adds the operator's node, and the additional nodes before and after it.
void TfliteReader::add_nodes(std::size_t index, const TfliteOperator& source,
                             LoweredOperator lowered) {
  Node node;
  node.name = source.outputs.empty() ? source.path : graph_.tensor(source.outputs[0]).name;
  node.source_type = source.type;
  node.path = fmt::format("{} \"{}\"", source.path, node.name);
  node.op = std::move(lowered.op);
  node.inputs = std::move(lowered.inputs);
  node.outputs = source.outputs;
  if (!lowered.outputs.empty()) node.outputs = std::move(lowered.outputs);
  if (std::holds_alternative<Unsupported>(node.op)) drop_unwritten(node.inputs);
  for (Tensor& made : lowered.made) graph_.add_tensor(std::move(made));
  note_uses(index, source, node, lowered.works_on_integers);
  const Node whole = node;
  const std::size_t first = graph_.nodes.size();
  for (LoweredStep& step : lowered.before) add_step(whole, std::move(step));
  graph_.nodes.push_back(std::move(node));
  for (LoweredStep& step : lowered.after) add_step(whole, std::move(step));
  const bool has_open_rank = std::ranges::any_of(
      source.outputs, [this](TensorId id) { return without_rank_.contains(id); });
  if (has_open_rank) settle_ranks(first);
}

/// Gives results whose shape the file does not state the shape that follows from their operands, as
/// the runtime does before a run. Nodes from `first` on are one operator; where a shape does not
/// follow, it stays open, and the operators that need it are refused.
void TfliteReader::settle_ranks(std::size_t first) {
  for (std::size_t n = first; n < graph_.nodes.size(); ++n) {
    const Node& node = graph_.nodes[n];
    std::vector<RuleInput> inputs;
    for (const TensorId id : node.inputs) {
      if (id == kNoTensor) {
        inputs.emplace_back();
        continue;
      }
      if (without_rank_.contains(id)) return;
      const Tensor& tensor = graph_.tensor(id);
      inputs.push_back({tensor.shape, tensor.is_constant(), find_integers(tensor, kMostAxes)});
    }
    const auto shapes = infer_results(node.op, {inputs, node.outputs.size(), graph_.layout, true});
    if (!shapes || shapes->size() != node.outputs.size()) return;
    for (std::size_t i = 0; i < shapes->size(); ++i) {
      Tensor& result = graph_.tensors[static_cast<std::size_t>(node.outputs[i])];
      const bool is_between =
          static_cast<std::size_t>(node.outputs[i]) >= size_of(subgraph_->tensors());
      if (!is_between && without_rank_.erase(node.outputs[i]) == 0) continue;
      result.shape = (*shapes)[i];
    }
  }
}

/// Adds one additional node of the operator whose main node is `whole`, under the same name.
void TfliteReader::add_step(const Node& whole, LoweredStep step) {
  Node node;
  node.name = whole.name;
  node.source_type = whole.source_type;
  node.path = whole.path;
  node.op = std::move(step.op);
  node.inputs = std::move(step.inputs);
  node.outputs = std::move(step.outputs);
  graph_.nodes.push_back(std::move(node));
}

Result<void> TfliteReader::read_operators() {
  const std::size_t count = size_of(subgraph_->operators());
  graph_.nodes.reserve(count);
  for (std::size_t index = 0; index < count; ++index) VP_RETURN_IF_ERROR(read_operator(index));
  VP_ASSIGN_OR_RETURN(graph_.inputs, check_ids(subgraph_->inputs(), "subgraphs[0].inputs", false));
  VP_ASSIGN_OR_RETURN(graph_.outputs,
                      check_ids(subgraph_->outputs(), "subgraphs[0].outputs", false));
  std::erase_if(graph_.inputs, [this](TensorId id) { return settings_.contains(id); });
  for (const TensorId id : graph_.inputs) open_input_size(id);
  return {};
}

/// Finds buffers that are read by more than the weights of this graph: by tensors of other types,
/// other subgraphs, metadata. Replacing such a weight would only enlarge the file, because the old
/// bytes must stay.
void TfliteReader::find_shared_buffers() {
  std::vector<std::size_t> readers(size_of(root_.buffers()), 0);
  const auto count = [&readers](std::size_t buffer) {
    if (buffer < readers.size()) ++readers[buffer];
  };
  for (std::size_t s = 0; s < root_.subgraphs()->size(); ++s) {
    const auto* tensors = at_index(*root_.subgraphs(), s).tensors();
    for (std::size_t i = 0; i < size_of(tensors); ++i) count(at_index(*tensors, i).buffer());
  }
  for (std::size_t i = 0; i < size_of(root_.metadata()); ++i)
    count(at_index(*root_.metadata(), i).buffer());
  shared_buffers_ = readers;
  for (const TflitePlace& place : model_->places)
    --shared_buffers_[at_index(*subgraph_->tensors(), place.tensor_index).buffer()];
}

bool TfliteReader::is_shared_with_others(std::size_t tensor) const {
  return shared_buffers_[at_index(*subgraph_->tensors(), tensor).buffer()] > 0;
}

void TfliteReader::note_fixed_weights() {
  find_shared_buffers();
  // XNNPACK, LiteRT's default, accepts an undecoded 8-bit kernel only if the bias is a float
  // constant.
  for (const Node& node : graph_.nodes) {
    if (!is_dynamic_range(node.op) || node.inputs.size() < 3 ||
        !graph_.tensor(node.inputs[2]).weight)
      continue;
    graph_.weights[*graph_.tensor(node.inputs[2]).weight].fixed_because =
        "the 8-bit kernel beside it needs it in float32";
  }
  for (std::size_t index = 0; index < graph_.weights.size(); ++index) {
    Weight& weight = graph_.weights[index];
    TflitePlace& place = model_->places[index];
    for (const TensorId id : graph_.outputs) {
      if (static_cast<std::size_t>(id) == place.tensor_index) {
        weight.fixed_because = "the model gives it out as it is";
      }
      for (auto& dequantize : place.dequantizes) {
        if (dequantize.output_tensor == static_cast<std::size_t>(id)) dequantize.is_output = true;
      }
    }
    if (place.direct.empty() && place.dequantizes.empty())
      weight.fixed_because = "nothing reads it";
    if (is_shared_with_others(place.tensor_index))
      weight.fixed_because = "tensors other than weights read its bytes, too";
    if (!custom_users_[index].empty()) {
      weight.fixed_because =
          fmt::format("{} reads it, whose kernel may want a constant", custom_users_[index]);
    }
    if (!integer_users_[index].empty()) {
      weight.fixed_because =
          fmt::format("its layer \"{}\" works on integers", integer_users_[index]);
    }
  }
}

Result<std::unique_ptr<SourceModel>> TfliteReader::read() {
  VP_RETURN_IF_ERROR(check_model());
  VP_ASSIGN_OR_RETURN(model_->archive, find_archive(file_));
  VP_RETURN_IF_ERROR(check_buffers());
  VP_RETURN_IF_ERROR(read_tensors());
  VP_RETURN_IF_ERROR(set_inputs());
  VP_RETURN_IF_ERROR(read_operators());
  note_fixed_weights();
  VP_RETURN_IF_ERROR(check_graph(graph_));
  VP_RETURN_IF_ERROR(read_input_info(*model_, graph_, diagnostics_));
  return std::unique_ptr<SourceModel>(std::move(model_));
}

}  // namespace

Bytes view_payload(Bytes file, const tfl::Buffer& buffer) {
  // Offsets 0 and 1 mean that the data lies in the flatbuffer.
  if (buffer.offset() > 1) return file.subspan(buffer.offset(), buffer.size());
  return view_vector(buffer.data());
}

Bytes view_options(Bytes file, const tfl::Operator& operation) {
  if (operation.large_custom_options_offset() > 1) {
    return file.subspan(operation.large_custom_options_offset(),
                        operation.large_custom_options_size());
  }
  return view_vector(operation.custom_options());
}

tfl::BuiltinOperator builtin_code(const tfl::OperatorCode& code) {
  return std::max(static_cast<tfl::BuiltinOperator>(code.deprecated_builtin_code()),
                  code.builtin_code());
}

bool looks_like_tflite(Bytes file) {
  return file.size() >= 8 && view_text(file.subspan(4, 4)) == tfl::ModelIdentifier();
}

Result<std::unique_ptr<SourceModel>> read_tflite(Bytes file, Diagnostics& diagnostics) {
  return read_tflite(file, {}, diagnostics);
}

Result<std::unique_ptr<SourceModel>> read_tflite(Bytes file, const ReadOptions& options,
                                                 Diagnostics& diagnostics) {
  if (!looks_like_tflite(file)) {
    return fail(ErrorKind::Malformed,
                "not a TFLite file: bytes 4 to 7 are not the identifier \"TFL3\"");
  }
  void* start = const_cast<std::byte*>(
      file.data());  // std::align needs a non-const pointer; nothing is written
  std::size_t room = file.size();
  if (std::align(kAlignment, 1, start, room) != file.data()) {
    return fail(ErrorKind::InvalidArgument, "the bytes of the file are not aligned to {}",
                kAlignment);
  }
  // Offsets inside a flatbuffer have 31 bits. Data after it (an archive, weights of models above 2
  // GB) is reached by other offsets, which are checked where they are read.
  const std::size_t inside = std::min(file.size(), std::size_t{FLATBUFFERS_MAX_BUFFER_SIZE} - 1);
  const auto* bytes = view_as<const std::uint8_t>(file.data());
  flatbuffers::Verifier verifier(bytes, inside);
  if (!tfl::VerifyModelBuffer(verifier)) {
    return fail(ErrorKind::Malformed,
                "the flatbuffer is damaged: an offset, a length or the nesting is out of range");
  }
  return TfliteReader(file, *tfl::GetModel(bytes), options, diagnostics).read();
}

}  // namespace visionpress
