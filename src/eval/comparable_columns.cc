#include "eval/comparable_columns.h"

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "eval/agreement.h"
#include "eval/image_frame.h"

namespace visionpress {
namespace {

/// The limit of the service and of `serve`: they do not return weaker boxes.
constexpr float kServiceLeast = 0.01F;
constexpr float kApProbability = 0.005F;  // of detections that AP uses, if networks are run

/// Whether a source cuts its boxes: no box passes its frame, and some end exactly at it, where a
/// network's own boxes end only by chance.
bool end_at_frame(const Dataset& dataset, const std::vector<Detections>& detections) {
  constexpr double kRounding = 1e-3;  // pixels: of shares that a service has sent as decimals
  bool touches = false;
  for (std::size_t i = 0; i < detections.size(); ++i) {
    const DatasetImage& image = dataset.images[i];
    if (image.width == 0 || image.height == 0) continue;
    for (const Detection& d : detections[i]) {
      for (const double beyond :
           {-d.x, -d.y, d.x + d.width - image.width, d.y + d.height - image.height}) {
        if (beyond > kRounding) return false;
        touches = touches || beyond >= -kRounding;
      }
    }
  }
  return touches;
}

double find_weakest(const std::vector<Detections>& detections) {
  double weakest = 1.0;
  for (const Detections& of_image : detections) {
    for (const Detection& d : of_image) weakest = std::min(weakest, d.score);
  }
  return weakest;
}

}  // namespace

float least_probability(const EvaluateOptions& options) {
  return std::min(least_saved(options), kAgreementLeast);
}

float least_saved(const EvaluateOptions& options) {
  return std::min(options.ap_probability.value_or(kApProbability), options.probability);
}

std::optional<float> choose_ap_limit(const EvaluateOptions& options, ImageNeed need) {
  if (need == ImageNeed::Optional && !options.ap_probability) return std::nullopt;
  return options.ap_probability.value_or(kApProbability);
}

Result<Column> read_column(const std::string& file, const Dataset& dataset, PredictionSource source,
                           Diagnostics& diagnostics) {
  Column column;
  VP_ASSIGN_OR_RETURN(column.predictions, load_predictions(file, dataset, diagnostics, source));
  const bool has_boxes = column.predictions.task == Task::Detection;
  if (has_boxes != dataset.has_boxes && dataset.is_unlabelled) {
    return fail(ErrorKind::Usage, "its predictions {}, and the first file {}",
                has_boxes ? "are boxes" : "have no \"bbox\"",
                has_boxes ? "names classes" : "finds boxes");
  }
  if (has_boxes != dataset.has_boxes) {
    return fail(ErrorKind::Usage, "its predictions {}, and the data set is {}",
                has_boxes ? "are boxes" : "have no \"bbox\"",
                has_boxes ? "a folder for each tag" : "one of boxes");
  }
  std::error_code ignored;
  column.score.file = file;
  column.score.bytes = std::filesystem::file_size(file, ignored);
  column.score.format = "predictions";
  column.ends_at_frame = end_at_frame(dataset, column.predictions.detections);
  return column;
}

void drop_weak(float least, Predictions& predictions) {
  for (Detections& of_image : predictions.detections) {
    std::erase_if(of_image, [least](const Detection& d) { return !(d.score > least); });
  }
}

Result<void> check_same_task(const std::string& first_name, const Column& first,
                             const std::string& name, const Column& column) {
  if (column.predictions.task == first.predictions.task) return {};
  return fail(ErrorKind::Usage,
              "{} and {} do different things: one finds boxes, the other names classes", first_name,
              name);
}

const Column* find_clipping(const std::vector<Column>& columns) {
  const auto found = std::ranges::find_if(columns, &Column::ends_at_frame);
  return found == columns.end() || columns.size() < 2 ? nullptr : &*found;
}

ComparableColumns make_comparable(std::vector<Column> columns, const Dataset& dataset,
                                  const EvaluateOptions& options, ImageNeed need) {
  std::optional<float> ap_limit = choose_ap_limit(options, need);
  const Column* clipping = find_clipping(columns);
  if (clipping != nullptr && !options.ap_probability &&
      find_weakest(clipping->predictions.detections) > kServiceLeast) {
    ap_limit = kServiceLeast;
  }
  const bool clips = options.clip_boxes || clipping != nullptr;
  for (Column& column : columns) {
    std::vector<Detections>& detections = column.predictions.detections;
    if (!clips || column.predictions.task != Task::Detection || column.ends_at_frame) continue;
    for (std::size_t i = 0; i < detections.size(); ++i) {
      cut_to_frame(dataset.images[i], detections[i]);
    }
  }
  return {std::move(columns), ap_limit};
}

}  // namespace visionpress
