#include "lower/window.h"
#include "model/kernel_axes.h"
#include "transform/graph_editor.h"
#include "transform/passes.h"

namespace visionpress {
namespace {

/// Height and width of a kernel in its layout.
std::optional<std::array<std::int64_t, 2>> kernel_size(const Shape& kernel, KernelLayout layout) {
  if (kernel.size() != 4) return std::nullopt;
  const KernelAxes axes = kernel_axes(layout);
  return std::array{kernel[static_cast<std::size_t>(axes.height)],
                    kernel[static_cast<std::size_t>(axes.width)]};
}

bool pads_planes_with_zeros(const Pad& pad) {
  return pad.mode == PadMode::Constant && pad.value == 0.0F && pad.before.size() == 4 &&
         pad.after.size() == 4 && pad.before[0] == 0 && pad.after[0] == 0 && pad.before[3] == 0 &&
         pad.after[3] == 0;
}

/// Whether SAME padding would add the same zeros as `pad`.
bool equals_same(const Pad& pad, const Conv2d& conv, const Shape& in,
                 const std::array<std::int64_t, 2>& kernel) {
  for (std::size_t a = 0; a < 2; ++a) {
    const std::int64_t size = in[a + 1];
    const std::int64_t stride = conv.stride[a];
    if (size < 1 || stride < 1) return false;
    const SamePadding same = same_padding(size, (kernel[a] - 1) * conv.dilation[a] + 1, stride);
    if (pad.before[a + 1] != same.before || pad.after[a + 1] != same.after) return false;
  }
  return true;
}

}  // namespace

void fuse_padding(OwnedGraph& owned) {
  constexpr std::array<std::int64_t, 2> kNone = {0, 0};
  GraphEditor editor(owned);
  for (std::size_t n = 0; n < editor.node_count(); ++n) {
    auto* conv = std::get_if<Conv2d>(&editor.node(n).op);
    if (conv == nullptr || conv->transposed || conv->padding.rule != PadRule::Explicit ||
        conv->padding.before != kNone || conv->padding.after != kNone) {
      continue;
    }
    const std::size_t before = editor.sole_writer(editor.node(n).inputs[0]);
    if (before == GraphEditor::kNoNode) continue;
    const auto* pad = std::get_if<Pad>(&editor.node(before).op);
    if (pad == nullptr || !pads_planes_with_zeros(*pad)) continue;
    const TensorId x = editor.node(before).inputs[0];
    const auto kernel =
        kernel_size(editor.tensor(editor.node(n).inputs[1]).shape, conv->kernel_layout);
    const Shape& in = editor.tensor(x).shape;
    if (!kernel || in.size() != 4 || !equals_same(*pad, *conv, in, *kernel)) continue;
    conv->padding.rule = PadRule::SameUpper;
    editor.set_input(n, 0, x);
    editor.remove(before);
  }
  editor.finish();
}

}  // namespace visionpress
