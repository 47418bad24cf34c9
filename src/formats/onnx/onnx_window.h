#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "formats/onnx/onnx_lowering.h"

namespace visionpress::onnx {

/// Attributes that convolutions and pools share, one entry for each spatial axis.
struct OnnxWindow {
  std::vector<std::int64_t> kernel = {};
  std::vector<std::int64_t> stride = {};
  std::vector<std::int64_t> dilation = {};
  std::vector<std::int64_t> before = {};
  std::vector<std::int64_t> after = {};
  PadRule rule = PadRule::Explicit;
  bool rounds_up = false;  ///< ceil_mode
};

/// kernel: its spatial sizes, where the node does not name them; empty: it must.
/// errors: Malformed for lists of other lengths and sizes out of range.
[[nodiscard]] Result<OnnxWindow> read_window(NodeLowering& node, std::size_t spatial,
                                             const std::vector<std::int64_t>& kernel);

/// The paddings that `auto_pad` means for an axis of known size; those of the window otherwise.
struct AxisPadding {
  std::int64_t before = 0;
  std::int64_t after = 0;
};
[[nodiscard]] AxisPadding settle_padding(const OnnxWindow& window, std::size_t axis,
                                         std::int64_t size);

/// A tensor [N,C,L] as the image [N,C,1,L], which spatial operators need.
[[nodiscard]] Result<Value> view_as_image(NodeLowering& node, Value& x);

}  // namespace visionpress::onnx
