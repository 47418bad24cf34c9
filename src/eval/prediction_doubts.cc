// Predictions that were made for something else. Each reading of the rows (corners in place of
// sizes, shares in place of pixels, categories from 0, ...) is tried against the true boxes: the
// one that finds them while the rows as written do not is the cause to name.

#include <algorithm>
#include <cmath>
#include <functional>
#include <unordered_map>
#include <utility>

#include "eval/detection.h"
#include "eval/overlap.h"
#include "eval/prediction_rows.h"

namespace visionpress {
namespace {

using Box = std::array<double, 4>;

/// How one row is read; nothing where it cannot be read so.
struct ReadRow {
  std::size_t image = 0;
  int tag = 0;
  Box box = {};
};
using Reading = std::function<std::optional<ReadRow>(const PredictionRow& row)>;

struct Cause {
  std::string what = {};  ///< "its boxes look like ..."
  Reading read = {};
  bool has_evidence = false;  ///< the rows themselves speak for it, whatever is found
};

constexpr double kMatch = 0.5;          // overlap that finds a true box
constexpr double kMostShare = 2.0;      // of boxes in shares, which may pass the edge
constexpr int kLeastSide = 16;          // pixels; in smaller pictures shares and pixels look alike
constexpr double kFarBeyond = 0.05;     // of a side
constexpr std::size_t kManyBoxes = 20;  // of which not one fits by chance alone

bool are_shares(const Box& box) {
  return std::ranges::all_of(box, [](double v) { return std::abs(v) <= kMostShare; });
}

bool are_corners(const Box& box) { return box[2] > box[0] && box[3] > box[1]; }

Box from_corners(const Box& box) { return {box[0], box[1], box[2] - box[0], box[3] - box[1]}; }

Box from_centre(const Box& box) {
  return {box[0] - box[2] / 2, box[1] - box[3] / 2, box[2], box[3]};
}

Box swap_axes(const Box& box) { return {box[1], box[0], box[3], box[2]}; }

class Judge {
 public:
  Judge(std::span<const PredictionRow> rows, const Dataset& dataset)
      : rows_(rows), dataset_(dataset) {
    for (std::size_t i = 0; i < dataset.images.size(); ++i) {
      images_.emplace(id_of(dataset.images[i]), i);
      first_truths_.push_back(first_truths_.back() + dataset.images[i].truths.size());
    }
    for (std::size_t t = 0; t < dataset.tags.size(); ++t) {
      tags_.emplace(category_id_of(dataset, t), static_cast<int>(t));
    }
  }

  Result<std::vector<std::string>> judge() {
    std::vector<std::string> doubts;
    add_score_doubts(doubts);
    const bool any =
        std::ranges::any_of(rows_, [](const PredictionRow& row) { return row.image.has_value(); });
    if (!any || !rows_.front().box) return doubts;
    const Reading as_written = read_as([](const PredictionRow& row) { return *row.box; });
    found_ = count_found(as_written);
    list_box_causes();
    list_id_causes();
    VP_RETURN_IF_ERROR(name_cause(doubts));
    if (doubts_of_cause_ == 0) VP_RETURN_IF_ERROR(add_overlap_doubts(doubts));
    return doubts;
  }

 private:
  [[nodiscard]] const DatasetImage& image_of(const PredictionRow& row) const {
    return dataset_.images[*row.image];
  }

  /// Rows with an image and a tag, their box by `box_of`.
  template <typename BoxOf>
  [[nodiscard]] static Reading read_as(const BoxOf& box_of) {
    return [box_of](const PredictionRow& row) -> std::optional<ReadRow> {
      if (!row.image || row.tag < 0) return std::nullopt;
      return ReadRow{*row.image, row.tag, box_of(row)};
    };
  }

  [[nodiscard]] static std::optional<std::int64_t> number_of(const JsonId& id) {
    return find_whole(id.text);
  }

