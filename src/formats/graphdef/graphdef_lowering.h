#pragma once

// The graph under construction: the values that TensorFlow nodes exchange, the constants that
// lowering computes, and the node that is being lowered.

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/graphdef/graphdef_nodes.h"
#include "model/graph.h"
#include "visionpress/result.h"
#include "visionpress/vocabulary.h"

namespace visionpress::graphdef {

/// The most elements of a constant whose values a lowering may read: sizes and other parameters are
/// shorter.
inline constexpr std::int64_t kMostKnown = 4096;
/// The most elements of a constant that is folded: 32 MiB as doubles, twice the largest kernel of
/// networks that run on phones.
inline constexpr std::int64_t kMostFolded = std::int64_t{1} << 22;
/// The largest size of an axis. No image has a larger one, and sums and small products of such
/// sizes fit into 63 bits.
inline constexpr std::int64_t kLargestSize = std::int64_t{1} << 31;
/// The reason for refusing a node whose result shape cannot be inferred.
inline constexpr const char* kUnknownRank = "the rank of its input is not known";

using KnownValues = std::shared_ptr<const std::vector<double>>;

/// One output of a node. A constant has no tensor until a node of the graph reads it.
struct Value {
  DataType dtype = DataType::Float;
  std::optional<Shape> shape = std::nullopt;  ///< nothing: the rank is open; -1: the size is open
  TensorId id = kNoTensor;
  /// Index of the stored constant whose elements it has, maybe in another shape.
  std::optional<std::size_t> stored = std::nullopt;
  /// The values, row-major, if they are known; among integers, NaN marks an unknown one. Copies of
  /// a Value share them.
  KnownValues known = nullptr;
  /// The stored weight whose elements these are in another order, so that its readers can still
  /// determine its role. `order`: the weight's axis for each axis of this value; empty if unknown.
  std::optional<std::size_t> origin = std::nullopt;
  std::vector<int> order = {};
  /// Whether it is computed from sizes that depend on the input's size, which the file leaves open.
  bool needs_input_size = false;
  /// Belongs to the branch of a condition that is not taken, so it is never computed.
  bool is_dead = false;
};

/// The role of a constant in the node that reads it.
struct Use {
  WeightRole role = WeightRole::Constant;
  int channel_axis = 0;
};

/// A constant of the file and how to decode it.
struct StoredConstant {
  StoredTensor tensor = {};
  std::size_t node = 0;  ///< the Const, Cast, Dequantize, Mul or Add whose output it is
  std::optional<WeightCode> code = std::nullopt;  ///< set if a Dequantize decodes it
  std::string name = {};                          ///< of that node
  std::string path = {};                          ///< of the Const
  std::optional<std::size_t> weight = std::nullopt;
  std::vector<std::pair<Shape, TensorId>> tensors = {};  ///< the tensors made so far, by shape
};

/// The state that grows while nodes are lowered.
struct Lowering {
  explicit Lowering(const NodeList& list) : nodes(list), values(list.nodes.size()) {}

  const NodeList& nodes;
  Graph graph = {};
  std::vector<std::vector<Value>> values;  ///< by node and output
  std::vector<StoredConstant> constants = {};
  std::vector<std::size_t> weight_nodes = {};  ///< one per weight of the graph
  /// The number of live nodes' inputs that read each output, by node and output.
  std::vector<std::vector<std::size_t>> reader_counts = {};
  std::vector<bool> is_output = {};  ///< by node: whether its output is one of the graph
  std::optional<std::array<std::int64_t, 2>> input_size = std::nullopt;  ///< height, width
  std::map<std::size_t, Value> settings = {};  ///< by node: inputs that the user gave a value
  std::size_t image_input = 0;                 ///< the node that receives the pixels
  std::int64_t made_values = 0;  ///< values of constants made here, not of those stored in the file
};

/// The values of a constant, computed or read from the file; null if they are not known or are more
/// than kMostKnown. errors: those of the file's payload.
[[nodiscard]] Result<const std::vector<double>*> load_known(Lowering& lowering, Value& value);

/// One node while it is lowered.
class NodeLowering {
 public:
  NodeLowering(Lowering& lowering, std::size_t index)
      : lowering_(lowering), index_(index), node_(lowering.nodes.nodes[index]) {}

  [[nodiscard]] const GraphNode& node() const { return node_; }
  [[nodiscard]] std::size_t index() const { return index_; }
  [[nodiscard]] Lowering& lowering() { return lowering_; }
  [[nodiscard]] std::size_t input_count() const { return node_.inputs.size(); }
  [[nodiscard]] Value& input(std::size_t i);
  /// errors: Malformed when the node has fewer than `least` or more than `most` inputs.
  [[nodiscard]] Result<void> expect_inputs(std::size_t least, std::size_t most) const;
  /// errors: Malformed if an input in [first, last) does not have the type that attr "T" names.
  [[nodiscard]] Result<void> expect_types(std::size_t first, std::size_t last);

  /// All values of input i as integers; nothing if any is not known.
  [[nodiscard]] Result<std::optional<std::vector<std::int64_t>>> find_integers(std::size_t i);
  [[nodiscard]] Result<std::optional<std::int64_t>> find_integer(std::size_t i);
  [[nodiscard]] Result<std::optional<double>> find_number(std::size_t i);
  [[nodiscard]] bool is_constant(std::size_t i);
  /// Converts an axis (negative: from the end) of a tensor of `rank` axes to a count from 0.
  /// errors: Malformed if it is out of range.
  [[nodiscard]] Result<int> check_axis(std::int64_t axis, std::size_t rank) const;

