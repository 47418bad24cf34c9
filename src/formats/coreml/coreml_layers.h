#pragma once

// The lowerings of layers, grouped by function; lower_layer chooses among them. Each reads the
// layer's parameters and finishes the layer with one operator of model/ops.h.
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

// Elementwise layers (coreml_layers_elementwise.cc). lower_function takes those with one input and
// no parameters, lower_combination those with two inputs that broadcast.
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
[[nodiscard]] Result<void> lower_exp2(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_copy(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_function(LayerBuilder& layer, UnaryKind kind);
[[nodiscard]] Result<void> lower_combination(LayerBuilder& layer, BinaryKind kind);
/// If the layer has one input, the second operand is the number in field `alpha_field`.
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
[[nodiscard]] Result<void> lower_dot(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_reduce_log_sum(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_reduce_log_sum_exp(LayerBuilder& layer);
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

// Layers that pick, place, order or add up elements along an axis (coreml_layers_places.cc).
[[nodiscard]] Result<void> lower_gather(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_gather_nd(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_gather_along_axis(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_scatter(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_scatter_nd(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_scatter_along_axis(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_top_k(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_arg_sort(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_cumulative_sum(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_reverse(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_one_hot(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_where_broadcastable(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_where_non_zero(LayerBuilder& layer);

// Layers that make a shape or a mask (coreml_layers_made.cc).
[[nodiscard]] Result<void> lower_fill_static(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_fill_like(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_range_static(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_broadcast_to_static(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_broadcast_to_like(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_reshape_like(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_get_shape(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_matrix_band_part(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_lower_triangular(LayerBuilder& layer);
[[nodiscard]] Result<void> lower_upper_triangular(LayerBuilder& layer);

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

// Helpers that the lowerings share.
/// Reads two numbers in the order height, width; `fallback` for both if the field is absent.
/// errors: Malformed unless the field has no numbers or two, each 0..2^31.
[[nodiscard]] Result<std::array<std::int64_t, 2>> read_pair(const LayerBuilder& layer,
                                                            const ProtobufMessage& message,
                                                            std::uint32_t field,
                                                            std::int64_t fallback);
struct Borders {
  std::array<std::int64_t, 2> before = {0, 0};
  std::array<std::int64_t, 2> after = {0, 0};
};
/// Reads the BorderAmounts in field `field` of `message`, which has no entries or two (height and
/// width).
[[nodiscard]] Result<Borders> read_borders(const LayerBuilder& layer,
                                           const ProtobufMessage& message, std::uint32_t field);
/// Reads the oneof of `valid` and `same`; nothing if neither is set.
[[nodiscard]] Result<std::optional<SpatialPadding>> read_spatial_padding(const LayerBuilder& layer,
                                                                         std::uint32_t valid_field,
                                                                         std::uint32_t same_field);
/// Converts a size from a file to int64. errors: Malformed if it is beyond 2^31, because no tensor
/// has such an axis.
[[nodiscard]] Result<std::int64_t> read_size(const LayerBuilder& layer,
                                             const ProtobufMessage& message, std::uint32_t field);

// Axes of a blob and of its tensor.
/// Converts an axis of a blob (negative: from the innermost) to an axis of its tensor; nothing if
/// the axis was dropped or the blob does not have it.
[[nodiscard]] std::optional<int> find_axis(std::int64_t axis, const Blob& blob);
[[nodiscard]] std::vector<TensorId> ids_of(const std::vector<Blob>& blobs);
/// Returns the blob with all of its axes; an inner node restores a dropped one.
[[nodiscard]] Blob restore_sequence(LayerBuilder& layer, const Blob& blob);

/// A blob of [H,W], [C,H,W] or more axes, viewed as a tensor [N,C,H,W], which spatial operators
/// need.
struct ImageView {
  TensorId id = kNoTensor;
  std::vector<int> added = {};  ///< axes added in front, only for this layer
  BlobAxes axes = {};           ///< the axes of the blob
};
/// Returns nothing if the blob has fewer than `least` axes or a sequence axis in front.
[[nodiscard]] std::optional<ImageView> view_image(LayerBuilder& layer, int least);
/// Finishes the layer with `op`, whose result has the axes of `image`'s blob. more: additional
/// inputs.
[[nodiscard]] Result<void> finish_image(LayerBuilder& layer, const ImageView& image, Op op,
                                        std::vector<TensorId> more = {});

// Reasons why a layer cannot be run.
inline constexpr const char* kNoImage = "its input is not an image";
inline constexpr const char* kSequence = "it works along the sequence axis";

}  // namespace visionpress::coreml
