// Weights stored as codes: a Dequantize, and the Mul and Add behind it that give each channel its
// scale and offset.

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "formats/graphdef/graphdef_dequantize.h"
#include "formats/graphdef/graphdef_lowering.h"

namespace visionpress::graphdef {
namespace {

/// Reads one bound of a Dequantize's range: one value, or one per channel; nothing if it is
/// computed.
Result<std::optional<std::vector<float>>> read_range(NodeLowering& node, std::size_t i,
                                                     std::int64_t count) {
  VP_ASSIGN_OR_RETURN(const std::vector<double>* known, load_known(node.lowering(), node.input(i)));
  std::optional<std::vector<float>> range;
  if (known == nullptr) return range;
  if (static_cast<std::int64_t>(known->size()) != count) {
    return fail_at(ErrorKind::Malformed, node.node().message.offset(), "{}: {} ranges, expected {}",
                   node.node().path, known->size(), count);
  }
  range.emplace();
  for (const double v : *known) range->push_back(static_cast<float>(v));
  return range;
}

/// Reads both bounds of the range; nothing if they are computed.
Result<std::optional<std::pair<std::vector<float>, std::vector<float>>>> read_ranges(
    NodeLowering& node, std::int64_t count) {
  std::optional<std::pair<std::vector<float>, std::vector<float>>> ranges;
  VP_ASSIGN_OR_RETURN(auto mins, read_range(node, 1, count));
  VP_ASSIGN_OR_RETURN(auto maxs, read_range(node, 2, count));
  if (mins && maxs) ranges.emplace(std::move(*mins), std::move(*maxs));
  return ranges;
}

/// Returns -1 if one range applies to all channels.
Result<std::int64_t> read_range_axis(NodeLowering& node, const Shape& shape) {
  VP_ASSIGN_OR_RETURN(const std::int64_t axis, read_int_attr(node.node(), "axis", -1));
  if (axis >= -1 && axis < static_cast<std::int64_t>(shape.size())) return axis;
  return fail_at(ErrorKind::Malformed, node.node().message.offset(), "{}: axis {} of the shape {}",
                 node.node().path, axis, to_string(shape));
}

void set_constant(NodeLowering& node, StoredConstant constant, std::optional<Shape> shape) {
  constant.node = node.index();
  constant.name = node.node().name;
  Value value;
  value.shape = std::move(shape);
  value.stored = node.lowering().constants.size();
  node.lowering().constants.push_back(std::move(constant));
  node.set_output(0, std::move(value));
}

}  // namespace

Result<void> lower_dequantize(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(3, 3));
  VP_RETURN_IF_ERROR(node.expect_types(0, 1));
  const Value& x = node.input(0);
  if (!x.stored) return node.refuse("activations of 8 bits are not run");
  const StoredConstant& codes = node.lowering().constants[*x.stored];
  if (codes.tensor.payload.empty() || (x.dtype != DataType::QUInt8 && x.dtype != DataType::QInt8)) {
    return node.refuse("it decodes " + name_of(x.dtype) + "; quint8 and qint8 are read");
  }
  DequantizeType type;
  VP_ASSIGN_OR_RETURN(const std::string word, read_text_attr(node.node(), "mode", "MIN_COMBINED"));
  const auto mode = parse_dequantize_mode(word);
  if (!mode) return node.refuse("its mode is " + word);
  type.mode = *mode;
  type.is_signed = x.dtype == DataType::QInt8;
  VP_ASSIGN_OR_RETURN(type.narrow_range, read_bool_attr(node.node(), "narrow_range"));
  const Shape& shape = codes.tensor.shape;
  VP_ASSIGN_OR_RETURN(const std::int64_t axis, read_range_axis(node, shape));
  const std::int64_t count = axis < 0 ? 1 : shape[static_cast<std::size_t>(axis)];
  VP_ASSIGN_OR_RETURN(const auto ranges, read_ranges(node, count));
  if (!ranges) return node.refuse("its range is computed");
  StoredConstant constant = codes;
  constant.code = make_range_code(type, ranges->first, ranges->second,
                                  static_cast<int>(std::max<std::int64_t>(axis, 0)));
  set_constant(node, std::move(constant), x.shape);
  return {};
}

