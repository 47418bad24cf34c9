#pragma once

// What every pass asks of a graph: who writes and reads a tensor, what a constant holds.

#include <cstddef>
#include <optional>
#include <vector>

#include "model/owned_graph.h"
#include "visionpress/result.h"

namespace visionpress {

/// A view of one graph for one pass. Nodes that a pass removes stay in place until `finish`, so
/// indices hold; readers and writers follow every change made through the editor.
class GraphEditor {
 public:
  static constexpr std::size_t kNoNode = static_cast<std::size_t>(-1);

  explicit GraphEditor(OwnedGraph& owned);
  GraphEditor(const GraphEditor&) = delete;
  GraphEditor& operator=(const GraphEditor&) = delete;

  [[nodiscard]] OwnedGraph& owned() { return owned_; }
  [[nodiscard]] Graph& graph() { return owned_.graph; }
  [[nodiscard]] const Tensor& tensor(TensorId id) const { return owned_.graph.tensor(id); }
  [[nodiscard]] std::size_t node_count() const { return removed_.size(); }
  [[nodiscard]] Node& node(std::size_t index) { return owned_.graph.nodes[index]; }
  [[nodiscard]] bool is_removed(std::size_t index) const { return removed_[index]; }

  /// The node that writes the tensor; kNoNode for inputs and constants.
  [[nodiscard]] std::size_t writer_of(TensorId id) const;
  /// How many inputs of nodes, and graph outputs, the tensor is.
  [[nodiscard]] std::size_t use_count(TensorId id) const;
  /// The node that writes `id` where just one input of one node reads it; else kNoNode.
  [[nodiscard]] std::size_t sole_writer(TensorId id) const;
  [[nodiscard]] bool is_output(TensorId id) const;
  [[nodiscard]] bool is_constant(TensorId id) const;

  /// Takes the node out; its inputs are read once less.
  void remove(std::size_t index);
  /// Lets `input` slot of a node read another tensor.
  void set_input(std::size_t index, std::size_t slot, TensorId id);
  void add_input(std::size_t index, TensorId id);
  /// The earlier node takes over the output of the later one, which is removed.
  void absorb(std::size_t earlier, std::size_t later);
  /// Every reader of `from` reads `to`.
  void replace_uses(TensorId from, TensorId to);

  /// The values of a constant as floats. errors: Malformed from the decoder.
  [[nodiscard]] Result<std::vector<float>> load_values(TensorId id) const;
  /// The value of a float constant of one element.
  [[nodiscard]] std::optional<float> find_scalar(TensorId id) const;
  /// The values of a constant that says one thing a channel of the last axis: one axis of
  /// `channels`, or 1s before it, or a single value.
  [[nodiscard]] std::optional<std::vector<float>> find_channel_values(TensorId id,
                                                                      std::int64_t channels) const;

  /// Drops the removed nodes. The last call.
  void finish();

 private:
  void count(TensorId id, std::ptrdiff_t by);

  OwnedGraph& owned_;
  std::vector<bool> removed_;
  std::vector<std::size_t> writers_;
  std::vector<std::size_t> uses_;
};

}  // namespace visionpress
