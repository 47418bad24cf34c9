// COCO: annotations.json and images/.

#include "base/error.h"
#include "eval/coco_format.h"
#include "eval/coco_subset.h"
#include "eval/dataset_writers.h"

namespace visionpress {
namespace {

Result<void> write_coco(ExportSet& set, ExportFolder& folder) {
  spread_classes(set);
  lose_splits(set);
  CocoSubset coco;
  for (std::size_t t = 0; t < set.tags.size(); ++t) {
    coco.categories.push_back({.id = set.category_ids[t], .name = set.tags[t]});
  }
  for (const ExportImage& image : set.images) {
    coco.images.push_back(
        {.id = image.id, .file_name = image.name, .width = image.width, .height = image.height});
    for (const TruthBox& box : image.boxes) {
      coco.annotations.push_back(
          {.id = box.id,
           .image_id = image.id,
           .category_id = set.category_ids[static_cast<std::size_t>(box.tag)],
           .box = {box.x, box.y, box.width, box.height},
           .area = box.area,
           .crowd = box.crowd});
    }
    VP_RETURN_IF_ERROR(folder.add_picture(image, "images/" + image.name));
  }
  return folder.write("annotations.json", format_coco(coco));
}

}  // namespace

const DatasetWriter coco_writer = {
    .name = "coco", .main_file = "annotations.json", .write = write_coco};

}  // namespace visionpress
