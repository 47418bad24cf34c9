// Blocks of an image as images of a batch, and back: how TensorFlow 1 wrote dilated convolutions.
// Both are views, so that nothing behind them needs to know of them.

#include <algorithm>
#include <array>

#include "base/error.h"
#include "formats/graphdef/graphdef_lowering.h"

namespace visionpress::graphdef {
namespace {

/// Sizes of the blocks, and a pair for each (zeros added, or elements cut off).
struct Blocks {
  std::vector<std::int64_t> block = {};
  std::vector<std::int64_t> before = {};
  std::vector<std::int64_t> after = {};
  [[nodiscard]] std::size_t axes() const { return block.size(); }
  [[nodiscard]] std::int64_t count() const {
    std::int64_t product = 1;
    for (const std::int64_t size : block) product *= size;
    return product;
  }
};

/// Nothing where they are computed, or the image's sizes are not known.
Result<std::optional<Blocks>> read_blocks(NodeLowering& node) {
  std::optional<Blocks> nothing;
  VP_ASSIGN_OR_RETURN(const auto sizes, node.find_integers(1));
  VP_ASSIGN_OR_RETURN(const auto pairs, node.find_integers(2));
  const std::optional<Shape>& x = node.input(0).shape;
  if (!sizes || !pairs || !x || !element_count(*x)) return nothing;
  constexpr std::int64_t kLargest = 1 << 12;  // elements; keeps products of three far from overflow
  const auto is_block = [](std::int64_t size) { return size >= 1 && size <= kLargest; };
  const bool fits = !sizes->empty() && sizes->size() <= 3 && x->size() > sizes->size() &&
                    pairs->size() == 2 * sizes->size() &&
                    std::all_of(sizes->begin(), sizes->end(), is_block) && are_sizes(*pairs);
  if (!fits) {
    return malformed(node, fmt::format("blocks of {} with {} in {}", to_string(*sizes),
                                       to_string(*pairs), to_string(*x)));
  }
  Blocks blocks;
  blocks.block = *sizes;
  for (std::size_t i = 0; i < pairs->size(); i += 2) {
    blocks.before.push_back((*pairs)[i]);
    blocks.after.push_back((*pairs)[i + 1]);
  }
  return std::optional<Blocks>(std::move(blocks));
}

/// x as `split`, its axes in that order, then as `whole`.
struct Rearrangement {
  Shape split = {};
  std::vector<int> order = {};
  Shape whole = {};
};

Result<Value> rearrange(NodeLowering& node, Value x, const Rearrangement& how) {
  const DataType dtype = x.dtype;
  Shape ordered;
  for (const int axis : how.order) ordered.push_back(how.split[static_cast<std::size_t>(axis)]);
  VP_ASSIGN_OR_RETURN(x, node.apply(Reshape{how.split}, {&x}, how.split, dtype));
  VP_ASSIGN_OR_RETURN(x, node.apply(Transpose{how.order}, {&x}, std::move(ordered), dtype));
  return node.apply(Reshape{how.whole}, {&x}, how.whole, dtype);
}

/// The axes behind the blocks stay as they are.
void add_rest(const Shape& in, std::size_t from, Rearrangement& how) {
  for (std::size_t axis = from; axis < in.size(); ++axis) {
    how.order.push_back(static_cast<int>(how.split.size()));
    how.split.push_back(in[axis]);
    how.whole.push_back(in[axis]);
  }
}

/// [N, H/b, b, W/b, b, ...] to [b, b, N, H/b, W/b, ...]. A batch of 1 is left out between, which
/// keeps the rank low.
Rearrangement plan_to_batch(const Shape& in, const Blocks& blocks) {
  Rearrangement how;
  how.whole = {in[0] * blocks.count()};
  const bool has_batch = in[0] != 1;
  if (has_batch) how.split.push_back(in[0]);
  const int first = has_batch ? 1 : 0;
  for (std::size_t i = 0; i < blocks.axes(); ++i) {
    how.split.push_back(in[i + 1] / blocks.block[i]);
    how.split.push_back(blocks.block[i]);
    how.order.push_back(first + 2 * static_cast<int>(i) + 1);
  }
  if (has_batch) how.order.push_back(0);
  for (std::size_t i = 0; i < blocks.axes(); ++i) {
    how.order.push_back(first + 2 * static_cast<int>(i));
    how.whole.push_back(in[i + 1] / blocks.block[i]);
  }
  add_rest(in, blocks.axes() + 1, how);
  return how;
}

/// The way back: [b, b, N, h, w, ...] to [N, h, b, w, b, ...].
Rearrangement plan_to_space(const Shape& in, const Blocks& blocks) {
  Rearrangement how;
  const std::int64_t batch = in[0] / blocks.count();
  const int axes = static_cast<int>(blocks.axes());
  how.split = blocks.block;
  how.whole = {batch};
  if (batch != 1) {
    how.split.push_back(batch);
    how.order.push_back(axes);
  }
  const int first = static_cast<int>(how.split.size());  // of the sizes h, w
  for (int i = 0; i < axes; ++i) {
    const auto at = static_cast<std::size_t>(i);
    how.split.push_back(in[at + 1]);
    how.order.push_back(first + i);
    how.order.push_back(i);
    how.whole.push_back(in[at + 1] * blocks.block[at]);
  }
  add_rest(in, blocks.axes() + 1, how);
  return how;
}

/// Zeros around, then blocks become images.
Result<void> lower_space_to_batch(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(3, 3));
  VP_ASSIGN_OR_RETURN(const auto blocks, read_blocks(node));
  if (!blocks) return node.refuse_computed(0, "its blocks or sizes are computed");
  Value x = node.input(0);
  Pad pad;
  pad.before.assign(x.shape->size(), 0);
  pad.after.assign(x.shape->size(), 0);
  Shape padded = *x.shape;
  for (std::size_t i = 0; i < blocks->axes(); ++i) {
    pad.before[i + 1] = blocks->before[i];
    pad.after[i + 1] = blocks->after[i];
    padded[i + 1] += blocks->before[i] + blocks->after[i];
    if (padded[i + 1] % blocks->block[i] != 0) {
      return malformed(node, fmt::format("{} does not fall into blocks of {}", to_string(padded),
                                         to_string(blocks->block)));
    }
  }
  if (padded != *x.shape) {
    VP_ASSIGN_OR_RETURN(x, node.apply(std::move(pad), {&x}, padded, x.dtype));
  }
  VP_ASSIGN_OR_RETURN(x, rearrange(node, std::move(x), plan_to_batch(padded, *blocks)));
  node.set_output(0, std::move(x));
  return {};
}

/// Images become blocks, then the border is cut off.
Result<void> lower_batch_to_space(NodeLowering& node) {
  VP_RETURN_IF_ERROR(node.expect_inputs(3, 3));
  VP_ASSIGN_OR_RETURN(const auto blocks, read_blocks(node));
  if (!blocks) return node.refuse_computed(0, "its blocks or sizes are computed");
  Value x = node.input(0);
  if ((*x.shape)[0] % blocks->count() != 0) {
    return malformed(node, fmt::format("a batch of {} has no blocks of {}", (*x.shape)[0],
                                       to_string(blocks->block)));
  }
  const Rearrangement how = plan_to_space(*x.shape, *blocks);
  VP_ASSIGN_OR_RETURN(x, rearrange(node, std::move(x), how));
  Slice slice;
  slice.begin.assign(how.whole.size(), 0);
  slice.end = how.whole;
  slice.stride.assign(how.whole.size(), 1);
  Shape cut = how.whole;
  for (std::size_t i = 0; i < blocks->axes(); ++i) {
    slice.begin[i + 1] = blocks->before[i];
    slice.end[i + 1] -= blocks->after[i];
    cut[i + 1] = slice.end[i + 1] - slice.begin[i + 1];
    if (cut[i + 1] <= 0) return malformed(node, "it cuts off all of " + to_string(how.whole));
  }
  if (cut != how.whole) {
    VP_ASSIGN_OR_RETURN(x, node.apply(std::move(slice), {&x}, cut, x.dtype));
  }
  node.set_output(0, std::move(x));
  return {};
}

constexpr std::array kRows = std::to_array<OperatorRow>(
    {{"SpaceToBatchND", lower_space_to_batch}, {"BatchToSpaceND", lower_batch_to_space}});

}  // namespace

std::span<const OperatorRow> batch_rows() { return kRows; }

}  // namespace visionpress::graphdef
