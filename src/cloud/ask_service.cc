#include "cloud/ask_service.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "base/mapped_file.h"
#include "base/output_file.h"
#include "base/sync_file.h"
#include "cloud/custom_vision_projects.h"
#include "cloud/custom_vision_rules.h"
#include "cloud/prediction_journal.h"
#include "eval/image.h"
#include "eval/image_frame.h"
#include "package/sha1.h"

namespace visionpress {
namespace {

void keep_only(const std::vector<std::string>& names, Dataset& dataset) {
  if (names.empty()) return;
  const std::unordered_set<std::string_view> wanted(names.begin(), names.end());
  std::erase_if(dataset.images,
                [&wanted](const DatasetImage& image) { return !wanted.contains(image.file_name); });
}

/// The images of a prediction, from a data set or a list of files, each with its size.
Result<Dataset> gather_images(const std::vector<std::string>& images,
                              const CloudPredictOptions& options, Diagnostics& diagnostics) {
  Dataset dataset;
  if (!options.data.empty()) {
    if (!images.empty()) return fail(ErrorKind::Usage, "images and --data: give one of them");
    VP_ASSIGN_OR_RETURN(dataset,
                        load_dataset({.data = options.data,
                                      .images = options.images,
                                      .min_box = 0.0,
                                      .max_images = options.max_images,
                                      .image_need = options.skip_missing ? ImageNeed::SkipMissing
                                                                         : ImageNeed::Required,
                                      .skip_bad = !options.only.empty()},
                                     diagnostics));
    keep_only(options.only, dataset);
  } else {
    if (images.empty()) return fail(ErrorKind::Usage, "no image to predict");
    if (!options.save_predictions.empty()) {
      return fail(ErrorKind::Usage, "saved predictions name images of a data set; give --data");
    }
    for (const std::string& path : images) {
      DatasetImage image;
      image.file_name = path;
      image.path = path;
      dataset.images.push_back(std::move(image));
    }
  }
  for (DatasetImage& image : dataset.images) {
    VP_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::open(image.path));
    if (file.bytes().size() > kMaxPredictionBytes) {
      return fail_in(image.path, ErrorKind::Unsupported,
                     "{} bytes, and the service takes {} to predict", file.bytes().size(),
                     kMaxPredictionBytes);
    }
    if (image.width > 0 && image.height > 0) continue;
    VP_ASSIGN_OR_RETURN(const ImageSize size, load_image_size(image.path));
    image.width = size.width;
    image.height = size.height;
  }
  return dataset;
}

ImagePrediction list_answers(const DatasetImage& image, std::vector<CloudDetection> answers,
                             float least) {
  std::ranges::stable_sort(answers, std::greater<>(), &CloudDetection::probability);
  ImagePrediction prediction;
  const ImageSize size = upright_size(image);  // the service sees the upright picture
  prediction.file = image.path;
  prediction.width = size.width;
  prediction.height = size.height;
  for (const CloudDetection& seen : answers) {
    if (!(seen.probability > least)) continue;
    prediction.predictions.push_back({seen.tag, seen.probability, seen.left * size.width,
                                      seen.top * size.height, seen.width * size.width,
                                      seen.height * size.height});
  }
  return prediction;
}

Result<Answers> ask_all(CustomVisionClient& client, const std::string& project_id,
                        const std::vector<DatasetImage>& images, const CloudPredictOptions& options,
                        const Progress& progress, PredictionJournal& journal) {
  Answers answers;
  for (const DatasetImage& image : images) {
    if (progress) progress(answers.size(), images.size(), "predict");
    VP_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::open(image.path));
    const std::string content = journal.path().empty() ? "" : hash_sha1(file.bytes());
    if (const auto* known = journal.find(content)) {
      answers.push_back(*known);
      continue;
    }
    auto seen = predict_image(client, project_id, options, image.file_name, file.bytes());
    if (!seen) {
      Error error = std::move(seen).error();
      if (journal.size() > 0) {
        error.message += fmt::format("; {} answers are kept in {}, the same command goes on there",
                                     journal.size(), journal.path());
      } else {
        journal.remove();
      }
      return tl::unexpected<Error>(std::move(error));
    }
    VP_RETURN_IF_ERROR(journal.add(content, *seen));
    answers.push_back(std::move(*seen));
  }
  return answers;
}

Result<void> check(const CloudPredictOptions& options) {
  if (!(options.probability >= 0.0F && options.probability <= 1.0F)) {
    return fail(ErrorKind::InvalidArgument, "probability is {:g}, expected 0 to 1",
                options.probability);
  }
  if (options.project.empty()) return fail(ErrorKind::Usage, "no project: give --project ID");
  if (!options.published_name.empty() && !options.iteration.empty()) {
    return fail(ErrorKind::Usage,
                "a published name (API 3) and an iteration's id (API 2): give one of them");
  }
  if (options.save_predictions.empty()) return {};
  return check_not_read(options.save_predictions, {{options.data}});
}

