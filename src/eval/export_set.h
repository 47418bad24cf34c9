#pragma once

// A data set as it is written: each form has a writer (dataset_writers.h) that takes this.

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/output_folder.h"
#include "eval/dataset.h"
#include "eval/oddities.h"
#include "eval/rectangle.h"

namespace visionpress {

struct ExportImage {
  std::int64_t id = 0;
  /// One file name without folders. No other image has it, nor one that differs in the extension.
  std::string name = {};
  std::string path = {};   ///< of the picture; empty where it was not found
  std::string split = {};  ///< "train", "val", "test"; empty: none
  int width = 0;           ///< of the upright picture; where it was not found, of the file's frame
  int height = 0;          ///< 0: unknown
  int class_tag = -1;      ///< of a set without boxes
  std::vector<TruthBox> boxes = {};  ///< in pixels of `width` and `height`
};

struct ExportSet {
  bool has_boxes = true;
  bool has_splits = false;
  bool has_ids = false;  ///< the ids are the source's own
  std::vector<std::string> tags = {};
  std::vector<std::int64_t> category_ids = {};
  std::vector<ExportImage> images = {};
  std::map<std::string, std::size_t> lost = {};  ///< fields of the source, and how many had them
  Oddities oddities = {};
  std::size_t left_out_boxes = 0;

  [[nodiscard]] const std::string& tag_of(const TruthBox& box) const {
    return tags[static_cast<std::size_t>(box.tag)];
  }
};

enum class Pictures : bool { Leave, Copy };

/// "val/" for an image of the split "val" where the set has splits, "train/" for one of none.
/// Empty where it has none.
[[nodiscard]] std::string split_folder(const ExportSet& set, const ExportImage& image);

/// Places each box in the upright picture and gives each image a name. A picture that cannot be
/// read is left out and counted, so that no other file is ever copied for one.
/// errors: Io, Malformed for the first picture where none can be read.
[[nodiscard]] Result<ExportSet> make_export_set(const Dataset& dataset);

/// The folder that is written.
class ExportFolder {
 public:
  /// written: called after each picture. Both are borrowed.
  ExportFolder(OutputFolder& output, Pictures pictures, const std::function<void()>& written)
      : output_(output), pictures_(pictures), written_(written) {}

  /// errors: Output.
  [[nodiscard]] Result<void> write(const std::string& name, std::string_view text);
  /// Copies the picture of an image, if pictures are copied and it is there. To be called for each
  /// image that is written. errors: Output; Io.
  [[nodiscard]] Result<void> add_picture(const ExportImage& image, const std::string& name);

 private:
  OutputFolder& output_;
  Pictures pictures_ = Pictures::Copy;
  const std::function<void()>& written_;
};

/// The part of a box that lies in its image, for forms that hold no other; what is cut or left out
/// is counted in the set. returns: nothing for a box that lies outside.
[[nodiscard]] std::optional<Rectangle> cut_to_image(const ExportImage& image, const TruthBox& box,
                                                    ExportSet& set);

/// errors: Io for an image whose size is not known, of which the form has shares.
[[nodiscard]] Result<void> check_sizes(const ExportSet& set);

/// Makes a set of classes one of boxes, each as large as its image.
void spread_classes(ExportSet& set);

// What a form loses, each counted in `lost`.
void lose_ids(ExportSet& set);
void lose_crowds(ExportSet& set);
void lose_areas(ExportSet& set);  ///< where an area is not the box's
void lose_splits(ExportSet& set);
void lose_tag_list(ExportSet& set);  ///< tags without boxes, and their order
/// All but the splits: what every form but COCO loses.
void lose_coco_fields(ExportSet& set);

/// The name without its extension.
[[nodiscard]] std::string stem_of(const std::string& name);

}  // namespace visionpress
