#pragma once

// The sizes that a flexible input takes (SizeFlexibility, ShapeFlexibility of FeatureTypes.proto).

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

/// What an ImageFeatureType lists: some sizes, one range of them, or nothing where its size is
/// fixed.
[[nodiscard]] Result<std::vector<SizeRange>> read_image_sizes(const ProtobufMessage& image);
/// Of an ArrayFeatureType, of whose shape height and width are the last; nothing where it has fewer
/// than three axes.
[[nodiscard]] Result<std::vector<SizeRange>> read_array_sizes(const ProtobufMessage& array);

[[nodiscard]] bool allows_size(const std::vector<SizeRange>& sizes,
                               const std::array<std::int64_t, 2>& height_width);
/// Width first, as sizes are written: "16..64x16..64", "80x100 or 100x80", "10..x20..".
[[nodiscard]] std::string describe_sizes(const std::vector<SizeRange>& sizes);

}  // namespace visionpress::coreml
