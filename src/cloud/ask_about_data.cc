#include "cloud/ask_about_data.h"

#include <algorithm>
#include <vector>

#include "cloud/ask_service.h"

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

Result<PredictResult> ask_about_first(const OnlineService& service, const Dataset& dataset,
                                      const EvaluateOptions& options,
                                      const std::string& predictions, const Progress& progress) {
  OnlineService hasty = service;
  hasty.access.retries = std::min(hasty.access.retries, 1);
  return ask_about_data(hasty, dataset, options, 1, predictions, progress);
}

}  // namespace visionpress
