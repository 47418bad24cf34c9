#include "visionpress/experiment.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>
#include <utility>

#include "api/evaluation.h"
#include "api/experiment_store.h"
#include "api/open_input.h"
#include "base/ascii.h"
#include "base/error.h"
#include "base/parallel.h"
#include "codecs/family.h"
#include "eval/package_hint.h"
#include "formats/format_table.h"
#include "package/sha1.h"
#include "press/estimate.h"
#include "visionpress/report.h"
#include "visionpress/version.h"

namespace visionpress {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

/// The facts of one export that its columns depend on.
struct Export {
  std::string path = {};
  std::string family = {};  ///< of its columns' titles
  std::string sha1 = {};    ///< of the model
  std::string kind = {};    ///< of the package; preprocessing follows from it
  std::vector<std::string> labels = {};
  PackageHint hint = {};
  std::string extension = {};             ///< of its compressed copies
  std::vector<std::string> schemes = {};  ///< that would change a weight
};

/// A column before it is made.
struct Planned {
  ExperimentColumn column = {};
  std::string name = {};           ///< of its files
  const Export* source = nullptr;  ///< null: the online column
  std::size_t exported = 0;  ///< the column of the file it was made from; its own index: of none
};

/// Whether a service repeats its answers for an image, apart from the noise of its arithmetic.
bool is_same_answer(const Predictions& before, const Predictions& now) {
  constexpr double kNoise = 0.002;  // of a probability
  const auto is_near = [](double a, double b) { return std::abs(a - b) <= kNoise; };
  if (before.task != now.task) return false;
  if (before.task == Task::Classification) {
    return !before.classes.empty() && !now.classes.empty() &&
           before.classes.front().predicted == now.classes.front().predicted &&
           is_near(before.classes.front().score, now.classes.front().score);
  }
  if (before.detections.empty() || now.detections.empty()) return false;
  return std::ranges::equal(before.detections.front(), now.detections.front(),
                            [&](const Detection& a, const Detection& b) {
                              return a.tag == b.tag && is_near(a.score, b.score);
                            });
}

/// "Core ML fp16" -> "core-ml-fp16"
std::string name_file(const std::string& title) {
  std::string name;
  for (const char c : title) {
    const bool plain = is_ascii_alnum(c) || c == '.' || c == '_';
    if (plain) name += ascii_lower(c);
    if (!plain && !name.empty() && name.back() != '-') name += '-';
  }
  while (name.ends_with('-')) name.pop_back();
  return name;
}

/// The formats' names, for a message.
std::string list_words() {
  std::string text;
  for (const ModelFormat& format : all_formats())
    text += fmt::format("{}{}", text.empty() ? "" : ", ", format.word);
  return text;
}

Result<void> check_schemes(const std::vector<std::string>& schemes) {
  for (const std::string& scheme : schemes) {
    const std::size_t colon = scheme.find(':');
    const bool has_format = colon != std::string::npos;
    VP_RETURN_IF_ERROR(choose_form(has_format ? scheme.substr(colon + 1) : scheme));
    const std::string_view format = std::string_view(scheme).substr(0, has_format ? colon : 0);
    if (!has_format ||
        std::ranges::find(all_formats(), format, &ModelFormat::word) != all_formats().end())
      continue;
    return fail(ErrorKind::Usage, "no format \"{}\" in \"{}\"; one of {}", format, scheme,
                list_words());
  }
  return {};
}

Result<void> check(const ExperimentOptions& options) {
  if (options.exports.empty()) return fail(ErrorKind::Usage, "no export to look at");
  if (options.evaluate.data.empty()) return fail(ErrorKind::Usage, "no data set to evaluate on");
  if (options.results.empty()) return fail(ErrorKind::Usage, "no folder for the results");
  if (options.online && !options.online_predictions.empty()) {
    return fail(ErrorKind::Usage,
                "the online column is asked of a service and read from {}: one of them",
                options.online_predictions);
  }
  if (options.evaluate.crops || options.evaluate.max_drop ||
      !options.evaluate.save_predictions.empty()) {
    return fail(ErrorKind::Usage,
                "an experiment scores whole images, has no baseline to fall short of, and keeps "
                "every column's predictions: crops, max_drop and save_predictions are evaluate's");
  }
  VP_RETURN_IF_ERROR(check_numbers(options.evaluate));
  return check_schemes(options.schemes);
}

bool is_wanted(const ExperimentOptions& options, Format format, std::string_view scheme) {
  if (options.schemes.empty()) return true;
  return std::ranges::any_of(options.schemes, [&](const std::string& wanted) {
    return wanted == scheme || wanted == fmt::format("{}:{}", format_row(format).word, scheme);
  });
}

Json numbers_json(const std::vector<float>& values) { return Json(values); }

/// Everything that decides what a model answers, apart from the model and the images.
Json run_json(const EvaluateOptions& options) {
  const PreprocessOptions& how = options.preprocess;
  const auto choice = [](const auto& value) {
    return value ? Json(static_cast<int>(*value)) : Json(nullptr);
  };
  Json json = {{"arithmetic", static_cast<int>(options.arithmetic)},
               {"rule", choice(how.rule)},
               {"filter", choice(how.filter)},
               {"color", choice(how.color)},
               {"mean", numbers_json(how.mean)},
               {"std", numbers_json(how.std)},
               {"input_size", how.input_size ? Json(*how.input_size) : Json(nullptr)},
               {"least_probability", least_probability(options)},
               {"nms_iou", options.nms_iou},
               {"max_detections", options.max_detections}};
  // Without settings the key is the same as before settings existed, so old columns are kept.
  for (const auto& [name, value] : how.settings) json["settings"].push_back({name, value});
  return json;
}

class Experiment {
 public:
  Experiment(const ExperimentOptions& options, const Progress& progress)
      : options_(options), progress_(progress), evaluation_(options.evaluate, progress) {}

