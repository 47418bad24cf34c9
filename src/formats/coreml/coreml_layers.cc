#include "formats/coreml/coreml_layers.h"

#include <algorithm>

#include "base/error.h"
#include "formats/coreml/coreml_schema.h"

namespace visionpress::coreml {
namespace {

/// One layer type: its field in NeuralNetworkLayer, its name there, and its lowering, if there is
/// one.
struct LayerRow {
  std::uint32_t field;
  const char* name;
  Result<void> (*lower)(LayerBuilder&);
};

constexpr std::uint32_t kCustom = 500;
constexpr std::uint32_t kBranch = 605;
constexpr std::uint32_t kLoop = 615;

/// The fields that hold a control-flow layer's inner networks: BranchLayerParams { ifBranch 1,
/// elseBranch 2 }, LoopLayerParams { conditionNetwork 3, bodyNetwork 4 }.
constexpr std::array<std::uint32_t, 2> inner_networks(std::uint32_t type) {
  return type == kBranch ? std::array<std::uint32_t, 2>{1, 2} : std::array<std::uint32_t, 2>{3, 4};
}

Result<void> lower_custom(LayerBuilder& layer) {
  VP_ASSIGN_OR_RETURN(const std::string class_name, layer.params().read_text(10));
  return layer.refuse(fmt::format("its code ({}) is in the app, not in the file", class_name));
}

/// Lists the blobs that a network inside a layer writes, including those of networks nested in it.
Result<void> list_written(const ProtobufMessage& network, int depth,
                          std::vector<std::string>& names) {
  constexpr int kDeepest = 16;
  if (depth > kDeepest) {
    return fail_at(ErrorKind::Unsupported, network.offset(), "networks nested more than {} deep",
                   kDeepest);
  }
  VP_ASSIGN_OR_RETURN(const auto layers, network.read_messages(network_field::kLayers));
  for (const ProtobufMessage& layer : layers) {
    VP_ASSIGN_OR_RETURN(auto outputs, layer.read_texts(layer_field::kOutput));
    names.insert(names.end(), outputs.begin(), outputs.end());
    for (const std::uint32_t type : {kBranch, kLoop}) {
      VP_ASSIGN_OR_RETURN(const auto params, layer.read_message(type));
      if (!params) continue;
      for (const std::uint32_t field : inner_networks(type)) {
        VP_ASSIGN_OR_RETURN(const auto inner, params->read_message(field));
        if (inner) VP_RETURN_IF_ERROR(list_written(*inner, depth + 1, names));
      }
    }
  }
  return {};
}

/// Refuses a control-flow layer, but declares the blobs that its inner networks write, because
/// later layers read them.
template <std::uint32_t type>
Result<void> lower_control_flow(LayerBuilder& layer) {
  std::vector<std::string> names;
  for (const std::uint32_t field : inner_networks(type)) {
    VP_ASSIGN_OR_RETURN(const auto inner, layer.params().read_message(field));
    if (inner) VP_RETURN_IF_ERROR(list_written(*inner, 1, names));
  }
  layer.add_outputs(std::move(names));
  return layer.refuse("which of its layers run is decided in the run");
}

// Rows for layers that differ only in the operator.
template <UnaryKind kind>
Result<void> function(LayerBuilder& layer) {
  return lower_function(layer, kind);
}
template <BinaryKind kind>
Result<void> combine(LayerBuilder& layer) {
  return lower_combination(layer, kind);
}
template <BinaryKind kind, std::uint32_t alpha_field>
Result<void> compare(LayerBuilder& layer) {
  return lower_comparison(layer, kind, alpha_field);
}
template <ReduceKind kind>
Result<void> reduce(LayerBuilder& layer) {
  return lower_reduce_axes(layer, kind);
}
template <ReduceKind kind>
Result<void> find_extreme(LayerBuilder& layer) {
  return lower_find_extreme(layer, kind);
}

constexpr std::array kRows = std::to_array<LayerRow>({
    {100, "convolution", lower_convolution},
    {120, "pooling", lower_pooling},
    {130, "activation", lower_activation},
    {140, "innerProduct", lower_inner_product},
    {150, "embedding", nullptr},
    {160, "batchnorm", lower_batchnorm},
    {165, "mvn", lower_mvn},
    {170, "l2normalize", lower_l2_normalize},
    {175, "softmax", lower_softmax},
    {180, "lrn", lower_lrn},
    {190, "crop", lower_crop},
    {200, "padding", lower_padding},
    {210, "upsample", lower_upsample},
    {211, "resizeBilinear", lower_resize_bilinear},
    {212, "cropResize", nullptr},
    {220, "unary", lower_unary},
    {230, "add", lower_add},
    {231, "multiply", lower_multiply},
    {240, "average", lower_average},
    {245, "scale", lower_scale},
    {250, "bias", lower_bias},
    {260, "max", lower_max},
    {261, "min", lower_min},
    {270, "dot", lower_dot},
    {280, "reduce", lower_reduce},
    {290, "loadConstant", lower_load_constant},
    {300, "reshape", lower_reshape},
    {301, "flatten", lower_flatten},
    {310, "permute", lower_permute},
    {320, "concat", lower_concat},
    {330, "split", lower_split},
    {340, "sequenceRepeat", lower_sequence_repeat},
    {345, "reorganizeData", lower_reorganize_data},
    {350, "slice", lower_slice},
    {400, "simpleRecurrent", nullptr},
    {410, "gru", nullptr},
    {420, "uniDirectionalLSTM", nullptr},
    {430, "biDirectionalLSTM", nullptr},
    {kCustom, "custom", lower_custom},
    {600, "copy", lower_copy},
    {kBranch, "branch", lower_control_flow<kBranch>},
    {kLoop, "loop", lower_control_flow<kLoop>},
    {620, "loopBreak", nullptr},
    {625, "loopContinue", nullptr},
    {635, "rangeStatic", lower_range_static},
    {640, "rangeDynamic", nullptr},
    {660, "clip", lower_clip},
    {665, "ceil", function<UnaryKind::Ceil>},
    {670, "floor", function<UnaryKind::Floor>},
    {680, "sign", function<UnaryKind::Sign>},
    {685, "round", function<UnaryKind::Round>},
    {700, "exp2", lower_exp2},
    {710, "sin", function<UnaryKind::Sin>},
    {715, "cos", function<UnaryKind::Cos>},
    {720, "tan", function<UnaryKind::Tan>},
    {730, "asin", function<UnaryKind::Asin>},
    {735, "acos", function<UnaryKind::Acos>},
    {740, "atan", function<UnaryKind::Atan>},
    {750, "sinh", function<UnaryKind::Sinh>},
    {755, "cosh", function<UnaryKind::Cosh>},
    {760, "tanh", function<UnaryKind::Tanh>},
    {770, "asinh", function<UnaryKind::Asinh>},
    {775, "acosh", function<UnaryKind::Acosh>},
    {780, "atanh", function<UnaryKind::Atanh>},
    {790, "erf", function<UnaryKind::Erf>},
    {795, "gelu", lower_gelu},
    {815, "equal", compare<BinaryKind::Equal, 1>},
    {820, "notEqual", compare<BinaryKind::NotEqual, 1>},
    {825, "lessThan", compare<BinaryKind::Less, 2>},
    {827, "lessEqual", compare<BinaryKind::LessEqual, 2>},
    {830, "greaterThan", compare<BinaryKind::Greater, 2>},
    {832, "greaterEqual", compare<BinaryKind::GreaterEqual, 2>},
    {840, "logicalOr", combine<BinaryKind::LogicalOr>},
    {845, "logicalXor", lower_logical_xor},
    {850, "logicalNot", function<UnaryKind::LogicalNot>},
    {855, "logicalAnd", combine<BinaryKind::LogicalAnd>},
    {865, "modBroadcastable", combine<BinaryKind::FloorModulo>},
    {870, "minBroadcastable", combine<BinaryKind::Minimum>},
    {875, "maxBroadcastable", combine<BinaryKind::Maximum>},
    {880, "addBroadcastable", combine<BinaryKind::Add>},
    {885, "powBroadcastable", combine<BinaryKind::Power>},
    {890, "divideBroadcastable", combine<BinaryKind::Divide>},
    {895, "floorDivBroadcastable", combine<BinaryKind::FloorDivide>},
    {900, "multiplyBroadcastable", combine<BinaryKind::Multiply>},
    {905, "subtractBroadcastable", combine<BinaryKind::Subtract>},
    {920, "tile", lower_tile},
    {925, "stack", lower_stack},
    {930, "gather", lower_gather},
    {935, "scatter", lower_scatter},
    {940, "gatherND", lower_gather_nd},
    {945, "scatterND", lower_scatter_nd},
    {950, "softmaxND", lower_softmax_nd},
    {952, "gatherAlongAxis", lower_gather_along_axis},
    {954, "scatterAlongAxis", lower_scatter_along_axis},
    {960, "reverse", lower_reverse},
    {965, "reverseSeq", nullptr},
    {975, "splitND", lower_split_nd},
    {980, "concatND", lower_concat_nd},
    {985, "transpose", lower_transpose},
    {995, "sliceStatic", lower_slice_static},
    {1000, "sliceDynamic", nullptr},
    {1005, "slidingWindows", nullptr},
    {1015, "topK", lower_top_k},
    {1020, "argMin", find_extreme<ReduceKind::ArgMin>},
    {1025, "argMax", find_extreme<ReduceKind::ArgMax>},
    {1040, "embeddingND", nullptr},
    {1045, "batchedMatmul", lower_batched_matmul},
    {1065, "getShape", lower_get_shape},
    {1070, "loadConstantND", lower_load_constant_nd},
    {1080, "fillLike", lower_fill_like},
    {1085, "fillStatic", lower_fill_static},
    {1090, "fillDynamic", nullptr},
    {1100, "broadcastToLike", lower_broadcast_to_like},
    {1105, "broadcastToStatic", lower_broadcast_to_static},
    {1110, "broadcastToDynamic", nullptr},
    {1120, "squeeze", lower_squeeze},
    {1125, "expandDims", lower_expand_dims},
    {1130, "flattenTo2D", lower_flatten_to_2d},
    {1135, "reshapeLike", lower_reshape_like},
    {1140, "reshapeStatic", lower_reshape_static},
    {1145, "reshapeDynamic", nullptr},
    {1150, "rankPreservingReshape", lower_rank_preserving_reshape},
    {1155, "constantPad", lower_constant_pad},
    {1250, "reduceL1", reduce<ReduceKind::L1>},
    {1255, "reduceL2", reduce<ReduceKind::L2>},
    {1260, "reduceMax", reduce<ReduceKind::Maximum>},
    {1265, "reduceMin", reduce<ReduceKind::Minimum>},
    {1270, "reduceSum", reduce<ReduceKind::Sum>},
    {1275, "reduceProd", reduce<ReduceKind::Product>},
    {1280, "reduceMean", reduce<ReduceKind::Mean>},
    {1285, "reduceLogSum", lower_reduce_log_sum},
    {1290, "reduceSumSquare", reduce<ReduceKind::SumOfSquares>},
    {1295, "reduceLogSumExp", lower_reduce_log_sum_exp},
    {1313, "whereNonZero", lower_where_non_zero},
    {1315, "matrixBandPart", lower_matrix_band_part},
    {1320, "lowerTriangular", lower_lower_triangular},
    {1325, "upperTriangular", lower_upper_triangular},
    {1330, "whereBroadcastable", lower_where_broadcastable},
    {1350, "layerNormalization", lower_layer_normalization},
    {1400, "NonMaximumSuppression", nullptr},
    {1450, "oneHot", lower_one_hot},
    {1455, "cumSum", lower_cumulative_sum},
    {1460, "clampedReLU", lower_clamped_relu},
    {1461, "argSort", lower_arg_sort},
    {1465, "pooling3d", nullptr},
    {1466, "globalPooling3d", nullptr},
    {1470, "sliceBySize", nullptr},
    {1471, "convolution3d", nullptr},
});

const LayerRow* find_row(std::uint32_t type) {
  const auto row = std::lower_bound(
      kRows.begin(), kRows.end(), type,
      [](const LayerRow& candidate, std::uint32_t field) { return candidate.field < field; });
  return row != kRows.end() && row->field == type ? &*row : nullptr;
}

}  // namespace

std::string layer_type_name(std::uint32_t type) {
  const LayerRow* row = find_row(type);
  return row != nullptr ? row->name : fmt::format("type {}", type);
}

Result<void> lower_layer(std::uint32_t type, LayerBuilder& layer) {
  const LayerRow* row = find_row(type);
  if (row == nullptr || row->lower == nullptr) {
    return layer.refuse("no operator here computes it");
  }
  return row->lower(layer);
}

std::optional<int> find_axis(std::int64_t axis, const Blob& blob) {
  if (axis < 0) axis += blob.rank();
  if (axis < 0 || axis >= blob.rank()) return std::nullopt;
  if (blob.drops_sequence()) --axis;
  if (axis < 0) return std::nullopt;
  return static_cast<int>(axis);
}

std::vector<TensorId> ids_of(const std::vector<Blob>& blobs) {
  std::vector<TensorId> ids;
  ids.reserve(blobs.size());
  for (const Blob& blob : blobs) ids.push_back(blob.id);
  return ids;
}

Blob restore_sequence(LayerBuilder& layer, const Blob& blob) {
  if (!blob.drops_sequence()) return blob;
  return {layer.add_inner_node(ExpandDims{{0}}, {blob.id}), {blob.rank(), blob.rank()}};
}

std::optional<ImageView> view_image(LayerBuilder& layer, int least) {
  const Blob& blob = layer.input(0);
  if (blob.rank() < least || blob.axes.kept > 4) return std::nullopt;
  ImageView image{blob.id, {}, blob.axes};
  for (int axis = 0; axis < 4 - blob.axes.kept; ++axis) image.added.push_back(axis);
  if (!image.added.empty()) image.id = layer.add_inner_node(ExpandDims{image.added}, {blob.id});
  return image;
}

Result<void> finish_image(LayerBuilder& layer, const ImageView& image, Op op,
                          std::vector<TensorId> more) {
  more.insert(more.begin(), image.id);
  if (image.added.empty()) return layer.finish(std::move(op), std::move(more), image.axes);
  const TensorId result = layer.add_inner_node(std::move(op), std::move(more));
  return layer.finish(Squeeze{image.added}, {result}, image.axes);
}

}  // namespace visionpress::coreml
