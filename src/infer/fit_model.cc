#include "infer/fit_model.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/mapped_file.h"
#include "base/parallel.h"
#include "eval/column_key.h"
#include "formats/format_table.h"
#include "infer/calibrate_model.h"
#include "infer/describe_export.h"
#include "infer/evaluation.h"
#include "infer/fit_choices.h"
#include "infer/fit_images.h"
#include "infer/fit_search.h"
#include "infer/fit_store.h"
#include "infer/measure_model.h"
#include "infer/open_input.h"
#include "infer/output_change.h"
#include "infer/output_path.h"
#include "package/download_size.h"
#include "package/hash_path.h"
#include "press/choose_forms.h"
#include "press/press_file.h"

namespace visionpress {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

class Fitter {
 public:
  Fitter(const FitOptions& options, const Progress& progress)
      : options_(options), progress_(progress), evaluate_(options.evaluate) {
    press_.form = *parse_form("linear-8");
    press_.keep = options.keep;
    press_.keep_sensitive = false;
    press_.count_download = true;
    press_.threads = options.threads > 0 ? options.threads : default_thread_count();
    if (options.integer_storage == IntegerStorage::WeightOnly)
      press_.rewrite.integer_form = IntegerForm::WeightOnly;
    press_.rewrite.packs_codes = options.code_storage == CodeStorage::Packed;
    evaluate_.threads = options.threads;
  }

  Result<FitResult> run(const std::string& program) {
    VP_RETURN_IF_ERROR(open());
    VP_RETURN_IF_ERROR(load_images());
    VP_RETURN_IF_ERROR(run_original());  // before the long work: it shows whether it fits the data
    VP_RETURN_IF_ERROR(choose_forms());
    VP_RETURN_IF_ERROR(read_given_sensitivity());
    VP_RETURN_IF_ERROR(open_store(program));
    VP_RETURN_IF_ERROR(measure_weights_once());
    auto choices = FitChoices::create(source(), press_, sensitivity_);
    if (!choices) return in_file(choices.error(), options_.input);
    choices_.emplace(std::move(*choices));
    VP_RETURN_IF_ERROR(run_search());
    VP_RETURN_IF_ERROR(finish());
    return std::move(result_);
  }

 private:
  [[nodiscard]] const SourceModel& source() const { return *runner_->model.source; }
  [[nodiscard]] const Graph& graph() const { return runner_->model.graph(); }

  Result<void> open() {
    VP_ASSIGN_OR_RETURN(OpenedModel opened,
                        open_input(options_.input, read_options(evaluate_.preprocess)));
    VP_ASSIGN_OR_RETURN(output_,
                        choose_pressed_path(opened, options_.input, options_.output, "fit"));
    VP_RETURN_IF_ERROR(check_replaces_no_part(output_, opened, options_.input));
    VP_RETURN_IF_ERROR(check_pressed_output(opened, output_, overwrite()));
    VP_ASSIGN_OR_RETURN(ModelRunner runner,
                        ModelRunner::create(std::move(opened), {.labels = evaluate_.labels,
                                                                .preprocess = evaluate_.preprocess,
                                                                .threads = press_.threads}));
    runner_.emplace(std::move(runner));
    const Bytes bytes = runner_->model.bytes();
    result_.input = options_.input;
    result_.format = name_of(graph().format);
    result_.limits = options_.limits;
    result_.bytes_before = bytes.size();
    result_.seed = evaluate_.seed;
    result_.warnings = runner_->model.warnings;
    VP_ASSIGN_OR_RETURN(model_sha1_, hash_path(options_.input));
    VP_ASSIGN_OR_RETURN(result_.download_before, count_download_bytes({&bytes, 1}, press_.threads));
    return {};
  }

  Result<void> load_images() {
    evaluation_.emplace(evaluate_, progress_);
    VP_RETURN_IF_ERROR(evaluation_->load_data(ImageNeed::Required));
    const Dataset& dataset = evaluation_->dataset();
    VP_ASSIGN_OR_RETURN(images_, split_images(dataset, options_));
    VP_ASSIGN_OR_RETURN(data_key_, describe_data(dataset, evaluate_.data));
    result_.overlap = images_.overlap;
    result_.overlap_judges = images_.overlap > 0 && options_.allow_overlap;
    if (images_.overlap > 0 && !options_.calibration.images.empty()) {
      result_.warnings.push_back(fmt::format(
          "{} of the {} images are calibration pictures, too, and {}", images_.overlap,
          dataset.images.size(),
          options_.allow_overlap ? "judge all the same (--allow-overlap)" : "do not judge"));
    }
    VP_ASSIGN_OR_RETURN(facts_, describe_export(runner_->model, options_.input, evaluate_.labels));
    evaluation_->adopt(facts_.labels, facts_.hint, "");
    result_.search_images = images_.search.size();
    result_.report_images = images_.report.size();
    evaluation_->keep_only(images_.search);
    CalibrationOptions calibration = options_.calibration;
    calibration.preprocess = evaluate_.preprocess;
    VP_ASSIGN_OR_RETURN(calibration_, load_calibration(*runner_, images_.calibration, calibration,
                                                       press_.threads, result_.warnings));
    result_.calibration_pictures = calibration_.paths.size();
    return {};
  }

