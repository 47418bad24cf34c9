#pragma once

// The graph under construction: the values that ONNX nodes exchange, the constants that lowering
// computes, and the node that is being lowered.

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/onnx/onnx_graph.h"
#include "formats/onnx/onnx_slot.h"
#include "model/graph.h"
#include "visionpress/result.h"

namespace visionpress::onnx {

/// The most elements of a constant whose values a lowering may read: sizes and other parameters are
/// shorter.
inline constexpr std::int64_t kMostKnown = 4096;
/// The most elements of a constant that is folded.
inline constexpr std::int64_t kMostFolded = std::int64_t{1} << 22;
/// The largest size of an axis, so that sums and small products of sizes fit into 63 bits.
inline constexpr std::int64_t kLargestSize = std::int64_t{1} << 31;
/// The reason for refusing a node whose result shape cannot be inferred.
inline constexpr const char* kUnknownRank = "the rank of its input is not known";

using KnownValues = std::shared_ptr<const std::vector<double>>;

/// One value of the graph. A constant has no tensor until a node of the graph reads it.
struct Value {
  std::string name = {};
  DataType dtype = DataType::Float;
  std::optional<Shape> shape = std::nullopt;  ///< nothing: the rank is open; -1: the size is open
  TensorId id = kNoTensor;
  /// Index of the stored constant whose elements it has, maybe in another shape.
  std::optional<std::size_t> stored = std::nullopt;
  /// The values, row-major, if they are known; among integers, NaN marks an unknown one.
  KnownValues known = nullptr;
  /// The stored weight whose elements these are in another order, so that its readers can still
  /// determine its role. `order`: the weight's axis for each axis of this value; empty if unknown.
  std::optional<std::size_t> origin = std::nullopt;
  std::vector<int> order = {};
  /// Whether it is computed from sizes that depend on the input's size, which the file leaves open.
  bool needs_input_size = false;
  std::vector<std::string> texts = {};  ///< of a constant of strings
  /// Neither a tensor nor text: a sequence, a map. Graph outputs of this kind are left out.
  bool is_opaque = false;

  [[nodiscard]] bool is_constant() const { return stored || (known && id == kNoTensor); }
};

/// The role of a constant in the node that reads it.
struct Use {
  WeightRole role = WeightRole::Constant;
  int channel_axis = 0;
};

/// A constant of the file and how to decode it.
struct StoredConstant {
  DataType dtype = DataType::Float;
  Shape shape = {};
  Bytes payload = {};
  std::optional<WeightCode> code = std::nullopt;  ///< set if a DequantizeLinear decodes it
  std::string name = {};
  std::string path = {};
  WeightSlot slot = {};  ///< its place in the file
  std::optional<std::size_t> weight = std::nullopt;
  std::vector<std::pair<Shape, TensorId>> tensors = {};  ///< the tensors made so far, by shape
};

/// The names that a graph or a function sees.
struct Scope {
  const Scope* outer = nullptr;  ///< around a graph in an attribute; null for functions
  std::map<std::string, Value*, std::less<>> values = {};
  /// Of a function: the attributes of the node that calls it, and defaults; by name.
  std::map<std::string, const ProtobufMessage*, std::less<>> attributes = {};
  const Opsets* opsets = nullptr;
  std::string path = {};  ///< before the paths of its nodes: `functions[0] "Act".`
  bool is_inner = false;  ///< of a function or a branch: its initializers are not replaced
  int depth = 0;

  [[nodiscard]] Value* find(std::string_view name) const;
};

/// The state that grows while nodes are lowered.
struct Lowering {
  Lowering(ModelFile& file, ExternalFiles& external_files)
      : model(file), external(external_files) {}

  ModelFile& model;
  ExternalFiles& external;
  Graph graph = {};
  std::deque<Value> values = {};  ///< addresses stay valid
  std::vector<StoredConstant> constants = {};
  std::vector<WeightSlot> slots = {};  ///< one per weight of the graph
  /// How many nodes and graph outputs read each name of the model's own graph.
  std::map<std::string, std::size_t, std::less<>> reader_counts = {};
  std::optional<std::array<std::int64_t, 2>> input_size = std::nullopt;  ///< height, width
  std::int64_t made_values = 0;  ///< values of constants made here, not of those stored in the file
  std::int64_t lowered_nodes = 0;  ///< with those of functions and branches, each time
  std::size_t next_group = 0;      ///< Weight::layer_group
};

/// The values of a constant, computed or read from the file; null if they are not known or are more
/// than kMostKnown.
[[nodiscard]] const std::vector<double>* load_known(Lowering& lowering, Value& value);
/// All values of a constant; empty if it is none.
[[nodiscard]] std::vector<double> load_all(const Lowering& lowering, const Value& value);

/// Makes a constant that is not in the file.
[[nodiscard]] Value make_known(Shape shape, std::vector<double> values, DataType dtype);

/// One node while it is lowered.
class NodeLowering {
 public:
  NodeLowering(Lowering& lowering, Scope& scope, const GraphNode& node);

