#pragma once

// The sizes that a flexible input accepts (SizeFlexibility, ShapeFlexibility of
// FeatureTypes.proto).

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "visionpress/result.h"
#include "wire/protobuf_cursor.h"

namespace visionpress::coreml {

/// Pixels along one side, both ends included.
struct SideRange {
  std::int64_t low = 0;
  std::int64_t high = -1;  ///< negative: no limit
};

/// Height and width, in this order.
using SizeRange = std::array<SideRange, 2>;

/// Reads the sizes that an ImageFeatureType lists: some sizes, one range, or nothing if the size is
/// fixed.
[[nodiscard]] Result<std::vector<SizeRange>> read_image_sizes(const ProtobufMessage& image);
/// Reads the sizes of an ArrayFeatureType, whose last two axes are height and width; nothing if it
/// has fewer than three axes.
[[nodiscard]] Result<std::vector<SizeRange>> read_array_sizes(const ProtobufMessage& array);

[[nodiscard]] bool allows_size(const std::vector<SizeRange>& sizes,
                               const std::array<std::int64_t, 2>& height_width);
/// Formats sizes for messages, width first: "16..64x16..64", "80x100 or 100x80", "10..x20..".
[[nodiscard]] std::string describe_sizes(const std::vector<SizeRange>& sizes);

}  // namespace visionpress::coreml