  /// Shapes of an operator's results by its rule (lower/shape_rules.h); nothing if the rank of an
  /// operand is open, because then the results' ranks are too. errors: the rule's, at this node.
  [[nodiscard]] Result<std::vector<std::optional<Shape>>> infer(const Op& op,
                                                                const std::vector<Value*>& operands,
                                                                std::size_t results = 1) const;
  /// The result of an operator on these values. Computes it here if all values are known, else adds
  /// a node to the graph. errors: those of infer.
  [[nodiscard]] Result<Value> apply(Op op, const std::vector<Value*>& operands, DataType dtype);
  /// The same for an operator with several results, one per type.
  [[nodiscard]] Result<std::vector<Value>> apply_many(Op op, const std::vector<Value*>& operands,
                                                      const std::vector<DataType>& dtypes);
  /// Counts values made here. errors: Malformed at this node when the whole graph has made more
  /// than 2^25, because a few bytes of a file can ask for any number of them.
  [[nodiscard]] Result<void> count_made(std::int64_t values);
  /// The tensor of a value that a node reads. errors: those of the payload and of count_made;
  /// Unsupported if the value is empty.
  [[nodiscard]] Result<TensorId> tensor_of(Value& value, const Use& use = {});
  /// Adds a node whose operand 0 is x and whose further operands are constants in the roles of
  /// `uses`.
  [[nodiscard]] Result<Value> apply_with(Op op, Value& x,
                                         const std::vector<std::pair<Value*, Use>>& parameters);

  void set_output(std::size_t k, Value value);
  /// Calls apply and makes its result output 0 under the node's name.
  Result<void> finish(Op op, const std::vector<Value*>& operands, DataType dtype);
  /// Makes `value` output 0.
  Result<void> forward(const Value& value);
  /// Adds the node as one that cannot be run. The file still opens, and every rewrite carries the
  /// node.
  Result<void> refuse(std::string why);
  /// Adds an input of the graph as a node that cannot be run, because its type cannot.
  Result<void> refuse_input();
  /// Calls refuse because input i must be a constant. The reason is `why`, or that the input
  /// depends on the image size.
  Result<void> refuse_computed(std::size_t i, std::string why);

 private:
  [[nodiscard]] Node make_node(Op op, std::vector<TensorId> inputs) const;
  [[nodiscard]] TensorId add_tensor(const std::optional<Shape>& shape, DataType dtype,
                                    std::size_t output);
  /// The index of the stored constant's weight; adds the weight if the graph does not have it yet.
  [[nodiscard]] std::size_t weight_of(std::size_t stored);
  /// Records a use of a weight, whose role is that in its most important reader.
  void note_use(std::size_t weight, const Use& use, int channel_axis);
  /// tensor_of for a value that is not a weight of the file: stores its numbers in the graph.
  [[nodiscard]] Result<TensorId> literal_of(Value& value);

  Lowering& lowering_;
  std::size_t index_;
  const GraphNode& node_;
};

/// Makes a Malformed error at the node's place, with its path in front: `return malformed(node, "it
/// joins nothing");`
[[nodiscard]] tl::unexpected<Error> malformed(const NodeLowering& node, const std::string& what);
/// Whether each is 0..kLargestSize.
[[nodiscard]] bool are_sizes(const std::vector<std::int64_t>& sizes);

/// Makes a constant that is not in the file.
[[nodiscard]] Value make_known(Shape shape, std::vector<double> values, DataType dtype);

/// Lowers one node. A type without a lowering becomes an Unsupported node. errors: Malformed.
[[nodiscard]] Result<void> lower_node(NodeLowering& node);

/// Replaces inputs by constants when the nodes are lowered. errors: Usage if there is no such
/// input, if it is not a scalar, or if its type does not have the value.
[[nodiscard]] Result<void> set_inputs(const std::vector<InputSetting>& settings,
                                      Lowering& lowering);

/// Lowers every node that the outputs need, in order, and drops nodes whose results are not read.
/// errors: Malformed, Unsupported with the node's path.
[[nodiscard]] Result<void> lower_graph(Lowering& lowering);

/// The lowerings, by kind of operator.
struct OperatorRow {
  const char* op;
  Result<void> (*lower)(NodeLowering&);
};
[[nodiscard]] std::span<const OperatorRow> spatial_rows();
[[nodiscard]] std::span<const OperatorRow> shape_rows();
[[nodiscard]] std::span<const OperatorRow> slice_rows();
[[nodiscard]] std::span<const OperatorRow> selection_rows();
[[nodiscard]] std::span<const OperatorRow> batch_rows();
[[nodiscard]] std::span<const OperatorRow> composed_rows();
[[nodiscard]] std::span<const OperatorRow> einsum_rows();
/// Makes codes behind a Dequantize (inputs: codes, min, max) a weight.
[[nodiscard]] Result<void> lower_dequantize(NodeLowering& node);
/// Makes codes behind a Mul by constant scales, or an Add of constant offsets, the weight that they
/// decode to. returns: false if the node does something else.
[[nodiscard]] Result<bool> lower_decoding(NodeLowering& node);
/// Lowers elementwise operators and those that only pass values on. returns: false if the node is
/// of another kind.
[[nodiscard]] Result<bool> lower_elementwise(NodeLowering& node);

}  // namespace visionpress::graphdef
