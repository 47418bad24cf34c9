// Operators that pick or place elements by indices, or walk an axis from one end to the other.

#include <algorithm>

#include "base/error.h"
#include "formats/tflite/tflite_node_builder.h"

namespace visionpress::tflite {
Result<void> NodeBuilder::operator()(const Gather& op) {
  VP_RETURN_IF_ERROR(check_inputs(2));
  if (op.counts_back) return fail(ErrorKind::Unsupported, "its indices may count from the end");
  const std::int64_t axis = axis_in(op.axis, input_shape(0).size());
  model_.add_operator(Code::GATHER, op.batch_axes > 0 ? 5 : 1, {input(0), input(1)}, {output()},
                      options(tfl::BuiltinOptions::GatherOptions,
                              tfl::CreateGatherOptions(builder(), narrow(axis), op.batch_axes)));
  return {};
}

Result<void> NodeBuilder::operator()(const GatherNd& op) {
  VP_RETURN_IF_ERROR(check_inputs(2));
  if (op.counts_back) return fail(ErrorKind::Unsupported, "its indices may count from the end");
  model_.add_operator(
      Code::GATHER_ND, 1, {input(0), input(1)}, {output()},
      options(tfl::BuiltinOptions::GatherNdOptions, tfl::CreateGatherNdOptions(builder())));
  return {};
}

Result<void> NodeBuilder::operator()(const GatherElements& /*op*/) {
  return fail(ErrorKind::Unsupported, "TFLite picks no elements one by one along an axis");
}

Result<void> NodeBuilder::operator()(const ScatterElements& /*op*/) {
  return fail(ErrorKind::Unsupported, "TFLite places no elements one by one along an axis");
}

/// SCATTER_ND adds the updates up, in a tensor of zeros.
Result<void> NodeBuilder::operator()(const ScatterNd& op) {
  VP_RETURN_IF_ERROR(check_inputs(3));
  if (op.counts_back) return fail(ErrorKind::Unsupported, "its indices may count from the end");
  if (op.kind != ScatterKind::Add)
    return fail(ErrorKind::Unsupported, "TFLite adds updates, this node replaces by them");
  const std::vector<float>& x = model_.graph().tensor(node_.inputs[0]).literal;
  const bool is_zero =
      !x.empty() && std::ranges::all_of(x, [](float value) { return value == 0.0F; });
  const Shape shape = output_shape();
  const FileTensor placed = is_zero ? output() : intermediate("placed");
  model_.add_operator(
      Code::SCATTER_ND, 1, {input(1), input(2), model_.add_integers(shape, {std::ssize(shape)})},
      {placed},
      options(tfl::BuiltinOptions::ScatterNdOptions, tfl::CreateScatterNdOptions(builder())));
  if (!is_zero) add_binary(BinaryKind::Add, input(0), placed, output(), shape.size());
  return {};
}

/// REVERSE_V2 takes several axes only where they lie side by side, so each gets its own.
Result<void> NodeBuilder::operator()(const Reverse& op) {
  if (op.axes.empty()) {
    add_reshape(input(0), output_shape(), output());
    return {};
  }
  FileTensor x = input(0);
  for (std::size_t i = 0; i < op.axes.size(); ++i) {
    const FileTensor y = i + 1 == op.axes.size() ? output() : intermediate("reversed");
    const FileTensor axis = model_.add_integers({axis_in(op.axes[i], output_shape().size())}, {1});
    model_.add_operator(
        Code::REVERSE_V2, 1, {x, axis}, {y},
        options(tfl::BuiltinOptions::ReverseV2Options, tfl::CreateReverseV2Options(builder())));
    x = y;
  }
  return {};
}

Result<void> NodeBuilder::operator()(const CumulativeSum& op) {
  const FileTensor axis = model_.add_integers({axis_in(op.axis, output_shape().size())}, {});
  model_.add_operator(Code::CUMSUM, 1, {input(0), axis}, {output()},
                      options(tfl::BuiltinOptions::CumsumOptions,
                              tfl::CreateCumsumOptions(builder(), op.exclusive, op.reverse)));
  return {};
}

Result<void> NodeBuilder::operator()(const Where& /*op*/) {
  model_.add_operator(
      Code::WHERE, 1, {input(0)}, {output()},
      options(tfl::BuiltinOptions::WhereOptions, tfl::CreateWhereOptions(builder())));
  return {};
}

}  // namespace visionpress::tflite
