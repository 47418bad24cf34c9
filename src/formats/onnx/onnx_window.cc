#include "formats/onnx/onnx_window.h"

#include <algorithm>

#include "base/error.h"
#include "lower/window.h"

namespace visionpress::onnx {
namespace {

/// Reads one number per spatial axis. errors: Malformed for another count or a number out of range.
Result<std::vector<std::int64_t>> read_sizes(NodeLowering& node, const char* name,
                                             std::size_t count, std::int64_t least,
                                             const std::vector<std::int64_t>& fallback) {
  VP_ASSIGN_OR_RETURN(const auto read, node.read_ints(name));
  std::vector<std::int64_t> sizes = read && !read->empty() ? *read : fallback;
  const bool fits = sizes.size() == count && std::ranges::all_of(sizes, [&](std::int64_t size) {
                      return size >= least && size <= kMostPixels;
                    });
  if (fits) return sizes;
  return node.malformed(fmt::format("attribute \"{}\" is {}, expected {} sizes of {}..{}", name,
                                    to_string(sizes), count, least, kMostPixels));
}

}  // namespace

Result<OnnxWindow> read_window(NodeLowering& node, std::size_t spatial,
                               const std::vector<std::int64_t>& kernel) {
  OnnxWindow window;
  const std::vector<std::int64_t> ones(spatial, 1);
  VP_ASSIGN_OR_RETURN(window.kernel, read_sizes(node, "kernel_shape", spatial, 1, kernel));
  VP_ASSIGN_OR_RETURN(window.stride, read_sizes(node, "strides", spatial, 1, ones));
  VP_ASSIGN_OR_RETURN(window.dilation, read_sizes(node, "dilations", spatial, 1, ones));
  const std::vector<std::int64_t> zeros(2 * spatial, 0);
  VP_ASSIGN_OR_RETURN(const auto pads, read_sizes(node, "pads", 2 * spatial, -kMostPixels, zeros));
  const auto middle = pads.begin() + static_cast<std::ptrdiff_t>(spatial);
  window.before.assign(pads.begin(), middle);
  window.after.assign(middle, pads.end());
  VP_ASSIGN_OR_RETURN(const std::string automatic, node.read_text("auto_pad", "NOTSET"));
  if (automatic == "SAME_UPPER") window.rule = PadRule::SameUpper;
  if (automatic == "SAME_LOWER") window.rule = PadRule::SameLower;
  if (automatic == "VALID") window.before = window.after = std::vector<std::int64_t>(spatial, 0);
  VP_ASSIGN_OR_RETURN(const std::int64_t rounds_up, node.read_int("ceil_mode", 0));
  window.rounds_up = rounds_up != 0 && window.rule == PadRule::Explicit;
  return window;
}

AxisPadding settle_padding(const OnnxWindow& window, std::size_t axis, std::int64_t size) {
  if (window.rule == PadRule::Explicit || size < 0)
    return {window.before[axis], window.after[axis]};
  const std::int64_t extent = (window.kernel[axis] - 1) * window.dilation[axis] + 1;
  const SamePadding same = same_padding(size, extent, window.stride[axis]);
  if (window.rule == PadRule::SameUpper) return {same.before, same.after};
  return {same.after, same.before};
}

Result<Value> view_as_image(NodeLowering& node, Value& x) {
  if (x.shape->size() != 3) return x;
  return node.view(ExpandDims{{2}}, x);
}

}  // namespace visionpress::onnx
