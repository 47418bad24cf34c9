#pragma once

// A labelled data set: images and what is on them, whichever tool wrote it down.

#include <cstdint>
#include <string>
#include <vector>

#include "visionpress/result.h"

namespace visionpress {

/// One true box, as the file has it: pixels of its image's frame, top-left corner and size. It may
/// reach beyond the frame, lie outside of it, or have no area; pycocotools counts those too.
struct TruthBox {
  std::int64_t id = 0;  ///< the annotation's; counted from 1 where the file gives no number
  int tag = 0;          ///< index into Dataset::tags
  double x = 0.0;
  double y = 0.0;
  double width = 0.0;
  double height = 0.0;
  double area = 0.0;  ///< COCO: the annotation's (its mask's); otherwise width * height
  bool crowd = false;
};

struct DatasetImage {
  std::int64_t id = 0;
  std::string id_text = {};    ///< where the file's ids are texts; empty: `id` is the file's
  std::string file_name = {};  ///< as the annotation file has it
  std::string path = {};   ///< where it was found; empty when images were optional and it was not
  std::string split = {};  ///< "train", "val", "test"; empty where the data set has no splits
  int width = 0;  ///< of the frame the boxes are in; 0 for folders, and where nobody says it
  int height = 0;
  /// The EXIF orientation that turns the frame of the boxes upright: 1 where the boxes are of the
  /// upright picture, which is what networks are given.
  int frame_orientation = 1;
  int picture_width = 0;  ///< of the upright picture; 0 where it was not looked at
  int picture_height = 0;
  int class_tag = -1;  ///< folders: the image's tag
  /// How often the original project's per-tag lists hold this image: COCO: its number of tags
  /// before `min_box`; otherwise 1. Only the legacy metrics count by it.
  std::size_t listings = 1;
  std::vector<TruthBox> truths = {};
};

/// A field of the file that a Dataset has no place for.
struct UnreadField {
  std::string name = {};
  std::size_t count = 0;  ///< of elements that have it
};

struct Dataset {
  bool has_boxes = true;  ///< false: a folder with one folder for each tag
  /// Pictures alone. Its tags are a model's classes (adopt_classes), and it has no truth.
  bool is_unlabelled = false;
  std::string source = {};                       ///< the file or folder, as given
  std::vector<std::string> tags = {};            ///< COCO: by ascending category id
  std::vector<std::int64_t> category_ids = {};   ///< one a tag; VoTT and folders: 1, 2, ...
  std::vector<std::string> category_texts = {};  ///< one a tag where the file's ids are texts
  /// By ascending id. VoTT: ids are 1, 2, ... by file name; folders: 1, 2, ... by tag, then file
  /// name.
  std::vector<DatasetImage> images = {};
  std::vector<std::string> left_out_ids = {};    ///< of images that are not scored, as texts
  std::vector<std::string> left_out_names = {};  ///< their file names
  std::size_t not_taken = 0;             ///< images that the data set has beyond those asked for
  std::size_t clamped_boxes = 0;         ///< VoTT: boxes cut to their frame, by two pixels at most
  std::size_t exceeding_boxes = 0;       ///< boxes that reach beyond their frame and were left so
  std::size_t repeated_ids = 0;          ///< boxes whose annotation id another one has, or is 0
  std::vector<UnreadField> unread = {};  ///< by name; those without a meaning are not counted
  bool has_ids = false;                  ///< the ids are the file's own
  /// The labels are in other files than `source`, so its bytes do not tell whether they changed.
  bool has_label_files = false;

  [[nodiscard]] std::size_t box_count() const;
};

/// Leaves out boxes narrower or lower than this share of their image.
void drop_small_boxes(Dataset& dataset, double min_box);

/// Sets `listings` of every image from the boxes it has now.
void count_listings(Dataset& dataset);

/// The id of an image or category as text: what predictions name it by.
[[nodiscard]] std::string id_of(const DatasetImage& image);
[[nodiscard]] std::string category_id_of(const Dataset& dataset, std::size_t tag);

/// Keeps at most `count` images (0: all), evenly spread over the data set, and notes the others.
void thin_out(Dataset& dataset, std::size_t count);

/// Notes that predictions of this image are to be passed over.
void note_left_out(Dataset& dataset, const DatasetImage& image);

enum class ImageNeed : std::uint8_t {
  Required,     ///< images that are not there are an error
  SkipMissing,  ///< they are left out, with a warning; an error where none is there
  Optional,     ///< files of predictions can be scored without the pictures
};

enum class Splits : std::uint8_t {
  ForScoring,   ///< "val", without it "test", without that all
  ForTraining,  ///< "train", without it all
  All,
};

struct DatasetOptions {
  std::string data = {};  ///< as EvaluateOptions::data
  std::string images =
      {};                ///< where the images are; empty: beside `data`, then in `images` beside it
  double min_box = 0.0;  ///< boxes narrower or lower than this share of the image are left out
  /// The first so many by id, of a folder evenly spread, since its first ones are of one tag; 0:
  /// all.
  std::size_t max_images = 0;
  ImageNeed image_need = ImageNeed::Required;
  bool skip_bad = false;  ///< pictures that cannot be read are for the caller to leave out
  Splits splits = Splits::ForScoring;  ///< of a data set that has any
  /// Takes the pictures alone: of a folder and the folders in it, or those that an annotation file
  /// names.
  bool unlabelled = false;
};

/// Reads a data set; which form it has shows in the file or folder itself. What is odd in it but
/// does not keep it from being scored is said once for each kind of oddity, with its count. errors:
/// Io for files that are not there (images: how many, with the annotation file and where they were
/// looked for), Malformed with the element path, or naming what a file of another kind is. cost:
/// COCO files are parsed in one pass over the text; peak memory is the text plus its index; the
/// head of each image is read.
[[nodiscard]] Result<Dataset> load_dataset(const DatasetOptions& options, Diagnostics& diagnostics);

/// Whether a folder has pictures and no folder for a tag in it, so that it can only be meant as
/// unlabelled.
[[nodiscard]] bool holds_pictures_alone(const std::string& folder);

/// Makes the classes of a model the tags of an unlabelled data set. names: one per class.
/// has_boxes: whether the model finds boxes.
void adopt_classes(Dataset& dataset, std::vector<std::string> names, bool has_boxes);

}  // namespace visionpress