  [[nodiscard]] Result<ExperimentResult> run() {
    // Opens every export first, so that a bad one is reported before the good ones have run.
    for (const std::string& path : options_.exports) VP_RETURN_IF_ERROR(add_export(path));
    warn_of_formats();
    name_families();
    VP_RETURN_IF_ERROR(evaluation_.load_data(ImageNeed::Required));
    // Reused columns decode no image, so the images to leave out are found before any column.
    if (options_.evaluate.skip_bad) VP_RETURN_IF_ERROR(evaluation_.leave_out_undecodable());
    VP_ASSIGN_OR_RETURN(store_, ExperimentStore::open(options_.results));
    VP_RETURN_IF_ERROR(describe_data());
    plan();
    std::vector<Column> columns;
    for (Planned& planned : planned_) {
      VP_ASSIGN_OR_RETURN(Column column, make_column(planned));
      if (!columns.empty() && column.predictions.task != columns.front().predictions.task) {
        return fail(ErrorKind::Usage,
                    "{} and {} do different things: one finds boxes, the other names classes",
                    planned_.front().column.source, planned.column.source);
      }
      columns.push_back(std::move(column));
    }
    return collect(columns);
  }

 private:
  [[nodiscard]] Result<void> add_export(const std::string& path) {
    VP_ASSIGN_OR_RETURN(const OpenedModel model, evaluation_.open(path));
    const Graph& graph = model.graph();
    Export found;
    found.path = path;
    found.family = name_of(graph.format);
    found.extension = fs::path(path).extension();
    VP_ASSIGN_OR_RETURN(FoundLabels labels, find_labels(model, path, options_.evaluate.labels));
    found.labels = std::move(labels.labels);
    if (model.package) {
      const ExportManifest& manifest = model.package->manifest;
      found.kind = fmt::format("{} {} {} {}", manifest.domain_type, manifest.platform,
                               manifest.exporter_version, manifest.exported_date);
      found.hint = choose_hint(*model.package, graph.input_info.width);
      if (model.files.kind() == FileSet::Kind::Folder) {
        found.extension = fs::path(model.entry).extension();
      }
    }
    if (model.is_folder) {
      VP_ASSIGN_OR_RETURN(found.sha1, hash_path(path));
      warnings_.push_back(path + ": a SavedModel is no one file, so no scheme is tried on it");
    } else {
      found.sha1 = hash_sha1(model.bytes());
      list_schemes(model, found);
    }
    for (const std::string& warning : model.warnings) {
      warnings_.push_back(fmt::format("{}: {}", path, warning));
    }
    exports_.push_back(std::move(found));
    return {};
  }