  /// The original on the images that choose.
  Result<void> run_original() {
    change_.emplace(evaluation_->dataset().images.size());
    evaluation_->watch(change_->keep());
    VP_ASSIGN_OR_RETURN(original_, run_column(*evaluation_, options_.input));
    VP_ASSIGN_OR_RETURN(const EvaluateResult alone, compare(*evaluation_, {*original_}));
    result_.original = alone.models[0];
    return {};
  }

  Result<void> open_store(const std::string& program) {
    Json key = {{"visionpress", program}, {"data", data_key_}, {"run", describe_run(evaluate_)}};
    key["model_sha1"] = model_sha1_;
    key["calibration"] = calibration_.paths;
    key["views"] = calibration_.inputs.views;
    key["calibration_seed"] = options_.calibration.seed;
    key["seed"] = evaluate_.seed;
    key["bootstrap"] = evaluate_.bootstrap_rounds;
    key["crops"] = evaluate_.crops;
    key["overlap"] = options_.allow_overlap;
    for (const FormWish& wish : forms_) key["forms"].push_back(name_of(wish));
    key["keep"] = options_.keep;
    key["sensitivity"] = options_.sensitivity;
    key["weight_only"] = options_.integer_storage == IntegerStorage::WeightOnly;
    key["packed"] = options_.code_storage == CodeStorage::Packed;
    const std::string folder = options_.work.empty() ? output_ + ".work" : options_.work;
    VP_ASSIGN_OR_RETURN(store_, FitStore::open(folder, key));
    return {};
  }

  Result<void> choose_forms() {
    packs_codes_ = packs_codes(source(), press_);
    std::vector<std::string> names = options_.forms;
    if (names.empty())
      names = counts_download() ? list_download_forms(packs_codes_) : default_sensitivity_forms();
    VP_ASSIGN_OR_RETURN(forms_, choose_sensitivity_forms(names));
    return {};
  }

  /// The weights' names must be the model's.
  Result<void> read_given_sensitivity() {
    if (options_.sensitivity.empty()) return {};
    VP_ASSIGN_OR_RETURN(sensitivity_, read_sensitivity(options_.sensitivity, model_sha1_));
    for (const WeightChange& row : sensitivity_) {
      const bool is_known = std::ranges::any_of(
          graph().weights, [&](const Weight& weight) { return weight.name == row.name; });
      if (is_known) continue;
      return fail_in(options_.sensitivity.front(), ErrorKind::Malformed,
                     "it has a weight \"{}\", which {} has not", row.name, options_.input);
    }
    return {};
  }

  Result<void> measure_weights_once() {
    if (sensitivity_.empty()) sensitivity_ = store_.sensitivity();
    if (sensitivity_.empty()) {
      const auto found = measure_weights(
          source(), calibration_.inputs, press_,
          {.forms = forms_,
           .seed = options_.calibration.seed,
           .progress = [this](std::size_t done, std::size_t total, const std::string& layer) {
             if (progress_) progress_(done, total, "sensitivity: " + layer);
           }});
      if (!found) return in_file(found.error(), options_.input);
      sensitivity_ = describe_weights(graph(), *found);
    }
    return store_.save_sensitivity(sensitivity_);
  }

  /// Bytes of the download count where they are limited, or where the file's own do not change.
  [[nodiscard]] bool counts_download() const {
    return options_.limits.max_download || (!options_.limits.max_size && !packs_codes_);
  }

