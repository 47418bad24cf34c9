#pragma once

// What most forms of data sets come to once they are read: images with tagged boxes. COCO and VoTT,
// which have ids or frames of their own, make their data sets themselves. Nobody but the readers
// includes this.

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "eval/dataset.h"
#include "eval/oddities.h"
#include "eval/rectangle.h"

namespace visionpress {

enum class BoxUnit : std::uint8_t {
  Pixels,
  Shares,  ///< of the upright picture's width and height, 0 to 1
};

struct LabelledBox {
  std::string tag = {};
  Rectangle box = {};
  bool crowd = false;
};

struct LabelledImage {
  std::string file_name = {};  ///< as the data set has it; relative to its folder where it can be
  std::string path = {};       ///< empty: to be looked for by `file_name`
  std::string split = {};      ///< "train", "val", "test" or a name of the file's; may be empty
  int width = 0;               ///< of the frame that the boxes are in; 0: the upright picture's
  int height = 0;
  std::string class_tag = {};  ///< of data sets without boxes
  std::vector<LabelledBox> boxes = {};
};

struct LabelledImages {
  BoxUnit unit = BoxUnit::Pixels;
  bool has_boxes = true;
  /// In the file's order. Tags of boxes that are not listed come behind them, by name.
  std::vector<std::string> tags = {};
  std::vector<LabelledImage> images = {};
  /// Where images are looked for; empty: beside the file, and in `images` beside it.
  std::vector<std::string> folders = {};
  /// Fields of the file that a Dataset does not hold, and how often they are there.
  std::map<std::string, std::size_t> unread = {};
  Oddities oddities = {};
};

/// The one name of a split: "valid", "validation" and "dev" are "val", "training" is "train",
/// "testing" is "test", whatever the case. Other names stay.
[[nodiscard]] std::string name_split(std::string_view name);

/// Whether name_split gives "train", "val" or "test".
[[nodiscard]] bool is_split_name(std::string_view name);

/// The one of the splits that is taken. returns: empty where that is all of them.
[[nodiscard]] std::string choose_split(const std::set<std::string>& splits, Splits wanted);

/// Sorts the images by file name, picks the split, finds the pictures, settles the frames, counts
/// what is odd, and reports it.
/// errors: Io for missing pictures, as ImageFinder; for an image whose size nobody knows while its
/// boxes are shares of it.
[[nodiscard]] Result<Dataset> make_dataset(LabelledImages labelled, const DatasetOptions& options,
                                           Diagnostics& diagnostics);

}  // namespace visionpress