  /// Lists the requested schemes that would change a weight of the model.
  void list_schemes(const OpenedModel& model, Export& found) {
    PressOptions press;
    press.threads = default_thread_count();
    for (const OfferedForm& offered : all_offered()) {
      press.form = offered.form;
      const std::string name = name_of(offered.form);
      if (!is_wanted(options_, model.graph().format, name)) continue;
      const auto estimate = estimate_form(*model.source, press, model.bytes().size());
      if (estimate && estimate->weights > 0) {
        found.schemes.push_back(name);
      } else {
        warnings_.push_back(
            fmt::format("{}: {} is left out: {}", found.path, name,
                        estimate ? "it would change nothing" : estimate.error().message));
      }
    }
  }

  /// Warns of a scheme for a format that no export has: it gives no column.
  void warn_of_formats() {
    for (const std::string& scheme : options_.schemes) {
      const std::string word = scheme.substr(0, scheme.find(':'));
      const auto names = std::ranges::find(all_formats(), word, &ModelFormat::word);
      if (names == all_formats().end() ||
          std::ranges::find(exports_, names->title, &Export::family) != exports_.end())
        continue;
      warnings_.push_back(fmt::format("{}: no export is a {} file", scheme, names->title));
    }
  }

  /// Distinguishes several exports of a format by their names, and by a number where the names are
  /// equal.
  void name_families() {
    std::vector<std::string> formats;
    for (const Export& found : exports_) formats.push_back(found.family);
    std::set<std::string> seen;
    for (Export& found : exports_) {
      if (std::ranges::count(formats, found.family) > 1) {
        const fs::path path(found.path);
        const fs::path named = path.has_filename() ? path : path.parent_path();
        found.family += fmt::format(" ({})", named.filename().string());
      }
      const std::string family = found.family;
      for (int i = 2; !seen.insert(name_file(found.family)).second; ++i) {
        found.family = fmt::format("{} {}", family, i);
      }
    }
  }

  [[nodiscard]] Result<void> describe_data() {
    std::string images;
    for (const DatasetImage& image : evaluation_.dataset().images) {
      std::error_code ignored;
      images += fmt::format("{} {} {}\n", image.file_name, fs::file_size(image.path, ignored),
                            fs::last_write_time(image.path, ignored).time_since_epoch().count());
    }
    std::error_code ignored;
    std::string annotations;
    if (!fs::is_directory(options_.evaluate.data, ignored)) {
      VP_ASSIGN_OR_RETURN(annotations, hash_path(options_.evaluate.data));
    }
    data_ = {{"annotations_sha1", annotations},
             {"images_sha1", hash_sha1(std::as_bytes(std::span(images)))},
             {"images", evaluation_.dataset().images.size()}};
    return {};
  }

  void plan() {
    if (options_.online || !options_.online_predictions.empty()) {
      ExperimentColumn online;
      online.title = "Online";
      online.family = "Online";
      online.source =
          options_.online ? options_.online->access.endpoint : options_.online_predictions;
      planned_.push_back({online, name_file(online.title), nullptr, planned_.size()});
    }
    for (const Export& found : exports_) {
      ExperimentColumn original;
      original.title = found.family;
      original.family = found.family;
      original.source = found.path;
      const std::size_t exported = planned_.size();
      planned_.push_back({original, name_file(original.title), &found, exported});
      for (const std::string& scheme : found.schemes) {
        ExperimentColumn column = original;
        column.title += " " + scheme;
        column.scheme = scheme;
        const std::string name = name_file(column.title);
        column.source = store_.model_path(name + found.extension);
        planned_.push_back(
            {.column = column, .name = name, .source = &found, .exported = exported});
      }
    }
    for (Planned& planned : planned_) {
      planned.column.predictions = store_.predictions_path(planned.name);
    }
  }

