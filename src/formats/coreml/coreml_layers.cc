#include "formats/coreml/coreml_layers.h"

#include <algorithm>

#include "base/error.h"

namespace visionpress::coreml {
namespace {

/// One layer type: its field in NeuralNetworkLayer, its name there, and how it is lowered, if it
/// is.
struct LayerRow {
  std::uint32_t field;
  const char* name;
  Result<void> (*lower)(LayerBuilder&);
};

constexpr std::uint32_t kCustom = 500;

Result<void> lower_custom(LayerBuilder& layer) {
  VP_ASSIGN_OR_RETURN(const std::string class_name, layer.params().read_text(10));
  return layer.refuse(fmt::format("its code ({}) is in the app, not in the file", class_name));
}

constexpr std::array kRows = std::to_array<LayerRow>({
    {100, "convolution", lower_convolution},
    {120, "pooling", lower_pooling},
    {130, "activation", lower_activation},
    {140, "innerProduct", lower_inner_product},
    {150, "embedding", nullptr},
    {160, "batchnorm", lower_batchnorm},
    {165, "mvn", nullptr},
    {170, "l2normalize", nullptr},
    {175, "softmax", lower_softmax},
    {180, "lrn", nullptr},
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
    {270, "dot", nullptr},
    {280, "reduce", lower_reduce},
    {290, "loadConstant", lower_load_constant},
    {300, "reshape", lower_reshape},
    {301, "flatten", lower_flatten},
    {310, "permute", lower_permute},
    {320, "concat", lower_concat},
    {330, "split", lower_split},
    {340, "sequenceRepeat", nullptr},
    {345, "reorganizeData", lower_reorganize_data},
    {350, "slice", lower_slice},
    {400, "simpleRecurrent", nullptr},
    {410, "gru", nullptr},
    {420, "uniDirectionalLSTM", nullptr},
    {430, "biDirectionalLSTM", nullptr},
    {kCustom, "custom", lower_custom},
    {600, "copy", lower_copy},
    {605, "branch", nullptr},
    {615, "loop", nullptr},
    {660, "clip", lower_clip},
    {665, "ceil", lower_ceil},
    {670, "floor", lower_floor},
    {790, "erf", nullptr},
    {795, "gelu", nullptr},
    {870, "maxBroadcastable", lower_max_broadcastable},
    {875, "minBroadcastable", lower_min_broadcastable},
    {880, "addBroadcastable", lower_add_broadcastable},
    {885, "powBroadcastable", nullptr},
    {890, "divideBroadcastable", lower_divide_broadcastable},
    {895, "floorDivBroadcastable", nullptr},
    {900, "multiplyBroadcastable", lower_multiply_broadcastable},
    {905, "subtractBroadcastable", lower_subtract_broadcastable},
    {920, "tile", nullptr},
    {925, "stack", nullptr},
    {930, "gather", nullptr},
    {950, "softmaxND", lower_softmax_nd},
    {975, "splitND", nullptr},
    {980, "concatND", lower_concat_nd},
    {985, "transpose", lower_transpose},
    {995, "sliceStatic", nullptr},
    {1015, "topK", nullptr},
    {1020, "argMin", nullptr},
    {1025, "argMax", nullptr},
    {1040, "embeddingND", nullptr},
    {1045, "batchedMatmul", nullptr},
    {1070, "loadConstantND", lower_load_constant_nd},
    {1120, "squeeze", lower_squeeze},
    {1125, "expandDims", lower_expand_dims},
    {1130, "flattenTo2D", nullptr},
    {1140, "reshapeStatic", lower_reshape_static},
    {1150, "rankPreservingReshape", nullptr},
    {1155, "constantPad", nullptr},
    {1260, "reduceMax", nullptr},
    {1265, "reduceMin", nullptr},
    {1270, "reduceSum", nullptr},
    {1280, "reduceMean", nullptr},
    {1350, "layerNormalization", nullptr},
    {1400, "NonMaximumSuppression", nullptr},
    {1460, "clampedReLU", nullptr},
    {1465, "pooling3d", nullptr},
    {1466, "globalPooling3d", nullptr},
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

}  // namespace visionpress::coreml