  /// True boxes that a row of their tag finds.
  [[nodiscard]] std::size_t count_found(const Reading& read) const {
    std::vector<bool> is_found(first_truths_.back());
    std::size_t found = 0;
    for (const PredictionRow& row : rows_) {
      const auto as = read(row);
      if (!as) continue;
      const std::vector<TruthBox>& truths = dataset_.images[as->image].truths;
      const Box& b = as->box;
      for (std::size_t i = 0; i < truths.size(); ++i) {
        const TruthBox& truth = truths[i];
        if (truth.tag != as->tag || truth.crowd || is_found[first_truths_[as->image] + i]) continue;
        const Detection box{as->tag, row.score, b[0], b[1], b[2], b[3]};
        if (box_overlap(box, truth) < kMatch) continue;
        is_found[first_truths_[as->image] + i] = true;
        ++found;
      }
    }
    return found;
  }

  template <typename Holds>
  [[nodiscard]] bool all_boxes(const Holds& holds) const {
    return std::ranges::all_of(rows_, [&](const PredictionRow& row) {
      return !row.image || holds(*row.box, image_of(row));
    });
  }

  [[nodiscard]] static bool is_far_beyond(const Box& box, const DatasetImage& image) {
    if (image.width == 0 || image.height == 0) return false;
    return box[0] + box[2] > image.width * (1 + kFarBeyond) ||
           box[1] + box[3] > image.height * (1 + kFarBeyond) ||
           box[0] < -kFarBeyond * image.width || box[1] < -kFarBeyond * image.height;
  }

  template <typename BoxOf>
  void add_box_cause(const char* what, bool has_evidence, const BoxOf& box_of) {
    causes_.push_back({what, read_as(box_of), has_evidence});
  }

  void list_box_causes() {
    const bool shares = all_boxes([](const Box& box, const DatasetImage& image) {
      return are_shares(box) && image.width >= kLeastSide && image.height >= kLeastSide;
    });
    const bool corners =
        all_boxes([](const Box& box, const DatasetImage&) { return are_corners(box); });
    const auto in_pixels = [this](const PredictionRow& row) -> Box {
      const DatasetImage& image = image_of(row);
      const Box& b = *row.box;
      return {b[0] * image.width, b[1] * image.height, b[2] * image.width, b[3] * image.height};
    };
    if (shares) {
      shares_ = true;
      add_box_cause("its boxes are shares of the image (0 to 1)", true, in_pixels);
      add_box_cause("its boxes are corners (x1, y1, x2, y2) in shares of the image", true,
                    [in_pixels](const PredictionRow& row) { return from_corners(in_pixels(row)); });
      add_box_cause("its boxes are centre and size in shares of the image, as YOLO has them", true,
                    [in_pixels](const PredictionRow& row) { return from_centre(in_pixels(row)); });
      add_box_cause("its boxes are y1, x1, y2, x2 in shares of the image, as TensorFlow has them",
                    true, [this](const PredictionRow& row) {
                      const DatasetImage& image = image_of(row);
                      const Box b = from_corners(swap_axes(*row.box));
                      return Box{b[0] * image.width, b[1] * image.height, b[2] * image.width,
                                 b[3] * image.height};
                    });
      return;
    }
    const bool beyond = !all_boxes(
        [](const Box& box, const DatasetImage& image) { return !is_far_beyond(box, image); });
    const bool fit_as_corners = corners && all_boxes([](const Box& box, const DatasetImage& image) {
                                  return !is_far_beyond(from_corners(box), image);
                                });
    if (corners) {
      add_box_cause("its boxes look like corners (x1, y1, x2, y2)", beyond && fit_as_corners,
                    [](const PredictionRow& row) { return from_corners(*row.box); });
      add_box_cause("its boxes look like y1, x1, y2, x2", beyond,
                    [](const PredictionRow& row) { return from_corners(swap_axes(*row.box)); });
    }
    add_box_cause("its boxes look like centre and size", false,
                  [](const PredictionRow& row) { return from_centre(*row.box); });
    for (const double side : {224, 256, 300, 320, 384, 416, 448, 512, 608, 640, 800, 1024}) {
      causes_.push_back(
          {fmt::format("its boxes look like pixels of the network's {0}x{0} input", side),
           read_as([this, side](const PredictionRow& row) -> Box {
             const DatasetImage& image = image_of(row);
             const Box& b = *row.box;
             return {b[0] * image.width / side, b[1] * image.height / side,
                     b[2] * image.width / side, b[3] * image.height / side};
           }),
           false});
    }
  }