  [[nodiscard]] const GraphNode& node() const { return node_; }
  [[nodiscard]] Lowering& lowering() { return lowering_; }
  [[nodiscard]] Scope& scope() { return scope_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  /// The opset of the node's domain; 0 where the file does not name it.
  [[nodiscard]] std::int64_t opset() const;

  [[nodiscard]] std::size_t input_count() const { return node_.inputs.size(); }
  /// Whether input i is there.
  [[nodiscard]] bool has_input(std::size_t i) const;
  /// has_input(i) must hold.
  [[nodiscard]] Value& input(std::size_t i);
  /// Whether anything may read output k.
  [[nodiscard]] bool has_output(std::size_t k) const;
  /// errors: Malformed when the node has fewer than `least` or more than `most` inputs, or one of
  /// the first `least` is absent.
  [[nodiscard]] Result<void> expect_inputs(std::size_t least, std::size_t most) const;

  /// The AttributeProto; that of the calling node where this one refers to it. Null if absent.
  [[nodiscard]] Result<const ProtobufMessage*> find_attribute(std::string_view name) const;
  [[nodiscard]] Result<std::int64_t> read_int(std::string_view name, std::int64_t fallback) const;
  [[nodiscard]] Result<float> read_float(std::string_view name, float fallback) const;
  [[nodiscard]] Result<std::string> read_text(std::string_view name,
                                              std::string_view fallback) const;
  [[nodiscard]] Result<std::optional<std::vector<std::int64_t>>> read_ints(
      std::string_view name) const;
  [[nodiscard]] Result<std::vector<float>> read_floats(std::string_view name) const;
  [[nodiscard]] Result<std::vector<std::string>> read_texts(std::string_view name) const;

  /// All values of input i as integers; nothing if any is not known.
  [[nodiscard]] std::optional<std::vector<std::int64_t>> find_integers(std::size_t i);
  [[nodiscard]] std::optional<double> find_number(std::size_t i);
  /// Converts an axis (negative: from the end) of a tensor of `rank` axes to a count from 0.
  /// errors: Malformed if it is out of range.
  [[nodiscard]] Result<int> check_axis(std::int64_t axis, std::size_t rank) const;

  /// Shapes of an operator's results by its rule (lower/shape_rules.h); nothing if the rank of an
  /// operand is open. errors: the rule's, at this node.
  [[nodiscard]] Result<std::vector<std::optional<Shape>>> infer(const Op& op,
                                                                const std::vector<Value*>& operands,
                                                                std::size_t results = 1) const;
  /// The result of an operator on these values. Computes it here if all values are known, else adds
  /// a node to the graph. errors: those of infer.
  [[nodiscard]] Result<Value> apply(Op op, const std::vector<Value*>& operands, DataType dtype);
  [[nodiscard]] Result<Value> apply(Op op, Value& x) { return apply(std::move(op), {&x}, x.dtype); }
  /// The same for an operator with several results, one per type.
  [[nodiscard]] Result<std::vector<Value>> apply_many(Op op, const std::vector<Value*>& operands,
                                                      const std::vector<DataType>& dtypes);
  /// Adds a node whose operand 0 is x and whose further operands are constants in the roles of
  /// `uses`.
  [[nodiscard]] Result<Value> apply_with(Op op, Value& x,
                                         const std::vector<std::pair<Value*, Use>>& parameters);
  /// Gives the same elements another shape; a constant of the file stays one.
  [[nodiscard]] Result<Value> view(Op op, Value& x);
  [[nodiscard]] Result<Value> binary(BinaryKind kind, Value& a, Value& b);
  /// With a number on the right side.
  [[nodiscard]] Result<Value> binary(BinaryKind kind, Value& a, double b);
  [[nodiscard]] Result<Value> unary(UnaryKind kind, Value& x, float alpha = 0, float beta = 0);

  void set_output(std::size_t k, Value value);
  Result<void> finish(Result<Value> value);
  Result<void> finish(Op op, const std::vector<Value*>& operands, DataType dtype);
  Result<void> finish(Op op, Value& x) { return finish(std::move(op), {&x}, x.dtype); }
  /// Makes `value` output 0.
  Result<void> forward(const Value& value);
  /// Adds the node as one that cannot be run. The file still opens, and every rewrite carries the
  /// node.
  Result<void> refuse(std::string why);
  /// Calls refuse because input i must be a constant. The reason is `why`, or that the input
  /// depends on the image size.
  Result<void> refuse_computed(std::size_t i, std::string why);

  /// Counts values made here. errors: Malformed at this node when the whole graph has made more
  /// than 2^25, because a few bytes of a file can ask for any number of them.
  [[nodiscard]] Result<void> count_made(std::int64_t values);
  /// The tensor of a value that a node reads. errors: those of count_made; Unsupported if the value
  /// is empty or a text.
  [[nodiscard]] Result<TensorId> tensor_of(Value& value, const Use& use = {});
  /// Adds a constant of the file that this node holds or decodes.
  [[nodiscard]] Value add_stored(StoredConstant constant);
  /// `Malformed` with the node's path in front.
  [[nodiscard]] tl::unexpected<Error> malformed(const std::string& what) const;

 private:
  [[nodiscard]] Node make_node(Op op, std::vector<TensorId> inputs) const;
  [[nodiscard]] TensorId add_tensor(const std::optional<Shape>& shape, DataType dtype);
  [[nodiscard]] std::size_t weight_of(std::size_t stored);
  void note_use(std::size_t weight, const Use& use, int channel_axis);
  [[nodiscard]] Result<TensorId> literal_of(Value& value);
  [[nodiscard]] TensorId add_literal(const Value& value, const std::vector<double>& values);

  Lowering& lowering_;
  Scope& scope_;
  const GraphNode& node_;
  std::string path_;
  std::size_t group_;
};

/// Whether each is 0..kLargestSize.
[[nodiscard]] bool are_sizes(const std::vector<std::int64_t>& sizes);
[[nodiscard]] bool is_weight_type(DataType type);
/// The text of an AttributeProto's values. errors: Malformed.
[[nodiscard]] Result<std::vector<std::int64_t>> read_attribute_ints(const ProtobufMessage& message);

/// Lowers one node. A type without a lowering becomes an Unsupported node. errors: Malformed.
[[nodiscard]] Result<void> lower_node(NodeLowering& node);

/// Lowers the nodes that `wanted` names need, in order. errors: Malformed, Unsupported with the
/// node's path.
[[nodiscard]] Result<void> lower_nodes(Lowering& lowering, Scope& scope,
                                       const std::vector<GraphNode>& nodes,
                                       const std::vector<std::string>& wanted);

/// Makes values of a graph's initializers.
void add_initializers(Lowering& lowering, Scope& scope, const GraphBody& body);

/// Lowers the model's graph. errors: Malformed, Unsupported with the node's path.
[[nodiscard]] Result<void> lower_graph(Lowering& lowering);

/// The lowerings, by kind of operator.
struct OperatorRow {
  std::string_view op;  ///< with its domain, if that is not ONNX's own
  Result<void> (*lower)(NodeLowering&);
};
[[nodiscard]] std::span<const OperatorRow> elementwise_rows();
[[nodiscard]] std::span<const OperatorRow> activation_rows();
[[nodiscard]] std::span<const OperatorRow> cast_rows();
[[nodiscard]] std::span<const OperatorRow> spatial_rows();
[[nodiscard]] std::span<const OperatorRow> pool_rows();
[[nodiscard]] std::span<const OperatorRow> resize_rows();
[[nodiscard]] std::span<const OperatorRow> shape_rows();
[[nodiscard]] std::span<const OperatorRow> constant_rows();
[[nodiscard]] std::span<const OperatorRow> slice_rows();
[[nodiscard]] std::span<const OperatorRow> selection_rows();
[[nodiscard]] std::span<const OperatorRow> boxes_rows();
[[nodiscard]] std::span<const OperatorRow> reduce_rows();
[[nodiscard]] std::span<const OperatorRow> norm_rows();
[[nodiscard]] std::span<const OperatorRow> matrix_rows();
[[nodiscard]] std::span<const OperatorRow> quantize_rows();
[[nodiscard]] std::span<const OperatorRow> control_rows();

}  // namespace visionpress::onnx
