#include "eval/image_frame.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "eval/rectangle.h"

namespace visionpress {
namespace {

bool swaps_sides(int orientation) { return orientation >= 5; }

/// How an image's size in the file and its picture's differ.
enum class Fit : std::uint8_t { Same, Unturned, Exchanged, Smaller, Larger, Other };

struct Seen {
  std::size_t image = 0;
  Fit fit = Fit::Same;
  int orientation = 1;
  ImageSize file = {};     ///< as the data set says
  ImageSize upright = {};  ///< the picture's
};

/// Whether one size is the other, scaled; each side may be rounded by a pixel.
bool is_scaled(ImageSize a, ImageSize b) {
  const double scale = static_cast<double>(a.width) / b.width;
  const double slack = std::max(1.0, scale);
  return std::abs(b.height * scale - a.height) <= slack;
}

Fit compare_sizes(const Seen& seen) {
  const ImageSize file = seen.file;
  const ImageSize picture = seen.upright;
  if (file.width == picture.width && file.height == picture.height) return Fit::Same;
  const ImageSize turned{picture.height, picture.width};
  if (is_scaled(file, picture)) return file.width < picture.width ? Fit::Smaller : Fit::Larger;
  if (swaps_sides(seen.orientation) && is_scaled(file, turned)) return Fit::Unturned;
  if (file.width == turned.width && file.height == turned.height) return Fit::Exchanged;
  return Fit::Other;
}

/// Boxes drawn by hand pass the edge by some pixels; a twentieth of the side is another frame.
bool holds_boxes(const DatasetImage& image, ImageSize frame) {
  constexpr double kSlack = 0.05;
  const double right = frame.width * (1.0 + kSlack);
  const double bottom = frame.height * (1.0 + kSlack);
  return std::ranges::all_of(image.truths, [&](const TruthBox& box) {
    return box.x + box.width <= right && box.y + box.height <= bottom;
  });
}

class Settler {
 public:
  Settler(Dataset& dataset, Oddities& oddities) : dataset_(dataset), oddities_(oddities) {}

  void settle() {
    for (std::size_t i = 0; i < dataset_.images.size(); ++i) look_at(i);
    settle_unturned();
    settle_exchanged();
    settle_scaled(Fit::Smaller);
    settle_scaled(Fit::Larger);
    for (const Seen& seen : seen_) {
      if (seen.fit == Fit::Other) {
        note("images of another shape than the data set says, their boxes scaled by each side",
             seen);
      }
    }
  }

 private:
  void look_at(std::size_t index) {
    DatasetImage& image = dataset_.images[index];
    if (image.path.empty()) return;
    const auto head = load_image_head(image.path);
    if (!head) return;  // named when it is decoded
    Seen seen;
    seen.image = index;
    seen.orientation = head->orientation;
    seen.upright = head->stored;
    if (swaps_sides(seen.orientation)) std::swap(seen.upright.width, seen.upright.height);
    image.picture_width = seen.upright.width;
    image.picture_height = seen.upright.height;
    if (image.width == 0 || image.height == 0) {
      image.width = seen.upright.width;
      image.height = seen.upright.height;
      return;
    }
    seen.file = {image.width, image.height};
    seen.fit = compare_sizes(seen);
    if (seen.fit != Fit::Same || seen.orientation != 1) seen_.push_back(seen);
  }

  /// The frame that the boxes must be in, of the file's and another, by the images they fit in one
  /// of them alone. returns: images for the file's less images for the other.
  template <typename OtherOf>
  [[nodiscard]] int vote(Fit fit, const OtherOf& other_of) const {
    int votes = 0;
    for (const Seen& seen : seen_) {
      if (seen.fit != fit) continue;
      const DatasetImage& image = dataset_.images[seen.image];
      const bool file = holds_boxes(image, seen.file);
      const bool other = holds_boxes(image, other_of(seen));
      votes += static_cast<int>(file) - static_cast<int>(other);
    }
    return votes;
  }

  void settle_unturned() {
    const int votes = vote(Fit::Unturned, [](const Seen& seen) {
      return ImageSize{seen.file.height, seen.file.width};
    });
    const bool any = std::ranges::find(seen_, Fit::Unturned, &Seen::fit) != seen_.end();
    for (const Seen& seen : seen_) {
      DatasetImage& image = dataset_.images[seen.image];
      if (seen.fit == Fit::Unturned && votes < 0) {
        std::swap(image.width, image.height);
        note(
            "images whose size in the data set is that before EXIF turns them, while their boxes "
            "fit the turned picture and are taken so",
            seen);
      } else if (seen.fit == Fit::Unturned) {
        image.frame_orientation = seen.orientation;
        note(
            "images whose size in the data set is that before EXIF turns them, their boxes turned "
            "with them",
            seen);
      } else if (seen.fit == Fit::Same && any && votes >= 0 && !swaps_sides(seen.orientation)) {
        // The tool that ignored EXIF there ignored it here, where the size does not tell.
        image.frame_orientation = seen.orientation;
        note(
            "images that EXIF turns over or mirrors, their boxes with them as in the data set's "
            "other turned images",
            seen);
      }
    }
  }

