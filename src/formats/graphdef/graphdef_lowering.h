#pragma once

// The graph under construction: the values that TensorFlow nodes exchange, constants that are
// computed on the way, and one node while it is lowered.

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

/// Sizes and other numbers that lowerings ask for are among fewer elements than these.
inline constexpr std::int64_t kMostKnown = 4096;
/// Constants of more elements are not computed with: 32 MiB as they are held here, twice the
/// largest kernel of networks that run on phones.
inline constexpr std::int64_t kMostFolded = std::int64_t{1} << 22;
/// Sizes beyond this are no image's; it keeps sums and products of a few of them inside 63 bits.
inline constexpr std::int64_t kLargestSize = std::int64_t{1} << 31;
/// Why a node is refused whose result's shape cannot be said.
inline constexpr const char* kUnknownRank = "the rank of its input is not known";

using KnownValues = std::shared_ptr<const std::vector<double>>;

/// One output of a node. A constant has no tensor until a node of the graph reads it.
struct Value {
  DataType dtype = DataType::Float;
  std::optional<Shape> shape = std::nullopt;  ///< nothing: the rank is open; -1: a size is
  TensorId id = kNoTensor;
  /// Index of the stored constant it is, maybe in another shape.
  std::optional<std::size_t> stored = std::nullopt;
  /// Values, row-major, where they are known; of integers NaN stands for one that is not. Copies of
  /// a value share them.
  KnownValues known = nullptr;
  /// The stored weight whose elements these are in another order, so that it is known for what
  /// reads them; `order`: which of its axes each axis is, empty where that cannot be said.
  std::optional<std::size_t> origin = std::nullopt;
  std::vector<int> order = {};
  /// Computed from sizes that depend on the input's, which the file leaves open.
  bool needs_input_size = false;
  bool is_dead = false;  ///< of the branch of a condition that is not taken: never computed
};

/// What a constant does in the node that reads it.
struct Use {
  WeightRole role = WeightRole::Constant;
  int channel_axis = 0;
};

/// A constant of the file, and what decodes it.
struct StoredConstant {
  StoredTensor tensor = {};
  std::size_t node = 0;  ///< the Const, Cast or Dequantize whose output it is
  std::optional<WeightCode> code = std::nullopt;  ///< behind a Dequantize
  std::string name = {};                          ///< of that node
  std::string path = {};                          ///< of the Const
  std::optional<std::size_t> weight = std::nullopt;
  std::vector<std::pair<Shape, TensorId>> tensors = {};  ///< made so far, by shape
};

/// Everything that grows while nodes are lowered.
struct Lowering {
  explicit Lowering(const NodeList& list) : nodes(list), values(list.nodes.size()) {}

  const NodeList& nodes;
  Graph graph = {};
  std::vector<std::vector<Value>> values;  ///< by node and output
  std::vector<StoredConstant> constants = {};
  std::vector<std::size_t> weight_nodes = {};  ///< one a weight of the graph
  /// How many inputs of live nodes read each output, and which outputs the graph gives away.
  std::vector<std::vector<std::size_t>> reader_counts = {};
  std::vector<bool> is_output = {};                                      ///< by node
  std::optional<std::array<std::int64_t, 2>> input_size = std::nullopt;  ///< height, width
  std::map<std::size_t, Value> settings = {};  ///< by node: inputs that are given a value
  std::size_t image_input = 0;                 ///< the node whose value pixels are
  std::int64_t made_values = 0;  ///< of constants, without those that the file spells out
};

