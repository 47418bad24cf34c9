#pragma once

// The graph under construction: blobs by name, weights with their slots, and the nodes of one
// layer.

#include <limits>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "formats/coreml/coreml_weights.h"
#include "model/graph.h"
#include "visionpress/result.h"
#include "wire/protobuf_cursor.h"

namespace visionpress::coreml {

/// The layer group for weights that do not belong to a layer.
inline constexpr std::size_t kNoLayerGroup = std::numeric_limits<std::size_t>::max();

/// The longest axis of a tensor. The limit keeps sums of sizes far from overflow. As the end of a
/// slice it means the end of the axis.
inline constexpr std::int64_t kMaxSize = std::int64_t{1} << 31;

/// The limit for layers that take any number of inputs; far more than a real file has.
inline constexpr std::size_t kManyInputs = std::size_t{1} << 16;

/// The number of axes of a value, in Core ML and in the graph. They differ for rank 5,
/// [Seq,B,C,H,W]: if Seq is known to be 1, the graph drops it, so that an image has four axes.
struct BlobAxes {
  int rank = 5;
  int kept = 4;  ///< `rank`, or 4 of 5
};

/// The default for a layer's result: Seq is dropped.
[[nodiscard]] constexpr BlobAxes axes_of_rank(int rank) { return {rank, rank == 5 ? 4 : rank}; }

/// A value as Core ML sees it, with its tensor in the graph.
struct Blob {
  TensorId id = kNoTensor;
  BlobAxes axes = {};

  [[nodiscard]] int rank() const { return axes.rank; }
  [[nodiscard]] bool drops_sequence() const { return axes.kept < axes.rank; }
};

/// The state that grows while a network is read.
struct NetworkBuilder {
  Graph graph = {};
  std::vector<WeightSlot> slots = {};  ///< one per weight of the graph
  GatheredPayloads gathered = {};
  std::map<std::string, Blob, std::less<>> blobs = {};  ///< the latest value under each name
  std::set<std::string, std::less<>> weight_names = {};

  /// Returns the blob that a layer reads. If no layer has written the name, returns a tensor
  /// without a writer, which check_graph reports with the layer's place.
  [[nodiscard]] Blob read_blob(const std::string& name);
  /// Adds a new value under `name`, which later layers read.
  TensorId write_blob(const std::string& name, BlobAxes axes);
  TensorId add_literal(std::string name, Shape shape, std::vector<float> values);
};

/// Describes one weight of a layer.
struct WeightUse {
  std::uint32_t field = 0;  ///< in `message`
  /// The message that contains the field; null: the layer's parameters.
  const ProtobufMessage* message = nullptr;
  const char* suffix = "";  ///< "weights", "bias": the end of its name
  WeightRole role = WeightRole::Kernel;
  WeightShape shape = {};
  Shape view = {};                 ///< its shape in the graph; empty: the stored shape
  const char* fixed_because = "";  ///< why the writer must not replace it; empty: it may
};

/// One layer while it is lowered.
class LayerBuilder {
 public:
  /// params: the message of the layer's own type; index: in layers.
  LayerBuilder(NetworkBuilder& network, const ProtobufMessage& params, Node origin,
               std::size_t index);

  /// Sets the names of the layer's blobs; call once.
  void set_blobs(const std::vector<std::string>& inputs, std::vector<std::string> outputs);
  /// Adds names of further blobs that the layer writes; each may be added once.
  void add_outputs(std::vector<std::string> names);
  void set_updatable(bool updatable) { updatable_ = updatable; }

  [[nodiscard]] const ProtobufMessage& params() const { return params_; }
  [[nodiscard]] const std::string& path() const { return origin_.path; }
  [[nodiscard]] const std::string& name() const { return origin_.name; }
  [[nodiscard]] std::size_t input_count() const { return inputs_.size(); }
  [[nodiscard]] std::size_t output_count() const { return outputs_.size(); }
  [[nodiscard]] const Blob& input(std::size_t i) const { return inputs_[i]; }
  [[nodiscard]] std::vector<TensorId> input_ids() const;
  /// errors: Malformed when the layer has fewer than `least` or more than `most` inputs.
  [[nodiscard]] Result<void> expect_inputs(std::size_t least, std::size_t most) const;

  /// Adds a weight to the graph and returns its constant tensor.
  /// errors: Malformed when the field is absent or breaks the rules of WeightParams.
  [[nodiscard]] Result<TensorId> add_weight(const WeightUse& use);
  TensorId add_literal(Shape shape, std::vector<float> values);
  /// Adds a node whose result only the next node of this layer reads.
  TensorId add_inner_node(Op op, std::vector<TensorId> inputs);
  /// The same for an operator with several results.
  std::vector<TensorId> add_inner_nodes(Op op, std::vector<TensorId> inputs, std::size_t count);
  /// Adds the node that writes the layer's outputs, with the axes of the input that has the most.
  Result<void> finish(Op op, std::vector<TensorId> inputs);
  Result<void> finish(Op op, std::vector<TensorId> inputs, BlobAxes axes);
  /// Adds one node per output of the layer; all read `input`.
  Result<void> finish_each(std::vector<Op> ops, TensorId input, BlobAxes axes);
  /// Adds one node per output of the layer; each reads its own of `inputs`.
  Result<void> finish_each_of(std::vector<Op> ops, const std::vector<TensorId>& inputs,
                              BlobAxes axes);
  /// Adds the layer as one that cannot be run; every rewrite still carries it.
  Result<void> refuse(std::string why);

  /// Sets the ranks of the outputs if the file states them (outputTensor), for layers that are
  /// refused, or whose result's rank does not follow from their parameters.
  void set_stated_ranks(std::vector<int> ranks) { stated_ranks_ = std::move(ranks); }
  /// The rank that the file states for an output; 0 if it states none.
  [[nodiscard]] int stated_rank(std::size_t output) const {
    return output < stated_ranks_.size() ? stated_ranks_[output] : 0;
  }

 private:
  NetworkBuilder& network_;
  const ProtobufMessage& params_;
  Node origin_;
  std::size_t index_;
  std::vector<Blob> inputs_ = {};
  std::vector<std::string> outputs_ = {};
  std::vector<int> stated_ranks_ = {};
  bool updatable_ = false;
};

/// Lowers one layer of type `type` (its field number in NeuralNetworkLayer) into nodes. A type
/// without a lowering becomes an Unsupported node. errors: Malformed.
[[nodiscard]] Result<void> lower_layer(std::uint32_t type, LayerBuilder& layer);
/// The specification's name of a layer type, or "type 1234".
[[nodiscard]] std::string layer_type_name(std::uint32_t type);

}  // namespace visionpress::coreml
