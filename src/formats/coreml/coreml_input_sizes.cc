#include "formats/coreml/coreml_input_sizes.h"

#include <algorithm>

#include "base/error.h"
#include "formats/coreml/coreml_schema.h"

namespace visionpress::coreml {
namespace {

constexpr std::int64_t kMaxPixels = std::int64_t{1} << 31;

SideRange exactly(std::int64_t pixels) { return {pixels, pixels}; }

/// SizeRange { lowerBound 1, upperBound 2 }
Result<SideRange> read_side(const ProtobufMessage& range) {
  VP_ASSIGN_OR_RETURN(const std::uint64_t low, range.read_uint(1));
  VP_ASSIGN_OR_RETURN(const std::int64_t high, range.read_int(2));
  SideRange side;
  side.low = static_cast<std::int64_t>(std::min(low, static_cast<std::uint64_t>(kMaxPixels)));
  side.high = high < 0 || high >= kMaxPixels ? -1 : high;
  return side;
}

bool contains(const SideRange& side, std::int64_t pixels) {
  return pixels >= side.low && (side.high < 0 || pixels <= side.high);
}

std::string describe_side(const SideRange& side) {
  if (side.high == side.low) return std::to_string(side.low);
  return fmt::format("{}..{}", side.low, side.high < 0 ? std::string() : std::to_string(side.high));
}

/// ImageFeatureType.ImageSizeRange: an absent side is open.
Result<SizeRange> read_image_range(const ProtobufMessage& range) {
  SizeRange sides;
  VP_ASSIGN_OR_RETURN(const auto width, range.read_message(feature_field::kImageWidth));
  VP_ASSIGN_OR_RETURN(const auto height, range.read_message(feature_field::kImageHeight));
  if (height) {
    VP_ASSIGN_OR_RETURN(sides[0], read_side(*height));
  }
  if (width) {
    VP_ASSIGN_OR_RETURN(sides[1], read_side(*width));
  }
  return sides;
}

}  // namespace

Result<std::vector<SizeRange>> read_image_sizes(const ProtobufMessage& image) {
  std::vector<SizeRange> sizes;
  VP_ASSIGN_OR_RETURN(const auto listed, image.read_message(feature_field::kEnumeratedSizes));
  if (listed) {
    VP_ASSIGN_OR_RETURN(const auto entries, listed->read_messages(1));
    for (const ProtobufMessage& entry : entries) {
      VP_ASSIGN_OR_RETURN(const std::int64_t width, entry.read_int(feature_field::kImageWidth));
      VP_ASSIGN_OR_RETURN(const std::int64_t height, entry.read_int(feature_field::kImageHeight));
      sizes.push_back({exactly(height), exactly(width)});
    }
  }
  VP_ASSIGN_OR_RETURN(const auto range, image.read_message(feature_field::kSizeRange));
  if (!range) return sizes;
  VP_ASSIGN_OR_RETURN(const SizeRange sides, read_image_range(*range));
  sizes.push_back(sides);
  return sizes;
}

Result<std::vector<SizeRange>> read_array_sizes(const ProtobufMessage& array) {
  std::vector<SizeRange> sizes;
  VP_ASSIGN_OR_RETURN(const auto listed, array.read_message(feature_field::kEnumeratedSizes));
  if (listed) {
    VP_ASSIGN_OR_RETURN(const auto shapes, listed->read_messages(1));
    for (const ProtobufMessage& entry : shapes) {
      VP_ASSIGN_OR_RETURN(const auto shape, entry.read_ints(feature_field::kArrayShape));
      if (shape.size() < 3) continue;
      sizes.push_back({exactly(shape[shape.size() - 2]), exactly(shape.back())});
    }
  }
  VP_ASSIGN_OR_RETURN(const auto range, array.read_message(feature_field::kSizeRange));
  if (!range) return sizes;
  VP_ASSIGN_OR_RETURN(const auto sides, range->read_messages(1));
  if (sides.size() < 3) return sizes;
  SizeRange size;
  VP_ASSIGN_OR_RETURN(size[0], read_side(sides[sides.size() - 2]));
  VP_ASSIGN_OR_RETURN(size[1], read_side(sides.back()));
  sizes.push_back(size);
  return sizes;
}

bool allows_size(const std::vector<SizeRange>& sizes,
                 const std::array<std::int64_t, 2>& height_width) {
  return std::any_of(sizes.begin(), sizes.end(), [&](const SizeRange& size) {
    return contains(size[0], height_width[0]) && contains(size[1], height_width[1]);
  });
}

std::string describe_sizes(const std::vector<SizeRange>& sizes) {
  std::vector<std::string> texts;
  texts.reserve(sizes.size());
  for (const SizeRange& size : sizes) {
    texts.push_back(fmt::format("{}x{}", describe_side(size[1]), describe_side(size[0])));
  }
  return fmt::format("{}", fmt::join(texts, " or "));
}

}  // namespace visionpress::coreml
