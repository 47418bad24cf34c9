#include "eval/column_key.h"

#include <filesystem>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "eval/comparable_columns.h"
#include "package/hash_path.h"
#include "package/sha1.h"

namespace visionpress {
namespace {

using Json = nlohmann::ordered_json;

/// The labels as they were read, where they lie in files of their own.
std::string describe_labels(const Dataset& dataset) {
  std::string text;
  for (const std::string& tag : dataset.tags) text += tag + "\n";
  for (const DatasetImage& image : dataset.images) {
    text += image.file_name + "\n";
    for (const TruthBox& box : image.truths) {
      text += fmt::format("{} {} {} {} {}\n", box.tag, box.x, box.y, box.width, box.height);
    }
  }
  return text;
}

}  // namespace

Result<Json> describe_data(const Dataset& dataset, const std::string& data) {
  namespace fs = std::filesystem;
  std::string images;
  std::error_code ignored;
  for (const DatasetImage& image : dataset.images) {
    images += fmt::format("{} {} {}\n", image.file_name, fs::file_size(image.path, ignored),
                          fs::last_write_time(image.path, ignored).time_since_epoch().count());
  }
  std::string annotations;
  if (!fs::is_directory(data, ignored)) {
    VP_ASSIGN_OR_RETURN(annotations, hash_path(data));
  }
  Json json = {{"annotations_sha1", annotations},
               {"images_sha1", hash_sha1(std::as_bytes(std::span(images)))},
               {"images", dataset.images.size()}};
  if (dataset.has_label_files) {
    const std::string labels = describe_labels(dataset);
    json["labels_sha1"] = hash_sha1(std::as_bytes(std::span(labels)));
  }
  return json;
}

Json describe_run(const EvaluateOptions& options) {
  const PreprocessOptions& how = options.preprocess;
  const auto choice = [](const auto& value) {
    return value ? Json(static_cast<int>(*value)) : Json(nullptr);
  };
  Json json = {{"arithmetic", static_cast<int>(options.arithmetic)},
               {"rule", choice(how.rule)},
               {"filter", choice(how.filter)},
               {"color", choice(how.color)},
               {"mean", Json(how.mean)},
               {"std", Json(how.std)},
               {"input_size", how.input_size ? Json(*how.input_size) : Json(nullptr)},
               {"least_probability", least_probability(options)},
               {"nms_iou", options.nms_iou},
               {"max_detections", options.max_detections}};
  // Without settings the key is the same as before settings existed, so old columns are kept.
  for (const auto& [name, value] : how.settings) json["settings"].push_back({name, value});
  if (options.fast_decode) json["fast_decode"] = true;
  return json;
}

Result<Json> make_column_key(const PlannedColumn& planned, const ExperimentOptions& options,
                             const std::string& program, const Json& data) {
  Json key = {{"visionpress", program}, {"data", data}};
  if (planned.source != nullptr) {
    key["model_sha1"] = planned.source->sha1;
    key["package"] = planned.source->kind;
    key["labels"] = planned.source->labels;
    key["scheme"] = planned.column.scheme;
    key["run"] = describe_run(options.evaluate);
  } else if (options.online) {
    key["endpoint"] = options.online->access.endpoint;
    key["project"] = options.online->project;
    key["published_name"] = options.online->published_name;
    key["iteration"] = options.online->iteration;
  } else {
    VP_ASSIGN_OR_RETURN(key["predictions_sha1"], hash_path(options.online_predictions));
  }
  return key;
}

}  // namespace visionpress
