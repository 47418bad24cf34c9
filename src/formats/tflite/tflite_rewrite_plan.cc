#include "formats/tflite/tflite_rewrite_plan.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/half.h"

namespace visionpress::tflite {
namespace {

using Code = tfl::BuiltinOperator;

class RewritePlanner {
 public:
  RewritePlanner(const TfliteModel& model, const RewriteOptions& options)
      : model_(model),
        root_(model.root),
        options_(options),
        subgraph_(at_index(*model.root.subgraphs(), 0)) {}

  Result<RewritePlan> plan(std::span<const WeightEdit> edits);
  /// Whether the codes are stored as INT4, two per byte.
  bool packs(const TflitePlace& place, const WeightCode& code) const;
  /// Whether TensorFlow 1.12 can run these codes in the operators that read the weight.
  bool is_legacy_kernel(std::size_t index, const Form& form);

 private:
  Result<PlannedEdit> check_edit(const WeightEdit& edit) const;
  Result<void> check_linear(const WeightEdit& edit, const std::string& name) const;
  bool is_hybrid_use(const TfliteUse& use, const WeightCode& code) const;
  void decide_form(PlannedEdit& edit);
  bool keep_bias_float(const PlannedEdit& edit);
  bool is_bias_float(const TfliteUse& use, std::set<std::size_t>& halves) const;
  bool is_grouped(const TfliteUse& use, const Shape& kernel) const;
  void spread_scale(PlannedEdit& edit) const;
  bool has_legacy_kernels(const PlannedEdit& edit) const;
  Result<void> check_legacy(const PlannedEdit& edit) const;
  std::size_t count_listed(std::size_t buffer) const;
  void plan_buffer(PlannedEdit& edit);
  void count_buffer_users();
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

