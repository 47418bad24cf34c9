#pragma once

// The queries and edits that all passes share: who writes and reads a tensor, a constant's values.

#include <cstddef>
#include <optional>
#include <vector>

#include "model/owned_graph.h"
#include "visionpress/result.h"

namespace visionpress {

/// A view of one graph for one pass. Removed nodes stay in place until `finish`, so node indices
/// remain valid. Every change made through the editor updates the lists of readers and writers.
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
  /// The number of node inputs and graph outputs that use the tensor.
  [[nodiscard]] std::size_t use_count(TensorId id) const;
  /// The node that writes `id`, if exactly one node input reads the tensor; else kNoNode.
  [[nodiscard]] std::size_t sole_writer(TensorId id) const;
  [[nodiscard]] bool is_output(TensorId id) const;
  [[nodiscard]] bool is_constant(TensorId id) const;

  /// Removes the node and its uses of its inputs.
  void remove(std::size_t index);
  /// Makes input `slot` of a node read another tensor.
  void set_input(std::size_t index, std::size_t slot, TensorId id);
  void add_input(std::size_t index, TensorId id);
  /// Removes the later node and lets the earlier one write its output.
  void absorb(std::size_t earlier, std::size_t later);
  /// Makes every reader of `from` read `to`.
  void replace_uses(TensorId from, TensorId to);

  /// The values of a constant as floats. errors: Malformed from the decoder.
  [[nodiscard]] Result<std::vector<float>> load_values(TensorId id) const;
  /// The value of a float constant of one element.
  [[nodiscard]] std::optional<float> find_scalar(TensorId id) const;
  /// One value per channel of the last axis, from a constant of shape [channels], [1, .., channels]
  /// or a single element.
  [[nodiscard]] std::optional<std::vector<float>> find_channel_values(TensorId id,
                                                                      std::int64_t channels) const;

  /// Drops the removed nodes. Must be the last call.
  void finish();

 private:
  void count(TensorId id, std::ptrdiff_t by);

  OwnedGraph& owned_;
  std::vector<bool> removed_;
  std::vector<std::size_t> writers_;
  std::vector<std::size_t> uses_;
};

}  // namespace visionpress
