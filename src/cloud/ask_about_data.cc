#include "cloud/ask_about_data.h"

#include <algorithm>
#include <filesystem>
#include <vector>

#include "base/error.h"
#include "cloud/ask_service.h"
#include "eval/comparable_columns.h"

namespace visionpress {
namespace {

/// The names of the first `count` images (0: all) if bad ones are left out; else none.
std::vector<std::string> list_decodable(const Dataset& dataset, const EvaluateOptions& options,
                                        std::size_t count) {
  std::vector<std::string> names;
  if (!options.skip_bad) return names;
  for (const DatasetImage& image : dataset.images) {
    if (count != 0 && names.size() >= count) break;
    names.push_back(image.file_name);
  }
  return names;
}

}  // namespace

Result<PredictResult> ask_about_data(const OnlineService& service, const Dataset& dataset,
                                     const EvaluateOptions& options, std::size_t count,
                                     const std::string& predictions, const Progress& progress) {
  const std::vector<std::string> only = list_decodable(dataset, options, count);
  return ask_service(service.access, {},
                     {.project = service.project,
                      .published_name = service.published_name,
                      .iteration = service.iteration,
                      .task = dataset.has_boxes ? Task::Detection : Task::Classification,
                      .data = options.data,
                      .images = options.images,
                      // Images that were left out count towards the data set's limit.
                      .max_images = only.empty() ? count : options.max_images,
                      .skip_missing = options.skip_missing,
                      .only = only,
                      .save_predictions = predictions,
                      .overwrite = true},
                     progress);
}

Result<bool> answers_as_before(const OnlineService& service, const Dataset& dataset,
                               const EvaluateOptions& options, const Predictions& before,
                               const std::string& scratch, const Progress& progress) {
  OnlineService hasty = service;
  hasty.access.retries = std::min(hasty.access.retries, 1);
  VP_RETURN_IF_ERROR(ask_about_data(hasty, dataset, options, 1, scratch, progress));
  Diagnostics known;  // the same warnings as for all answers
  auto now = load_predictions(scratch, dataset, known, PredictionSource::Ours);
  std::error_code ignored;
  std::filesystem::remove(scratch, ignored);
  if (!now) return tl::unexpected<Error>(now.error());
  drop_weak(least_probability(options), *now);
  return is_same_answer(before, *now);
}

}  // namespace visionpress