  Result<void> run_search() {
    std::vector<std::vector<FormChoice>> choices;
    const bool download = counts_download();
    for (const FitItem& item : choices_->items())
      choices.push_back(download ? item.download : item.size);
    const FormFront front(choices);
    FitGoal goal;
    goal.most_bytes = download ? options_.limits.max_download : options_.limits.max_size;
    goal.most_tries = options_.most_candidates;
    VP_ASSIGN_OR_RETURN(goal.fixed_bytes,
                        choices_->count_fixed_bytes(runner_->model.bytes().size()));
    FitSearch search(front, goal);
    while (const auto bytes = search.next()) {
      const auto chosen = front.choose(*bytes);
      if (!chosen) {
        return fail(ErrorKind::Internal, "no forms for {} bytes", *bytes);
      }
      VP_ASSIGN_OR_RETURN(const FitCandidate candidate, try_forms(*chosen));
      result_.candidates.push_back(candidate);
      search.note({.bytes = download ? candidate.download_bytes : candidate.bytes,
                   .is_good = meets_quality(result_.original, candidate.score)});
    }
    return {};
  }

  Result<FitCandidate> try_forms(const std::vector<std::size_t>& chosen) {
    StoredCandidate stored;
    std::map<std::string, std::size_t> counts;
    FitCandidate candidate;
    for (std::size_t i = 0; i < chosen.size(); ++i) {
      const FitItem& item = choices_->items()[i];
      stored.choices.push_back(item.names[chosen[i]]);
      candidate.predicted_change += item.size[chosen[i]].cost;
      counts[stored.choices.back()] += item.weights.size();
    }
    candidate.forms.assign(counts.rbegin(), counts.rend());
    if (const auto known = store_.find(stored.choices)) {
      stored = *known;
    } else {
      VP_RETURN_IF_ERROR(write_candidate(stored));
      VP_ASSIGN_OR_RETURN(stored.measured.score, measure_file(store_.path_of(stored)));
      stored.measured.measured_change = change_->result();
      VP_RETURN_IF_ERROR(store_.save(stored));
    }
    candidate.bytes = stored.measured.bytes;
    candidate.download_bytes = stored.measured.download_bytes;
    candidate.measured_change = stored.measured.measured_change;
    candidate.score = stored.measured.score;
    candidate.meets_limits =
        meets_size(candidate) && meets_quality(result_.original, candidate.score);
    files_.push_back(store_.path_of(stored));
    return candidate;
  }

  Result<void> write_candidate(StoredCandidate& stored) {
    const std::string number = std::to_string(result_.candidates.size() + 1);
    const std::string path = store_.new_path(fs::path(output_).extension());
    stored.file = fs::path(path).filename().native();
    CalibrationOptions calibration = options_.calibration;
    calibration.progress = [&](std::size_t done, std::size_t total, const std::string& layer) {
      if (progress_) progress_(done, total, fmt::format("candidate {}: {}", number, layer));
    };
    std::vector<std::string> ignored;  // the same for every candidate
    VP_ASSIGN_OR_RETURN(
        const PressedFile file,
        press_file(runner_->model, press_, path, Overwrite::Allow, [&](Plan& plan) -> Result<void> {
          plan = choices_->plan(stored.choices);
          VP_ASSIGN_OR_RETURN(
              const CalibrationSummary done,
              calibrate_plan(*runner_, calibration_, calibration, press_, plan,
                             result_.candidates.empty() ? result_.warnings : ignored));
          (void)done;
          return {};
        }));
    stored.measured.bytes = file.bytes;
    stored.measured.download_bytes = file.download_bytes.value_or(0);
    return {};
  }

  /// The score of a file on the images that choose, against the original.
  Result<ModelScore> measure_file(const std::string& path) {
    change_->start();
    evaluation_->watch(change_->compare());
    VP_ASSIGN_OR_RETURN(Column column, run_column(*evaluation_, path));
    VP_ASSIGN_OR_RETURN(const EvaluateResult scores,
                        compare(*evaluation_, {*original_, std::move(column)}));
    return scores.models[1];
  }

  static Result<Column> run_column(Evaluation& evaluation, const std::string& file) {
    VP_ASSIGN_OR_RETURN(OpenedModel model, evaluation.open(file));
    auto column = evaluation.run_model(std::move(model), Timing::Skip);
    if (!column) return in_file(column.error(), file);
    return column;
  }

  static Result<EvaluateResult> compare(Evaluation& evaluation, std::vector<Column> columns) {
    VP_ASSIGN_OR_RETURN(ComparableColumns comparable,
                        evaluation.make_comparable(std::move(columns)));
    return evaluation.compare(evaluation.score(std::move(comparable), Metric::Standard), {});
  }