/// Values of a constant, computed or read from the file; null where they are not known or are more
/// than kMostKnown. errors: of the file's payload.
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
  /// errors: Malformed when an input in [first, last) is not of the type that attr "T" says.
  [[nodiscard]] Result<void> expect_types(std::size_t first, std::size_t last);

  /// All values of input i as integers; nothing where one is not known.
  [[nodiscard]] Result<std::optional<std::vector<std::int64_t>>> find_integers(std::size_t i);
  [[nodiscard]] Result<std::optional<std::int64_t>> find_integer(std::size_t i);
  [[nodiscard]] Result<std::optional<double>> find_number(std::size_t i);
  [[nodiscard]] bool is_constant(std::size_t i);
  /// An axis (negative: from the end) of a tensor of `rank` axes. errors: Malformed.
  [[nodiscard]] Result<int> check_axis(std::int64_t axis, std::size_t rank) const;

  /// Shapes of an operator's results by its rule (lower/shape_rules.h); nothing where the rank of
  /// an operand, and so theirs, is open. errors: the rule's, at this node.
  [[nodiscard]] Result<std::vector<std::optional<Shape>>> infer(const Op& op,
                                                                const std::vector<Value*>& operands,
                                                                std::size_t results = 1) const;
  /// The result of an operator on these values: computed here where all of them are known, else a
  /// node of the graph is added. errors: of infer.
  [[nodiscard]] Result<Value> apply(Op op, const std::vector<Value*>& operands, DataType dtype);
  /// The same for an operator of several results, one per type.
  [[nodiscard]] Result<std::vector<Value>> apply_many(Op op, const std::vector<Value*>& operands,
                                                      const std::vector<DataType>& dtypes);
  /// Adds to the values made here. errors: Malformed at this node beyond 2^25 of the whole graph:
  /// a few bytes may stand for any number of them.
  [[nodiscard]] Result<void> count_made(std::int64_t values);
  /// The tensor of a value that a node reads. errors: of the payload; of count_made; Unsupported
  /// when it is empty.
  [[nodiscard]] Result<TensorId> tensor_of(Value& value, const Use& use = {});
  /// A node with parameters that are constants, used as `uses` says, after operand 0.
  [[nodiscard]] Result<Value> apply_with(Op op, Value& x,
                                         const std::vector<std::pair<Value*, Use>>& parameters);

  void set_output(std::size_t k, Value value);
  /// apply, and its result as output 0 under the node's own name.
  Result<void> finish(Op op, const std::vector<Value*>& operands, DataType dtype);
  /// Output 0 is the same as `value`.
  Result<void> forward(const Value& value);
  /// The node as one that cannot be run; it still opens and is carried by every rewrite.
  Result<void> refuse(std::string why);
  /// Output 0, an input of the graph of a type that is not run, as a node that cannot be run.
  Result<void> refuse_input();
  /// The same because input i has to be a constant: `why`, or that it depends on the input's size.
  Result<void> refuse_computed(std::size_t i, std::string why);

 private:
  [[nodiscard]] Node make_node(Op op, std::vector<TensorId> inputs) const;
  [[nodiscard]] TensorId add_tensor(const std::optional<Shape>& shape, DataType dtype,
                                    std::size_t output);
  /// The index of the stored constant's weight, which is added where the graph has none yet.
  [[nodiscard]] std::size_t weight_of(std::size_t stored);
  /// A weight is what its most important reader makes of it.
  void note_use(std::size_t weight, const Use& use, int channel_axis);
  /// tensor_of where the value is no weight of the file: its numbers lie in the graph.
  [[nodiscard]] Result<TensorId> literal_of(Value& value);

  Lowering& lowering_;
  std::size_t index_;
  const GraphNode& node_;
};

/// Malformed at the node's place, after its path: `return malformed(node, "it joins nothing");`
[[nodiscard]] tl::unexpected<Error> malformed(const NodeLowering& node, const std::string& what);
/// True when each is 0 to kLargestSize.
[[nodiscard]] bool are_sizes(const std::vector<std::int64_t>& sizes);

/// A constant made here.
[[nodiscard]] Value make_known(Shape shape, std::vector<double> values, DataType dtype);

/// Lowers one node. Types without a lowering become Unsupported nodes. errors: Malformed.
[[nodiscard]] Result<void> lower_node(NodeLowering& node);

/// Has inputs be constants when the nodes are lowered. errors: Usage: no such input, no scalar, a
/// value that its type does not have.
[[nodiscard]] Result<void> set_inputs(const std::vector<InputSetting>& settings,
                                      Lowering& lowering);

/// Lowers every node that the outputs need, in order, and drops what is not read.
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
/// Elementwise operators and those that only pass values on; false: the node is none of them.
[[nodiscard]] Result<bool> lower_elementwise(NodeLowering& node);

}  // namespace visionpress::graphdef
