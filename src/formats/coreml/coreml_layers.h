#pragma once

// The lowerings of layers, grouped by what they do; lower_layer chooses among them.
// Each reads the layer's parameters and finishes it with one operator of model/ops.h.
// source: apple/coremltools mlmodel/format/NeuralNetwork.proto, whose field numbers they cite.

#include <array>
#include <optional>

#include "formats/coreml/coreml_builder.h"

namespace visionpress::coreml {

// Layers with weights (coreml_layers_weighted.cc).
[[nodiscard]] Result<void> lower_convolution(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_inner_product(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_batchnorm(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_scale(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_bias(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_load_constant(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_load_constant_nd(LayerBuilder& layer);

// Layers that compute each element by itself (coreml_layers_elementwise.cc).
[[nodiscard]] Result<void> lower_activation(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_unary(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_add(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_multiply(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_average(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_max(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_min(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_add_broadcastable(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_subtract_broadcastable(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_multiply_broadcastable(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_divide_broadcastable(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_max_broadcastable(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_min_broadcastable(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_clip(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_ceil(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_floor(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_copy(LayerBuilder& layer);

// Layers over the image plane (coreml_layers_spatial.cc).
[[nodiscard]] Result<void> lower_pooling(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_padding(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_crop(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_upsample(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_resize_bilinear(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_reorganize_data(LayerBuilder& layer);

// Layers that move or gather elements (coreml_layers_shape.cc).
[[nodiscard]] Result<void> lower_softmax(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_softmax_nd(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_concat(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_concat_nd(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_flatten(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_reshape(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_reshape_static(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_permute(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_transpose(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_squeeze(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_expand_dims(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_slice(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_split(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_reduce(LayerBuilder& layer);

// Shared by them.
/// Two numbers in the order height, width; `fallback` for both where the field is absent.
/// errors: Malformed unless there are none or two, each 0..2^31.
[[nodiscard]] Result<std::array<std::int64_t, 2>> read_pair(const LayerBuilder& layer,
                                                            const ProtobufMessage& message,
                                                            std::uint32_t field,
                                                            std::int64_t fallback);
struct Borders {
  std::array<std::int64_t, 2> before = {0, 0};
  std::array<std::int64_t, 2> after = {0, 0};
};
/// BorderAmounts in field `field` of `message`: none at all, or height and width.
[[nodiscard]] Result<Borders> read_borders(const LayerBuilder& layer,
                                           const ProtobufMessage& message, std::uint32_t field);
/// The oneof of `valid` and `same`; nothing where neither is set.
[[nodiscard]] Result<std::optional<SpatialPadding>> read_spatial_padding(const LayerBuilder& layer,
                                                                         std::uint32_t valid_field,
                                                                         std::uint32_t same_field);
/// A size from a file as int64. errors: Malformed when it is beyond 2^31 (no tensor has such an
/// axis).
[[nodiscard]] Result<std::int64_t> read_size(const LayerBuilder& layer,
                                             const ProtobufMessage& message, std::uint32_t field);

/// True for blobs that the graph holds as [N,C,H,W].
[[nodiscard]] constexpr bool is_image_rank(int rank) { return rank == 4 || rank == 5; }

}  // namespace visionpress::coreml