  [[nodiscard]] Result<Json> make_key(const Planned& planned) const {
    Json key = {{"visionpress", version()}, {"data", data_}};
    if (planned.source != nullptr) {
      key["model_sha1"] = planned.source->sha1;
      key["package"] = planned.source->kind;
      key["labels"] = planned.source->labels;
      key["scheme"] = planned.column.scheme;
      key["run"] = run_json(options_.evaluate);
    } else if (options_.online) {
      key["endpoint"] = options_.online->access.endpoint;
      key["project"] = options_.online->project;
      key["published_name"] = options_.online->published_name;
      key["iteration"] = options_.online->iteration;
    } else {
      VP_ASSIGN_OR_RETURN(key["predictions_sha1"], hash_path(options_.online_predictions));
    }
    return key;
  }

  [[nodiscard]] Result<Column> make_column(Planned& planned) {
    VP_ASSIGN_OR_RETURN(const Json key, make_key(planned));
    const std::string made = planned.column.scheme.empty() ? "" : planned.column.source;
    VP_ASSIGN_OR_RETURN(std::optional<Column> kept,
                        store_.load(planned.name, key, made, evaluation_));
    if (kept && planned.source == nullptr && options_.online) {
      VP_RETURN_IF_ERROR(ask_again(planned, kept));
    }
    if (kept) {
      planned.column.was_kept = true;
      return with_source(planned, std::move(*kept));
    }
    auto column = planned.source != nullptr ? run_export(planned) : ask_online(planned);
    if (!column) return in_file(column.error(), planned.column.source);
    VP_ASSIGN_OR_RETURN(ComparableColumns alone, evaluation_.make_comparable({*column}));
    const std::vector<Column> scored = evaluation_.score(std::move(alone), Metric::Standard).take();
    VP_RETURN_IF_ERROR(
        store_.save(planned.name, key, made, *column, scored.front().score, evaluation_.dataset()));
    return with_source(planned, std::move(*column));
  }

  /// The service always cuts its boxes at the frame, even if its answers do not show it; an export
  /// never does.
  [[nodiscard]] Column with_source(const Planned& planned, Column column) const {
    if (planned.source != nullptr) column.ends_at_frame = false;
    if (planned.source == nullptr && options_.online) column.ends_at_frame = true;
    return column;
  }

  [[nodiscard]] Result<Column> run_export(const Planned& planned) {
    if (!planned.column.scheme.empty()) {
      VP_RETURN_IF_ERROR(compress({.input = planned.source->path,
                                   .output = planned.column.source,
                                   .scheme = planned.column.scheme,
                                   .overwrite = true,
                                   .threads = options_.evaluate.threads}));
    }
    evaluation_.adopt(planned.source->labels, planned.source->hint, "");
    VP_ASSIGN_OR_RETURN(OpenedModel model, evaluation_.open(planned.column.source));
    return evaluation_.run_model(std::move(model));
  }

  /// The names of the first `count` images (0: all) if bad ones are left out; else none.
  [[nodiscard]] std::vector<std::string> list_decodable(std::size_t count) const {
    std::vector<std::string> names;
    if (!options_.evaluate.skip_bad) return names;
    for (const DatasetImage& image : evaluation_.dataset().images) {
      if (count != 0 && names.size() >= count) break;
      names.push_back(image.file_name);
    }
    return names;
  }

  /// Sends the first `max_images` images of the data set (0: all) to the service and saves its
  /// answers.
  [[nodiscard]] Result<PredictResult> ask_service(const CloudAccess& access, std::size_t max_images,
                                                  const std::string& predictions) const {
    const bool folder = evaluation_.dataset().kind == DatasetKind::Folder;
    const std::vector<std::string> only = list_decodable(max_images);
    // Images that were left out count towards the data set's limit, so pass that limit.
    if (!only.empty()) max_images = options_.evaluate.max_images;
    return cloud_predict(access, {},
                         {.project = options_.online->project,
                          .published_name = options_.online->published_name,
                          .iteration = options_.online->iteration,
                          .task = folder ? Task::Classification : Task::Detection,
                          .data = options_.evaluate.data,
                          .images = options_.evaluate.images,
                          .max_images = max_images,
                          .skip_missing = options_.evaluate.skip_missing,
                          .only = only,
                          .save_predictions = predictions,
                          .overwrite = true},
                         progress_);
  }