  /// Ids that are off by one, or places in the list of the data set's tags.
  void list_id_causes() {
    const bool unknown_tag = std::ranges::any_of(
        rows_, [](const PredictionRow& row) { return row.image && row.tag < 0; });
    for (const int move : {1, -1}) {
      add_tag_cause(move == 1
                        ? "its categories look counted from 0 where the data set counts from 1"
                        : "its categories look one higher than the data set's",
                    unknown_tag, [this, move](std::int64_t id) -> std::optional<int> {
                      const auto found = tags_.find(std::to_string(id + move));
                      if (found == tags_.end()) return std::nullopt;
                      return found->second;
                    });
    }
    for (const int base : {0, 1}) {
      add_tag_cause(base == 0
                        ? "its categories look like places in the data set's list, counted from 0"
                        : "its categories look like places in the data set's list, counted from 1",
                    unknown_tag, [this, base](std::int64_t id) -> std::optional<int> {
                      const std::int64_t place = id - base;
                      if (place < 0 || place >= static_cast<std::int64_t>(dataset_.tags.size())) {
                        return std::nullopt;
                      }
                      return static_cast<int>(place);
                    });
    }
    const bool unknown_image =
        std::ranges::any_of(rows_, [](const PredictionRow& row) { return !row.image; });
    for (const int move : {1, -1}) {
      causes_.push_back({move == 1 ? "its image ids look one lower than the data set's"
                                   : "its image ids look one higher than the data set's",
                         [this, move](const PredictionRow& row) -> std::optional<ReadRow> {
                           const auto id = number_of(row.image_id);
                           if (!id || row.tag < 0) return std::nullopt;
                           const auto found = images_.find(std::to_string(*id + move));
                           if (found == images_.end()) return std::nullopt;
                           return ReadRow{found->second, row.tag, *row.box};
                         },
                         unknown_image});
    }
  }

  template <typename TagOf>
  void add_tag_cause(const char* what, bool unknown_tag, const TagOf& tag_of) {
    Cause cause;
    cause.what = what;
    cause.read = [tag_of](const PredictionRow& row) -> std::optional<ReadRow> {
      const auto id = number_of(row.category_id);
      const auto tag = id ? tag_of(*id) : std::nullopt;
      if (!row.image || !tag) return std::nullopt;
      return ReadRow{*row.image, *tag, *row.box};
    };
    // It must explain every row, those that have no tag as written.
    if (unknown_tag) {
      cause.has_evidence = std::ranges::all_of(rows_, [&](const PredictionRow& row) {
        return !row.image || cause.read(row).has_value();
      });
    }
    causes_.push_back(std::move(cause));
  }

  Result<void> name_cause(std::vector<std::string>& doubts) {
    constexpr std::size_t kEnough = 5;  // true boxes, which chance does not find
    // A cause must find twice as many true boxes, so that none is looked for where most are found.
    if (2 * found_ > first_truths_.back()) return {};
    const Cause* best = nullptr;
    std::size_t best_found = 0;
    for (const Cause& cause : causes_) {
      const std::size_t found = count_found(cause.read);
      // Of equals the first, which is the plainer one.
      if (best != nullptr && found <= best_found) continue;
      best = &cause;
      best_found = found;
    }
    if (best == nullptr) return {};
    const bool explains = best_found > found_ && (best->has_evidence || best_found >= kEnough);
    if (shares_ && found_ == 0) return fail_for(*best, best_found);
    if (!explains || best_found < 2 * found_) return {};
    // As corners some boxes fit by chance, so a few finds do not speak for the file as it is.
    if (found_ == 0 || (best->has_evidence && best_found >= 3 * found_)) {
      return fail_for(*best, best_found);
    }
    ++doubts_of_cause_;
    doubts.push_back(describe(*best, best_found));
    return {};
  }