  const TfliteModel& model_;
  const tfl::Model& root_;
  const RewriteOptions& options_;
  const tfl::SubGraph& subgraph_;
  /// Edits by weight, including those that the plan adds.
  std::map<std::size_t, const EncodedWeight*> wishes_ = {};
  RewritePlan plan_ = {};
};

template <typename T>
bool has_repeats(const flatbuffers::Vector<flatbuffers::Offset<T>>* vector) {
  std::set<const T*> seen;
  for (std::size_t i = 0; i < size_of(vector); ++i) {
    if (!seen.insert(&at_index(*vector, i)).second) return true;
  }
  return false;
}

Result<void> RewritePlanner::check_linear(const WeightEdit& edit, const std::string& name) const {
  const WeightCode& code = edit.value->code;
  const auto nonzero = [](auto value) { return value != 0; };
  if (code.bits < 1 || code.bits > 8 || !code.is_signed ||
      std::any_of(code.zero_points.begin(), code.zero_points.end(), nonzero) ||
      std::any_of(code.offsets.begin(), code.offsets.end(), nonzero)) {
    return fail(ErrorKind::InvalidArgument,
                "\"{}\": TFLite takes linear codes of 1 to 8 bits, signed, with zero points 0",
                name);
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
  if (!packs(model_.places[edit.index], code)) return {};
  for (std::size_t i = 0; i < edit.value->codes.size(); ++i) {
    const auto value = load_le<std::int8_t>(edit.value->codes, i);
    if (value > -(1 << (kPackedBits - 1)) && value < 1 << (kPackedBits - 1)) continue;
    return fail(ErrorKind::InvalidArgument, "\"{}\": code {} of {} bits, expected -7 to 7", name,
                value, code.bits);
  }
  return {};
}

Result<PlannedEdit> RewritePlanner::check_edit(const WeightEdit& edit) const {
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

std::vector<TfliteUse> RewritePlanner::all_uses(const TflitePlace& place) const {
  std::vector<TfliteUse> uses = place.direct;
  for (const auto& dequantize : place.dequantizes) {
    uses.insert(uses.end(), dequantize.uses.begin(), dequantize.uses.end());
  }
  return uses;
}

/// Whether the runtime can run the operator of `use` on float activations with this 8-bit kernel.
bool RewritePlanner::is_hybrid_use(const TfliteUse& use, const WeightCode& code) const {
  const Code reader = code_of(use.operator_index);
  if (reader != Code::CONV_2D && reader != Code::DEPTHWISE_CONV_2D &&
      reader != Code::FULLY_CONNECTED) {
    return false;
  }
  if (use.slot != 1) return false;
  const auto& stored = source_operator(use.operator_index);
  const std::int32_t x = stored.inputs()->Get(0);
  if (x < 0 || source_tensor(static_cast<std::size_t>(x)).type() != tfl::TensorType::FLOAT32)
    return false;
  if (reader == Code::FULLY_CONNECTED) {
    const auto* options = stored.builtin_options_as_FullyConnectedOptions();
    if (options == nullptr || options->weights_format() != tfl::WeightsFormat::DEFAULT)
      return false;
  }
  return code.scales.size() == 1 || code.axis == (reader == Code::DEPTHWISE_CONV_2D ? 3 : 0);
}

/// Whether the bias of the kernel's layer will be a float32 constant. A float16 bias without an
/// edit is added to `halves`, because it can become one.
bool RewritePlanner::is_bias_float(const TfliteUse& use, std::set<std::size_t>& halves) const {
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

/// XNNPACK, LiteRT's default, refuses a file in which the layer of an undecoded 8-bit kernel has a
/// bias from a DEQUANTIZE (LiteRT 2.3). Float16 biases therefore become float32, which loses
/// nothing.
bool RewritePlanner::keep_bias_float(const PlannedEdit& edit) {
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
    plan_.float_biases.push_back(std::move(value));
    plan_buffer(planned);
    plan_operators(planned);
    plan_.edits.push_back(std::move(planned));
  }
  return true;
}

/// LiteRT 2.3 runs CONV_2D and FULLY_CONNECTED of float activations with INT4 kernels, and decodes
/// such constants in DEQUANTIZE; DEPTHWISE_CONV_2D refuses them.
bool RewritePlanner::packs(const TflitePlace& place, const WeightCode& code) const {
  if (!options_.packs_codes || code.encoding != Encoding::Linear || code.bits > kPackedBits ||
      options_.integer_form == IntegerForm::TensorFlow112) {
    return false;
  }
  if (options_.integer_form == IntegerForm::WeightOnly) return true;
  const std::vector<TfliteUse> uses = all_uses(place);
  return std::none_of(uses.begin(), uses.end(), [this](const TfliteUse& use) {
    return code_of(use.operator_index) == Code::DEPTHWISE_CONV_2D;
  });
}

void RewritePlanner::decide_form(PlannedEdit& edit) {
  const Encoding encoding = edit.value->code.encoding;
  if (packs(*edit.place, edit.value->code)) edit.type = tfl::TensorType::INT4;
  const std::vector<TfliteUse> uses = all_uses(*edit.place);
  const bool given_out = std::any_of(edit.place->dequantizes.begin(), edit.place->dequantizes.end(),
                                     [](const auto& dequantize) { return dequantize.is_output; });
  if (encoding == Encoding::Float32) edit.direct = !given_out;
  if (encoding != Encoding::Linear || options_.integer_form == IntegerForm::WeightOnly ||
      given_out || uses.empty()) {
    return;
  }
  const Code first = code_of(uses.front().operator_index);
  edit.direct = std::all_of(uses.begin(), uses.end(),
                            [&](const TfliteUse& use) {
                              return is_hybrid_use(use, edit.value->code) &&
                                     code_of(use.operator_index) == first;
                            }) &&
                keep_bias_float(edit);
  if (!edit.direct) return;
  if (options_.integer_form == IntegerForm::TensorFlow112) {
    edit.type = tfl::TensorType::UINT8;
  } else {
    spread_scale(edit);
  }
}

/// TensorFlow 1.12 had 8-bit kernels for plain convolutions and matrices, with one scale per
/// tensor.
bool RewritePlanner::has_legacy_kernels(const PlannedEdit& edit) const {
  const std::vector<TfliteUse> uses = all_uses(*edit.place);
  const bool plain = std::all_of(uses.begin(), uses.end(), [&](const TfliteUse& use) {
    const Code code = code_of(use.operator_index);
    return code == Code::FULLY_CONNECTED ||
           (code == Code::CONV_2D && !is_grouped(use, edit.value->shape));
  });
  return edit.direct && plain && edit.scales.size() == 1;
}

bool RewritePlanner::is_legacy_kernel(std::size_t index, const Form& form) {
  const Weight& weight = model_.graph().weights[index];
  const auto code = outline_code(weight.stored.shape, form, weight.channel_axis);
  if (!code) return false;
  count_buffer_users();
  const EncodedWeight outline{.shape = weight.stored.shape, .code = *code};
  PlannedEdit edit;
  edit.value = &outline;
  edit.place = &model_.places[index];
  edit.weight = &weight;
  edit.scales = code->scales;
  decide_form(edit);
  return has_legacy_kernels(edit);
}

Result<void> RewritePlanner::check_legacy(const PlannedEdit& edit) const {
  if (options_.integer_form != IntegerForm::TensorFlow112 ||
      edit.value->code.encoding != Encoding::Linear || has_legacy_kernels(edit)) {
    return {};
  }
  return fail(
      ErrorKind::InvalidArgument,
      "\"{}\": TensorFlow 1.12 has 8-bit kernels in CONV_2D and FULLY_CONNECTED alone, with "
      "one scale",
      edit.weight->name);
}

/// Whether a convolution is grouped, that is, whether its kernel reads only a part of the input's
/// channels.
bool RewritePlanner::is_grouped(const TfliteUse& use, const Shape& kernel) const {
  if (code_of(use.operator_index) != Code::CONV_2D || kernel.size() != 4) return false;
  const auto x = static_cast<std::size_t>(source_operator(use.operator_index).inputs()->Get(0));
  const Shape& input = model_.graph().tensors[x].shape;
  return input.size() == 4 && input[3] != kernel[3];
}

/// Depthwise and grouped convolutions need one scale per channel, so a single scale is repeated.
void RewritePlanner::spread_scale(PlannedEdit& edit) const {
  if (edit.scales.size() != 1) return;
  for (const TfliteUse& use : all_uses(*edit.place)) {
    const bool depthwise = code_of(use.operator_index) == Code::DEPTHWISE_CONV_2D;
    const Shape& shape = edit.value->shape;
    if (shape.size() != 4 || (!depthwise && !is_grouped(use, shape))) continue;
    edit.axis = depthwise ? 3 : 0;
    edit.scales.assign(static_cast<std::size_t>(shape[static_cast<std::size_t>(edit.axis)]),
                       edit.value->code.scales.front());
    return;
  }
}

/// How many buffers share a buffer's table (converters write all empty buffers as one table).
std::size_t RewritePlanner::count_listed(std::size_t buffer) const {
  const auto& table = at_index(*root_.buffers(), buffer);
  std::size_t listed = 0;
  for (std::size_t i = 0; i < root_.buffers()->size(); ++i) {
    if (&at_index(*root_.buffers(), i) == &table) ++listed;
  }
  return listed;
}

/// A buffer with other readers stays unchanged for them; the last of its readers to be edited takes
/// it over. Tensors that shared a buffer and still hold the same bytes share the new one.
void RewritePlanner::plan_buffer(PlannedEdit& edit) {
  const std::size_t buffer = source_tensor(edit.place->tensor_index).buffer();
  const std::size_t listed = count_listed(buffer);
  const auto same = std::find_if(plan_.edits.begin(), plan_.edits.end(), [&](const auto& other) {
    return source_tensor(other.place->tensor_index).buffer() == buffer &&
           other.scales == edit.scales && other.axis == edit.axis && other.type == edit.type &&
           other.value->codes == edit.value->codes;
  });
  if (same != plan_.edits.end()) {
    edit.buffer = same->buffer;
    edit.shares_buffer = true;
    if (--plan_.buffer_users[buffer] == 0 && listed == 1) plan_.dropped_buffers.insert(buffer);
    return;
  }
  if (plan_.buffer_users[buffer] == 1 && listed == 1) {
    edit.buffer = buffer;
    return;
  }
  --plan_.buffer_users[buffer];
  edit.buffer = size_of(root_.buffers()) + plan_.new_buffers++;
}

std::uint32_t RewritePlanner::find_code(Code code, int version) {
  const std::size_t known = root_.operator_codes()->size();
  for (std::size_t i = 0; i < known; ++i) {
    const auto& stored = at_index(*root_.operator_codes(), i);
    if (builtin_code(stored) == code && stored.version() == version)
      return static_cast<std::uint32_t>(i);
  }
  for (std::size_t i = 0; i < plan_.new_codes.size(); ++i) {
    if (plan_.new_codes[i].code == code && plan_.new_codes[i].version == version) {
      return static_cast<std::uint32_t>(known + i);
    }
  }
  plan_.new_codes.push_back({code, version});
  return static_cast<std::uint32_t>(known + plan_.new_codes.size() - 1);
}

/// Other operators may share the code, so it is never changed in place.
void RewritePlanner::raise_version(std::size_t operator_index, int version) {
  const auto& stored =
      at_index(*root_.operator_codes(), source_operator(operator_index).opcode_index());
  if (stored.version() < version) {
    plan_.changed_codes[operator_index] = find_code(code_of(operator_index), version);
  }
}

void RewritePlanner::read_from(const TfliteUse& use, std::size_t tensor) {
  auto [found, added] = plan_.changed_inputs.try_emplace(use.operator_index);
  if (added) {
    const auto& inputs = *source_operator(use.operator_index).inputs();
    found->second.assign(inputs.begin(), inputs.end());
  }
  found->second[use.slot] = static_cast<std::int32_t>(tensor);
}

/// LiteRT's operator versions for hybrid kernels. CONV_2D has none for INT4 beside float
/// activations.
int hybrid_version(Code code, const PlannedEdit& edit, bool grouped) {
  const bool by_channel = edit.scales.size() > 1;
  const bool is_packed = edit.type == tfl::TensorType::INT4;
  switch (code) {
    case Code::DEPTHWISE_CONV_2D:
      return 6;
    case Code::FULLY_CONNECTED:
      return by_channel ? 12 : (is_packed ? 10 : 3);
    default:
      return grouped ? 6 : (by_channel ? 5 : 2);
  }
}

int dequantize_version(const PlannedEdit& edit) {
  if (edit.value->code.encoding == Encoding::Float16) return 3;
  if (edit.type == tfl::TensorType::INT4) return 6;
  return edit.scales.size() > 1 ? 5 : 2;
}

void RewritePlanner::plan_direct(const PlannedEdit& edit) {
  for (const auto& dequantize : edit.place->dequantizes) {
    plan_.dropped_operators.insert(dequantize.operator_index);
    for (const TfliteUse& use : dequantize.uses) read_from(use, edit.place->tensor_index);
  }
  if (edit.value->code.encoding == Encoding::Float32 ||
      options_.integer_form == IntegerForm::TensorFlow112) {
    return;
  }
  for (const TfliteUse& use : all_uses(*edit.place)) {
    const Code code = code_of(use.operator_index);
    raise_version(use.operator_index,
                  hybrid_version(code, edit, is_grouped(use, edit.value->shape)));
    if (edit.type == tfl::TensorType::INT4 && code == Code::CONV_2D) plan_.has_packed_conv = true;
  }
}

void RewritePlanner::plan_decoded(const PlannedEdit& edit) {
  const int version = dequantize_version(edit);
  for (const auto& dequantize : edit.place->dequantizes)
    raise_version(dequantize.operator_index, version);
  if (edit.place->direct.empty()) return;
  NewDequantize added;
  added.input = edit.place->tensor_index;
  added.output = subgraph_.tensors()->size() + plan_.new_tensors.size();
  added.code = find_code(Code::DEQUANTIZE, version);
  added.before = edit.place->direct.front().operator_index;
  for (const TfliteUse& use : edit.place->direct) {
    added.before = std::min(added.before, use.operator_index);
    read_from(use, added.output);
  }
  plan_.new_tensors.push_back({edit.weight->name + std::string(kDequantizeSuffix), added.input});
  plan_.new_dequantizes.push_back(added);
}

void RewritePlanner::plan_operators(const PlannedEdit& edit) {
  if (edit.direct) {
    plan_direct(edit);
  } else {
    plan_decoded(edit);
  }
}

void RewritePlanner::count_buffer_users() {
  plan_.buffer_users.assign(size_of(root_.buffers()), 0);
  const auto count_user = [this](std::size_t buffer) {
    if (buffer < plan_.buffer_users.size()) ++plan_.buffer_users[buffer];
  };
  for (std::size_t s = 0; s < root_.subgraphs()->size(); ++s) {
    const auto* tensors = at_index(*root_.subgraphs(), s).tensors();
    for (std::size_t i = 0; i < size_of(tensors); ++i) count_user(at_index(*tensors, i).buffer());
  }
  for (std::size_t i = 0; i < size_of(root_.metadata()); ++i) {
    count_user(at_index(*root_.metadata(), i).buffer());
  }
}

Result<RewritePlan> RewritePlanner::plan(std::span<const WeightEdit> edits) {
  count_buffer_users();
  if (edits.empty()) return std::move(plan_);
  VP_RETURN_IF_ERROR(check_distinct(model_));
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
    VP_RETURN_IF_ERROR(check_legacy(planned));
    if (planned.value->code.encoding == Encoding::Float32 && !planned.direct) {
      return fail(ErrorKind::Unsupported,
                  "\"{}\": the model gives out its decoded values, it cannot be float32",
                  planned.weight->name);
    }
    plan_buffer(planned);
    plan_operators(planned);
    plan_.edits.push_back(std::move(planned));
  }
  return std::move(plan_);
}

}  // namespace

Result<void> check_distinct(const TfliteModel& model) {
  const tfl::SubGraph& subgraph = at_index(*model.root.subgraphs(), 0);
  if (has_repeats(subgraph.tensors()) || has_repeats(subgraph.operators()) ||
      has_repeats(model.root.subgraphs())) {
    return fail(ErrorKind::Unsupported,
                "two tensors or operators are one table in the file; its weights cannot "
                "be replaced");
  }
  return {};
}

int stored_bits(const TfliteModel& model, const RewriteOptions& options, std::size_t index,
                const WeightCode& code) {
  return RewritePlanner(model, options).packs(model.places[index], code) ? kPackedBits : 8;
}

std::string why_not(const TfliteModel& model, const RewriteOptions& options, std::size_t index,
                    const Form& form) {
  const Weight& weight = model.graph().weights[index];
  if (!weight.fixed_because.empty()) return weight.fixed_because;
  const bool given_out = std::ranges::any_of(
      model.places[index].dequantizes, [](const auto& dequantize) { return dequantize.is_output; });
  if (form.encoding == Encoding::Float32 && given_out) {
    return "the model gives out its decoded values";
  }
  if (form.encoding == Encoding::Table) return "TFLite has no tables of values";
  if (form.encoding != Encoding::Linear) return {};
  if (weight.role != WeightRole::Kernel) return "the format holds only float biases";
  if (form.granularity == Granularity::Block) return "TFLite has no scales per block";
  if (form.bits < 1 || form.bits > 8 || !form.is_signed) {
    return "TFLite takes signed codes of 1 to 8 bits";
  }
  if (options.integer_form == IntegerForm::TensorFlow112 &&
      !RewritePlanner(model, options).is_legacy_kernel(index, form)) {
    return "TensorFlow 1.12 has no 8-bit kernel for its operator";
  }
  return {};
}

Result<RewritePlan> plan_rewrite(const TfliteModel& model, const RewriteOptions& options,
                                 std::span<const WeightEdit> edits) {
  return RewritePlanner(model, options).plan(edits);
}

}  // namespace visionpress::tflite