  void settle_exchanged() {
    const int votes = vote(Fit::Exchanged, [](const Seen& seen) { return seen.upright; });
    for (const Seen& seen : seen_) {
      if (seen.fit != Fit::Exchanged) continue;
      if (votes > 0) {
        note(
            "images that were turned after they were labelled: the boxes fit the data set's size "
            "and not the picture, and no figure of them means anything",
            seen);
        continue;
      }
      DatasetImage& image = dataset_.images[seen.image];
      image.width = seen.upright.width;
      image.height = seen.upright.height;
      note("images whose width and height are exchanged in the data set, the picture's taken",
           seen);
    }
  }

  void settle_scaled(Fit fit) {
    constexpr std::size_t kEnough = 5;  // images with boxes: a smaller frame by chance is unlikely
    std::size_t with_boxes = 0;
    bool file_holds = true;
    bool picture_holds = true;
    for (const Seen& seen : seen_) {
      if (seen.fit != fit) continue;
      const DatasetImage& image = dataset_.images[seen.image];
      if (!image.truths.empty()) ++with_boxes;
      file_holds = file_holds && holds_boxes(image, seen.file);
      picture_holds = picture_holds && holds_boxes(image, seen.upright);
    }
    const bool takes_picture =
        fit == Fit::Smaller ? !file_holds && picture_holds : picture_holds && with_boxes >= kEnough;
    for (const Seen& seen : seen_) {
      if (seen.fit != fit) continue;
      DatasetImage& image = dataset_.images[seen.image];
      note(takes_picture
               ? "images of another size than the data set says, whose boxes fit the picture "
                 "and are taken as its pixels"
               : "images of another size than the data set says, their boxes scaled with them",
           seen);
      if (!takes_picture) continue;
      image.width = seen.upright.width;
      image.height = seen.upright.height;
    }
  }

  void note(std::string_view kind, const Seen& seen) {
    const DatasetImage& image = dataset_.images[seen.image];
    const std::string exif =
        seen.orientation == 1 ? "" : fmt::format(", EXIF orientation {}", seen.orientation);
    oddities_.add(kind, fmt::format("{} ({}x{} in the data set, the picture {}x{}{})",
                                    image.file_name, seen.file.width, seen.file.height,
                                    seen.upright.width, seen.upright.height, exif));
  }

  Dataset& dataset_;
  Oddities& oddities_;
  std::vector<Seen> seen_ = {};  ///< images that differ from their picture or that EXIF turns
};

}  // namespace

BoxFrame frame_of(const DatasetImage& image) {
  return {.width = image.width, .height = image.height, .orientation = image.frame_orientation};
}

TruthBox turn_upright(const DatasetImage& image, const TruthBox& box) {
  if (image.frame_orientation == 1 || image.width == 0 || image.height == 0) return box;
  TruthBox turned = box;
  turned.x /= image.width;
  turned.y /= image.height;
  turned.width /= image.width;
  turned.height /= image.height;
  set_rectangle(turned, turn_upright(rectangle_of(turned), image.frame_orientation));
  const ImageSize size = upright_size(image);
  turned.x *= size.width;
  turned.y *= size.height;
  turned.width *= size.width;
  turned.height *= size.height;
  return turned;
}

ImageSize upright_size(const DatasetImage& image) {
  if (swaps_sides(image.frame_orientation)) return {image.height, image.width};
  return {image.width, image.height};
}

void cut_to_frame(const DatasetImage& image, Detections& detections) {
  if (image.width == 0 || image.height == 0) return;
  const auto frame_width = static_cast<double>(image.width);
  const auto frame_height = static_cast<double>(image.height);
  for (Detection& d : detections) {
    double right = d.x + d.width;
    double bottom = d.y + d.height;
    // A box inside keeps its bits.
    if (d.x >= 0.0 && d.y >= 0.0 && right <= frame_width && bottom <= frame_height) continue;
    d.x = std::clamp(d.x, 0.0, frame_width);
    d.y = std::clamp(d.y, 0.0, frame_height);
    right = std::clamp(right, d.x, frame_width);
    bottom = std::clamp(bottom, d.y, frame_height);
    d.width = right - d.x;
    d.height = bottom - d.y;
  }
}

void settle_frames(Dataset& dataset, Oddities& oddities) { Settler(dataset, oddities).settle(); }

}  // namespace visionpress
