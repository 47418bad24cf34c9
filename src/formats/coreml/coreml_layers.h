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
[[nodiscard]] Result<void> lower_batched_matmul(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_batchnorm(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_scale(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_bias(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_load_constant(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_load_constant_nd(LayerBuilder& layer);

// Layers that compute each element by itself (coreml_layers_elementwise.cc). lower_function takes
// those of one input without parameters, lower_combination those of two that broadcast.
[[nodiscard]] Result<void> lower_activation(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_unary(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_add(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_multiply(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_average(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_max(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_min(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_clip(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_clamped_relu(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_gelu(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_logical_xor(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_copy(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_function(LayerBuilder& layer, UnaryKind kind);
[[nodiscard]] Result<void> lower_combination(LayerBuilder& layer, BinaryKind kind);
/// With one input the second operand is the number in field `alpha_field`.
[[nodiscard]] Result<void> lower_comparison(LayerBuilder& layer, BinaryKind kind,
                                            std::uint32_t alpha_field);

// Layers over the image plane (coreml_layers_spatial.cc).
[[nodiscard]] Result<void> lower_pooling(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_padding(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_crop(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_upsample(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_resize_bilinear(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_reorganize_data(LayerBuilder& layer);

// Layers that reduce axes, or normalize over them (coreml_layers_reduce.cc).
[[nodiscard]] Result<void> lower_reduce(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_reduce_axes(LayerBuilder& layer, ReduceKind kind);
[[nodiscard]] Result<void> lower_find_extreme(LayerBuilder& layer, ReduceKind kind);
[[nodiscard]] Result<void> lower_softmax(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_softmax_nd(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_lrn(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_mvn(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_l2_normalize(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_layer_normalization(LayerBuilder& layer);

// Layers that move or gather elements (coreml_layers_shape.cc).
[[nodiscard]] Result<void> lower_concat(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_concat_nd(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_stack(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_slice(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_slice_static(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_split(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_split_nd(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_tile(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_sequence_repeat(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_constant_pad(LayerBuilder& layer);

// Layers that change the axes (coreml_layers_axes.cc).
[[nodiscard]] Result<void> lower_flatten(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_flatten_to_2d(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_reshape(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_reshape_static(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_rank_preserving_reshape(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_permute(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_transpose(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_squeeze(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_expand_dims(LayerBuilder& layer);

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

// Axes of a blob and of its tensor.
/// An axis of a blob (negative: from the innermost) as an axis of its tensor; nothing when it is
/// the one that was dropped, or none of the blob's.
[[nodiscard]] std::optional<int> find_axis(std::int64_t axis, const Blob& blob);
/// The blob with all of its axes: an inner node puts a dropped one back.
[[nodiscard]] Blob restore_sequence(LayerBuilder& layer, const Blob& blob);

/// A blob of [H,W], [C,H,W] or more axes as a tensor [N,C,H,W], which the spatial operators take.
struct ImageView {
  TensorId id = kNoTensor;
  std::vector<int> added = {};  ///< axes that were put in front, for this layer alone
  BlobAxes axes = {};           ///< of the blob
};
/// Nothing when it has fewer than `least` axes, or a sequence in front.
[[nodiscard]] std::optional<ImageView> view_image(LayerBuilder& layer, int least);
/// Finishes the layer with `op`, whose result has the axes of `image`'s blob. more: further inputs.
[[nodiscard]] Result<void> finish_image(LayerBuilder& layer, const ImageView& image, Op op,
                                        std::vector<TensorId> more = {});

// Why a layer is not run.
inline constexpr const char* kNoImage = "its input is not an image";
inline constexpr const char* kSequence = "it works along the sequence axis";

}  // namespace visionpress::coreml