/// A result that names the service, project and iteration, and holds no answer yet.
PredictResult name_asked(const CloudPredictOptions& options) {
  PredictResult result;
  result.task = options.task == Task::Detection ? "detection" : "classification";
  result.model = fmt::format("{}/{}", options.project,
                             !options.published_name.empty() ? options.published_name
                             : options.iteration.empty()     ? "default iteration"
                                                             : options.iteration);
  result.arithmetic = "Custom Vision";
  result.preprocessing = "Custom Vision's own";
  return result;
}

/// The project id for predictions. An endpoint without keys has no names to look up.
Result<std::string> choose_project(const CloudAccess& access, const std::string& name_or_id,
                                   CustomVisionClient& client) {
  const bool looks_up = !access.keys_optional || !access.training_key.empty();
  if (!looks_up || is_uuid(name_or_id)) return name_or_id;
  VP_ASSIGN_OR_RETURN(const CloudProject project, find_project(client, name_or_id));
  return project.id;
}

void note_known(const PredictionJournal& journal, Diagnostics& diagnostics) {
  if (journal.size() == 0) return;
  diagnostics.warn(fmt::format("{} answers of an earlier call are taken from {}", journal.size(),
                               journal.path()));
}

Result<void> save_answers(const Dataset& dataset, const CloudPredictOptions& options,
                          const Answers& answers, Diagnostics& diagnostics) {
  VP_ASSIGN_OR_RETURN(const Predictions predictions,
                      make_predictions(dataset, options.task, answers, diagnostics));
  VP_RETURN_IF_ERROR(save_predictions(predictions, dataset, options.save_predictions,
                                      options.overwrite ? Overwrite::Allow : Overwrite::Refuse));
  return sync_file(options.save_predictions);
}

/// Checks before the work that the output can be written; nothing where no output is requested.
Result<std::optional<OutputFile>> reserve_output(const CloudPredictOptions& options) {
  if (options.save_predictions.empty()) return std::nullopt;
  VP_ASSIGN_OR_RETURN(OutputFile file,
                      OutputFile::create(options.save_predictions,
                                         options.overwrite ? Overwrite::Allow : Overwrite::Refuse));
  return file;
}

}  // namespace

Result<Predictions> make_predictions(const Dataset& dataset, Task task, const Answers& answers,
                                     Diagnostics& diagnostics) {
  std::vector<std::string> labels;
  std::unordered_map<std::string, std::size_t> index;
  for (const auto& of_image : answers) {
    for (const CloudDetection& seen : of_image) {
      if (index.emplace(seen.tag, labels.size()).second) labels.push_back(seen.tag);
    }
  }
  std::vector<int> tags;
  if (!labels.empty()) {
    VP_ASSIGN_OR_RETURN(tags, map_labels(labels, dataset, diagnostics));
  }
  Predictions predictions;
  predictions.task = task;
  predictions.detections.resize(task == Task::Detection ? answers.size() : 0);
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const DatasetImage& image = dataset.images[i];
    ClassSample best{static_cast<std::uint32_t>(i), image.class_tag, -1, -1.0};
    for (const CloudDetection& seen : answers[i]) {
      const int tag = tags[index[seen.tag]];
      if (task == Task::Classification) {
        if (seen.probability > best.score) {
          best.predicted = tag;
          best.score = seen.probability;
        }
      } else if (tag >= 0) {
        predictions.detections[i].push_back(
            {tag, seen.probability, seen.left, seen.top, seen.width, seen.height});
      }
    }
    if (task == Task::Detection) {
      place_in_frame({}, frame_of(image), predictions.detections[i]);
    } else if (best.score >= 0.0) {
      predictions.classes.push_back(best);
    }
  }
  return predictions;
}

Result<PredictResult> ask_service(const CloudAccess& access, const std::vector<std::string>& images,
                                  const CloudPredictOptions& options, const Progress& progress) {
  VP_RETURN_IF_ERROR(check(options));
  VP_ASSIGN_OR_RETURN(std::optional<OutputFile> reserved, reserve_output(options));
  Diagnostics diagnostics;
  VP_ASSIGN_OR_RETURN(const Dataset dataset, gather_images(images, options, diagnostics));
  VP_ASSIGN_OR_RETURN(CustomVisionClient client, CustomVisionClient::create(access));
  VP_ASSIGN_OR_RETURN(const std::string project, choose_project(access, options.project, client));
  PredictResult result = name_asked(options);
  VP_ASSIGN_OR_RETURN(
      PredictionJournal journal,
      PredictionJournal::open(
          options.save_predictions.empty() ? "" : options.save_predictions + ".partial",
          fmt::format("{} {} {}", access.endpoint, result.task, result.model)));
  note_known(journal, diagnostics);
  VP_ASSIGN_OR_RETURN(const Answers answers,
                      ask_all(client, project, dataset.images, options, progress, journal));
  for (std::size_t i = 0; i < answers.size(); ++i) {
    result.images.push_back(list_answers(dataset.images[i], answers[i], options.probability));
  }
  if (!options.save_predictions.empty()) {
    reserved.reset();
    VP_RETURN_IF_ERROR(save_answers(dataset, options, answers, diagnostics));
    journal.remove();
  }
  result.warnings = diagnostics.warnings();
  return result;
}

}  // namespace visionpress