namespace {

/// Values of a constant that all elements share, or one for each position along an axis.
struct ChannelValues {
  std::vector<float> values = {};
  int axis = 0;
};

/// The axis of `shape` along which a constant of shape `small` differs when it is broadcast: the
/// only one of its axes that is longer than 1; the last if there is none. Nothing if it differs
/// along several, or if it is not a part of `shape`.
std::optional<int> find_broadcast_axis(const Shape& small, const Shape& shape) {
  if (small.size() > shape.size() || shape.empty()) return std::nullopt;
  const std::size_t skipped = shape.size() - small.size();
  std::optional<std::size_t> found;
  for (std::size_t i = 0; i < small.size(); ++i) {
    if (small[i] == 1) continue;
    if (found || small[i] != shape[skipped + i]) return std::nullopt;
    found = skipped + i;
  }
  return static_cast<int>(found.value_or(shape.size() - 1));
}

/// Loads a float constant of the file that is broadcast along one axis of `shape`; nothing if the
/// value is something else.
Result<std::optional<ChannelValues>> load_channel_values(NodeLowering& node, const Value& value,
                                                         const Shape& shape) {
  std::optional<ChannelValues> channels;
  if (!value.stored || value.dtype != DataType::Float || !value.shape) return channels;
  const StoredConstant& constant = node.lowering().constants[*value.stored];
  if (constant.code || constant.tensor.dtype != DataType::Float) return channels;
  const auto axis = find_broadcast_axis(*value.shape, shape);
  if (!axis) return channels;
  VP_ASSIGN_OR_RETURN(const std::vector<double> values,
                      load_values(constant.tensor, constant.path));
  channels.emplace();
  channels->axis = *axis;
  for (const double v : values) channels->values.push_back(static_cast<float>(v));
  return channels;
}

bool are_zero(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(), [](float v) { return v == 0.0F; });
}

/// The code of scales * x, if x decodes to levels: to the code itself or its distance from a whole
/// number. The product has one rounding then, as in TensorFlow.
std::optional<WeightCode> scale_levels(const WeightCode& levels, const ChannelValues& scales) {
  if (levels.scales != std::vector<float>{1.0F} || levels.offsets.size() > 1) return std::nullopt;
  const float offset = levels.offsets.empty() ? 0.0F : levels.offsets.front();
  constexpr float kFurthest = 255.0F;  // between a code and its level
  if (offset != std::round(offset) || std::fabs(offset) > kFurthest) return std::nullopt;
  const std::int32_t zero = levels.zero_points.empty() ? 0 : levels.zero_points.front();
  WeightCode code = levels;
  code.axis = scales.axis;
  code.scales = scales.values;
  code.offsets.clear();
  code.zero_points.clear();
  const std::int32_t distance = zero - static_cast<std::int32_t>(offset);
  if (distance != 0) code.zero_points.assign(code.scales.size(), distance);
  return code;
}

/// The code of x + offsets, if x has none yet.
std::optional<WeightCode> add_offsets(const WeightCode& scaled, const ChannelValues& offsets) {
  if (!are_zero(scaled.offsets)) return std::nullopt;
  const bool same_channels = offsets.values.size() == scaled.scales.size() &&
                             (scaled.scales.size() == 1 || offsets.axis == scaled.axis);
  if (!same_channels) return std::nullopt;
  WeightCode code = scaled;
  code.offsets = offsets.values;
  return code;
}

}  // namespace

Result<bool> lower_decoding(NodeLowering& node) {
  const std::string& op = node.node().op;
  const bool is_product = op == "Mul";
  if ((!is_product && op != "Add" && op != "AddV2") || node.input_count() != 2) return false;
  for (std::size_t side = 0; side < 2; ++side) {
    const Value& x = node.input(side);
    if (!x.stored || x.id != kNoTensor) continue;
    const StoredConstant& source = node.lowering().constants[*x.stored];
    if (!source.code || x.shape != source.tensor.shape) continue;
    VP_ASSIGN_OR_RETURN(const auto channels,
                        load_channel_values(node, node.input(1 - side), source.tensor.shape));
    if (!channels) continue;
    auto code =
        is_product ? scale_levels(*source.code, *channels) : add_offsets(*source.code, *channels);
    if (!code) continue;
    VP_RETURN_IF_ERROR(node.expect_types(0, 2));
    // Each such node holds the values once more, and a few bytes of a file can name many nodes.
    VP_RETURN_IF_ERROR(node.count_made(std::ssize(channels->values)));
    StoredConstant constant = source;
    constant.code = std::move(*code);
    constant.weight.reset();
    constant.tensors.clear();
    std::optional<Shape> shape = x.shape;
    set_constant(node, std::move(constant), std::move(shape));
    return true;
  }
  return false;
}

}  // namespace visionpress::graphdef
