#pragma once

// Makes the operators of a new TFLite file for one node of a graph. Private to this folder.

#include <string>
#include <vector>

#include "formats/tflite/tflite_new_model.h"

namespace visionpress::tflite {

/// Appends the operators that implement one node; each builder takes one call. All errors are
/// Unsupported with only the reason; the caller adds the node's name.
class NodeBuilder {
 public:
  NodeBuilder(const Node& node, NewModel& model) : node_(node), model_(model) {}

  [[nodiscard]] Result<void> build();

  // One for each operator, in tflite_node_builder_KIND.cc; those that TFLite lacks refuse.
#define VP_DECLARE_WRITER(Name) [[nodiscard]] Result<void> operator()(const Name& op);
  VP_DECLARE_WRITER(Unsupported)
  VP_EACH_OPERATOR(VP_DECLARE_WRITER)
#undef VP_DECLARE_WRITER

 private:
  using Code = tfl::BuiltinOperator;

  [[nodiscard]] flatbuffers::FlatBufferBuilder& builder() { return model_.builder(); }
  /// Input `slot`, after a CAST if the operator needs another type.
  [[nodiscard]] FileTensor input(std::size_t slot);
  [[nodiscard]] tfl::TensorType input_type(std::size_t slot) const {
    return model_.type_of(node_.inputs[slot]);
  }
  [[nodiscard]] tfl::TensorType wanted_type(std::size_t slot) const;
  [[nodiscard]] FileTensor output(std::size_t slot = 0) {
    return model_.file_tensor(node_.outputs[slot]);
  }
  [[nodiscard]] Shape input_shape(std::size_t slot) const {
    return model_.sizes_of(node_.inputs[slot]);
  }
  [[nodiscard]] Shape output_shape(std::size_t slot = 0) const {
    return model_.sizes_of(node_.outputs[slot]);
  }
  [[nodiscard]] bool has_input(std::size_t slot) const {
    return slot < node_.inputs.size() && node_.inputs[slot] != kNoTensor;
  }
  /// A value between two operators, with the output's shape and type.
  [[nodiscard]] FileTensor intermediate(const char* suffix);
  [[nodiscard]] FileTensor intermediate(const char* suffix, const Shape& shape);
  template <typename Table>
  [[nodiscard]] static NewOptions options(tfl::BuiltinOptions type,
                                          flatbuffers::Offset<Table> table) {
    return {type, table.Union()};
  }
  [[nodiscard]] Result<void> check_inputs(std::size_t count) const;
  [[nodiscard]] Result<void> check_kernel(KernelLayout layout, KernelLayout wanted) const;
  /// The bias, or zeros if there is none, because runtimes before 2.3 require a bias.
  [[nodiscard]] FileTensor bias(std::int64_t channels);
  /// Returns SAME or VALID if it equals `padding` over inputs of size `in`; else pads `x` first and
  /// returns VALID.
  [[nodiscard]] Result<tfl::Padding> apply_padding(const SpatialPadding& padding,
                                                   const std::array<std::int64_t, 2>& extent,
                                                   const std::array<std::int64_t, 2>& stride,
                                                   float value, FileTensor& x);
  [[nodiscard]] Result<void> build_transposed(const Conv2d& op);
  [[nodiscard]] Result<void> build_global_pool(const Pool2d& op);
  void add_pad(const std::vector<std::int64_t>& pairs, float value, FileTensor x, FileTensor y);
  void add_reshape(FileTensor x, const Shape& target, FileTensor y);
  void add_binary(BinaryKind kind, FileTensor a, FileTensor b, FileTensor y, std::size_t rank,
                  tfl::Activation activation = tfl::Activation::NONE);
  void add_activation(FusedActivation activation, FileTensor x, FileTensor y);
  [[nodiscard]] Result<void> build_plain_unary(const Unary& op, Code code);
  [[nodiscard]] Result<void> build_composed_unary(const Unary& op);
  void build_soft_unary(UnaryKind kind);
  [[nodiscard]] Result<void> build_function(const Unary& op);
  void build_erf(FileTensor x, FileTensor y);
  [[nodiscard]] Result<void> build_strided_slice(const Slice& op, const Shape& in);
  void build_arg_reduce(const Reduce& op, std::int64_t axis);

  const Node& node_;
  NewModel& model_;
};

[[nodiscard]] tfl::Activation activation_of(FusedActivation activation);

/// The axis counted from the outermost.
[[nodiscard]] inline std::int64_t axis_in(std::int64_t axis, std::size_t rank) {
  return axis < 0 ? axis + static_cast<std::int64_t>(rank) : axis;
}

/// Converts a size or an axis to the file's int32; readers and build_tflite have checked the range.
[[nodiscard]] inline std::int32_t narrow(std::int64_t value) {
  return static_cast<std::int32_t>(value);
}

}  // namespace visionpress::tflite