  /// Another model may have been published under the same name since, so one image is sent again.
  /// Empties `kept` if the answer differs.
  [[nodiscard]] Result<void> ask_again(const Planned& planned, std::optional<Column>& kept) {
    const std::string file = store_.predictions_path(planned.name + "-again");
    CloudAccess access = options_.online->access;
    access.retries = std::min(access.retries, 1);
    const auto answers = ask_service(access, 1, file);
    if (!answers) {
      warnings_.push_back(fmt::format("{}: kept as it was answered before: {}",
                                      planned.column.source, answers.error().message));
      return {};
    }
    const auto now = evaluation_.read_predictions(file, PredictionSource::Ours);
    std::error_code ignored;
    fs::remove(file, ignored);
    if (!now) return tl::unexpected(now.error());
    if (is_same_answer(kept->predictions, now->predictions)) return {};
    warnings_.push_back(fmt::format("{}: it answers otherwise than before, so all is asked again",
                                    planned.column.source));
    kept.reset();
    return {};
  }

  [[nodiscard]] Result<Column> ask_online(const Planned& planned) {
    if (!options_.online) {
      return evaluation_.read_predictions(options_.online_predictions, PredictionSource::Elsewhere);
    }
    VP_ASSIGN_OR_RETURN(const PredictResult answers,
                        ask_service(options_.online->access, options_.evaluate.max_images,
                                    planned.column.predictions));
    for (const std::string& warning : answers.warnings) {
      warnings_.push_back(fmt::format("{}: {}", planned.column.source, warning));
    }
    VP_ASSIGN_OR_RETURN(Column column, evaluation_.read_predictions(planned.column.predictions,
                                                                    PredictionSource::Ours));
    column.score.arithmetic = "the service's";
    column.score.preprocessing = "the service's";
    return column;
  }

  /// The figures of one metric, with titles instead of file names.
  [[nodiscard]] Result<EvaluateResult> score(std::vector<Column> columns, Metric metric) {
    for (std::size_t i = 0; i < columns.size(); ++i) {
      columns[i].score.file = planned_[i].column.title;
    }
    VP_ASSIGN_OR_RETURN(ComparableColumns comparable,
                        evaluation_.make_comparable(std::move(columns)));
    std::vector<std::size_t> exported;
    for (const Planned& planned : planned_) exported.push_back(planned.exported);
    EvaluateResult result =
        evaluation_.compare(evaluation_.score(std::move(comparable), metric), exported);
    result.options.metric = metric;
    return result;
  }

  [[nodiscard]] Result<ExperimentResult> collect(const std::vector<Column>& columns) {
    ExperimentResult result;
    result.results = options_.results;
    VP_ASSIGN_OR_RETURN(result.standard, score(columns, Metric::Standard));
    const Metric asked = options_.evaluate.metric;
    const bool detection = result.standard.task == Task::Detection;
    if (asked != Metric::Standard && detection) {
      VP_ASSIGN_OR_RETURN(result.legacy, score(columns, asked));
    }
    for (const Planned& planned : planned_) result.columns.push_back(planned.column);
    result.warnings = warnings_;
    result.warnings.insert(result.warnings.end(), result.standard.warnings.begin(),
                           result.standard.warnings.end());
    VP_RETURN_IF_ERROR(store_.write("table.txt", format_report(result, ReportForm::Text)));
    VP_RETURN_IF_ERROR(store_.write("table.md", format_report(result, ReportForm::Markdown)));
    VP_RETURN_IF_ERROR(store_.write("table.json", format_report(result, ReportForm::Json)));
    return result;
  }

  const ExperimentOptions& options_;
  const Progress& progress_;
  Evaluation evaluation_;
  ExperimentStore store_ = {};
  std::vector<Export> exports_ = {};
  std::vector<Planned> planned_ = {};
  Json data_ = {};
  std::vector<std::string> warnings_ = {};
};

}  // namespace

Result<ExperimentResult> experiment(const ExperimentOptions& options, const Progress& progress) {
  VP_RETURN_IF_ERROR(check(options));
  return Experiment(options, progress).run();
}

}  // namespace visionpress