  [[nodiscard]] bool meets_size(const FitCandidate& candidate) const {
    const FitLimits& limits = options_.limits;
    return (!limits.max_size || candidate.bytes <= *limits.max_size) &&
           (!limits.max_download || candidate.download_bytes <= *limits.max_download);
  }

  [[nodiscard]] bool meets_quality(const ModelScore& original, const ModelScore& score) const {
    const FitLimits& limits = options_.limits;
    return (!limits.max_drop || keeps_max_drop(original, score, *limits.max_drop)) &&
           (!limits.min_agreement || keeps_min_agreement(score, *limits.min_agreement));
  }

  /// The first of two candidates is better: within the limits it is nearer to the original where
  /// bytes are limited, smaller where quality is; outside of them it is nearer to the limits.
  [[nodiscard]] bool is_better(const FitCandidate& a, const FitCandidate& b) const {
    if (a.meets_limits != b.meets_limits) return a.meets_limits;
    const bool by_bytes = options_.limits.max_size || options_.limits.max_download;
    const bool is_out = !meets_size(a) || !meets_size(b);
    if (is_out || (a.meets_limits && !by_bytes)) {
      return counts_download() ? a.download_bytes < b.download_bytes : a.bytes < b.bytes;
    }
    return a.measured_change < b.measured_change;
  }

  Result<void> finish() {
    for (std::size_t i = 1; i < result_.candidates.size(); ++i) {
      if (is_better(result_.candidates[i], result_.candidates[result_.best])) result_.best = i;
    }
    const FitCandidate& best = result_.candidates[result_.best];
    result_.meets_limits = best.meets_limits;
    VP_RETURN_IF_ERROR(report(files_[result_.best]));
    if (result_.meets_limits) {
      VP_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::open(files_[result_.best]));
      VP_RETURN_IF_ERROR(write_file(output_, overwrite(), file.bytes()));
      result_.output = output_;
    }
    if (options_.work.empty()) store_.remove();
    return {};
  }

  /// Scores the original and the best file on the images that chose nothing.
  Result<void> report(const std::string& file) {
    Evaluation evaluation(evaluate_, progress_);
    VP_RETURN_IF_ERROR(evaluation.load_data(ImageNeed::Required));
    evaluation.keep_only(images_.report);
    evaluation.adopt(facts_.labels, facts_.hint, "");
    VP_ASSIGN_OR_RETURN(Column original, run_column(evaluation, options_.input));
    VP_ASSIGN_OR_RETURN(Column best, run_column(evaluation, file));
    VP_ASSIGN_OR_RETURN(result_.report,
                        compare(evaluation, {std::move(original), std::move(best)}));
    if (result_.meets_limits) result_.report.models[1].file = output_;
    // What opening the files says of them has been said of the original.
    for (const std::string& warning : result_.report.warnings) {
      if (!warning.starts_with(file + ": ") && !warning.starts_with(options_.input + ": "))
        result_.warnings.push_back(warning);
    }
    const bool keeps = meets_quality(result_.report.models[0], result_.report.models[1]);
    if (result_.meets_limits && !keeps) {
      result_.warnings.emplace_back(
          "the file meets the limit of quality on the images that chose it, not on the others");
    }
    return {};
  }

  [[nodiscard]] Overwrite overwrite() const {
    return options_.overwrite ? Overwrite::Allow : Overwrite::Refuse;
  }

  const FitOptions& options_;
  const Progress& progress_;
  std::string output_ = {};
  EvaluateOptions evaluate_;
  PressOptions press_ = {};
  std::optional<ModelRunner> runner_ = std::nullopt;
  std::optional<Evaluation> evaluation_ = std::nullopt;  ///< over the images that choose
  FitImages images_ = {};
  Json data_key_ = {};
  ExportFacts facts_ = {};  ///< labels and preprocessing, which a candidate may lack
  CalibrationSet calibration_ = {};
  FitStore store_ = {};
  std::string model_sha1_ = {};
  std::optional<OutputChange> change_ = std::nullopt;  ///< on the images that choose
  bool packs_codes_ = false;  ///< the file gets smaller with fewer bits, not only its download
  std::vector<FormWish> forms_ = {};
  std::vector<WeightChange> sensitivity_ = {};
  std::optional<FitChoices> choices_ = std::nullopt;
  std::optional<Column> original_ = std::nullopt;
  std::vector<std::string> files_ = {};  ///< one per candidate
  FitResult result_ = {};
};

}  // namespace

Result<FitResult> fit_model(const FitOptions& options, const std::string& program,
                            const Progress& progress) {
  return Fitter(options, progress).run(program);
}

}  // namespace visionpress