  [[nodiscard]] std::string describe(const Cause& cause, std::size_t found) const {
    std::size_t truths = 0;
    for (const DatasetImage& image : dataset_.images) truths += image.truths.size();
    return fmt::format(
        "{}: read so, its rows find {} of {} true boxes, as written {} (COCO results "
        "have the data set's ids and x, y, width, height in pixels)",
        cause.what, found, truths, found_);
  }

  [[nodiscard]] tl::unexpected<Error> fail_for(const Cause& cause, std::size_t found) const {
    return fail(ErrorKind::Malformed, "{}", describe(cause, found));
  }

  void add_score_doubts(std::vector<std::string>& doubts) const {
    constexpr std::size_t kFew = 10;  // rows, which any threshold might leave
    constexpr double kCut = 0.05;     // ten times what AP looks at
    if (rows_.empty()) return;
    const auto [least, most] = std::ranges::minmax(rows_, {}, &PredictionRow::score);
    if (most.score > 1.0) {
      doubts.push_back(
          fmt::format("its scores reach {:g}, expected 0 to 1 (percent, or before the "
                      "sigmoid?): thresholds mean something else here",
                      most.score));
    } else if (rows_.front().box && rows_.size() >= kFew && least.score > kCut) {
      doubts.push_back(
          fmt::format("its weakest score is {:.3g}: it looks cut there, and AP counts "
                      "detections from 0.005 on, so it comes out lower than the model's",
                      least.score));
    }
  }

  /// What no reading explains: other images, or a model that finds nothing.
  Result<void> add_overlap_doubts(std::vector<std::string>& doubts) const {
    constexpr double kTouch = 0.1;
    constexpr double kSure = 0.5;  // a score
    std::size_t looked_at = 0;     // boxes in images with true ones
    std::size_t touching = 0;
    std::size_t sure = 0;
    std::size_t right = 0;
    std::size_t beyond = 0;
    for (const PredictionRow& row : rows_) {
      if (!row.image) continue;
      const DatasetImage& image = image_of(row);
      if (is_far_beyond(*row.box, image)) ++beyond;
      if (image.truths.empty()) continue;
      ++looked_at;
      const Box& b = *row.box;
      const Detection box{row.tag, row.score, b[0], b[1], b[2], b[3]};
      double best = 0.0;
      for (const TruthBox& truth : image.truths) best = std::max(best, box_overlap(box, truth));
      if (best >= kTouch) ++touching;
      if (row.score < kSure) continue;
      ++sure;
      if (best >= kMatch) ++right;
    }
    if (looked_at >= kManyBoxes && touching == 0) {
      return fail(ErrorKind::Malformed,
                  "none of its {} boxes overlaps a true box, of whatever tag: predictions of other "
                  "images, or of another order of them?",
                  looked_at);
    }
    if (sure >= kManyBoxes && right * 10 < sure) {
      doubts.push_back(
          fmt::format("only {} of its {} boxes with a score from 0.5 on overlap a true box "
                      "by half: are they predictions of these images?",
                      right, sure));
    } else if (beyond * 5 > rows_.size() && rows_.size() >= kManyBoxes) {
      doubts.push_back(
          fmt::format("{} of its {} boxes reach far beyond their image: predictions of "
                      "other images, or of another size of them?",
                      beyond, rows_.size()));
    }
    return {};
  }

  std::span<const PredictionRow> rows_;
  const Dataset& dataset_;
  std::vector<std::size_t> first_truths_ = {0};  ///< of each image, among those of all
  std::unordered_map<std::string, std::size_t> images_ = {};
  std::unordered_map<std::string, int> tags_ = {};
  std::vector<Cause> causes_ = {};
  std::size_t found_ = 0;  ///< true boxes, by the rows as written
  std::size_t doubts_of_cause_ = 0;
  bool shares_ = false;
};

}  // namespace

Result<std::vector<std::string>> judge_rows(std::span<const PredictionRow> rows,
                                            const Dataset& dataset) {
  return Judge(rows, dataset).judge();
}

}  // namespace visionpress
