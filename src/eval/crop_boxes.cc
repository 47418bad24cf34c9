#include "eval/crop_boxes.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "eval/image_frame.h"

namespace visionpress {

void drop_empty_crops(Dataset& dataset, Diagnostics& diagnostics) {
  std::size_t count = 0;
  for (DatasetImage& image : dataset.images) {
    count += std::erase_if(image.truths, [&](const TruthBox& box) {
      return !(box.width > 0.0 && box.height > 0.0 && box.x < image.width && box.y < image.height &&
               box.x + box.width > 0.0 && box.y + box.height > 0.0);
    });
  }
  if (count == 0) return;
  diagnostics.warn(
      fmt::format("{} boxes have nothing of their image in them and give no crop", count));
}

std::vector<ImageView> cut_boxes(const DatasetImage& image, const Image& pixels) {
  std::vector<ImageView> parts;
  const ImageSize frame = upright_size(image);
  for (const TruthBox& in_frame : image.truths) {
    const TruthBox box = turn_upright(image, in_frame);
    const double across = static_cast<double>(pixels.width) / frame.width;
    const double down = static_cast<double>(pixels.height) / frame.height;
    const int x = std::clamp(static_cast<int>(std::floor(box.x * across)), 0, pixels.width - 1);
    const int y = std::clamp(static_cast<int>(std::floor(box.y * down)), 0, pixels.height - 1);
    const int right =
        std::clamp(static_cast<int>(std::ceil((box.x + box.width) * across)), x + 1, pixels.width);
    const int bottom =
        std::clamp(static_cast<int>(std::ceil((box.y + box.height) * down)), y + 1, pixels.height);
    parts.push_back(view_part(view_image(pixels), x, y, right - x, bottom - y));
  }
  return parts;
}

}  // namespace visionpress
