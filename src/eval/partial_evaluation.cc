#include "eval/partial_evaluation.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <stdexcept>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_text.h"
#include "base/mapped_file.h"
#include "eval/comparable_columns.h"
#include "eval/score_columns.h"
#include "package/hash_path.h"
#include "package/sha1.h"

namespace visionpress {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kFormat = "visionpress partial evaluation";
constexpr int kVersion = 1;

/// JSON has no infinity and no NaN.
Json exact(double value) {
  if (std::isfinite(value)) return value;
  if (std::isnan(value)) return "nan";
  return value > 0.0 ? "inf" : "-inf";
}

double read_exact(const Json& json) {
  if (!json.is_string()) return json.get<double>();
  const auto& text = json.get_ref<const std::string&>();
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (text == "nan") return std::numeric_limits<double>::quiet_NaN();
  return text == "inf" ? kInfinity : -kInfinity;
}

template <typename T>
std::optional<T> read_optional(const Json& json) {
  if (json.is_null()) return std::nullopt;
  return json.get<T>();
}

template <typename Enum>
Json enum_json(const std::optional<Enum>& value) {
  return value ? Json(static_cast<int>(*value)) : Json(nullptr);
}

/// Throws std::out_of_range for a number that is none of the values up to `last`.
template <typename Enum>
Enum read_choice(const Json& json, Enum last) {
  const auto number = json.get<std::int64_t>();
  if (number >= 0 && number <= static_cast<std::int64_t>(last)) return static_cast<Enum>(number);
  throw std::out_of_range(fmt::format("choice {} of {}", number, static_cast<int>(last) + 1));
}

template <typename Enum>
std::optional<Enum> read_enum(const Json& json, Enum last) {
  if (json.is_null()) return std::nullopt;
  return read_choice(json, last);
}

Json options_json(const EvaluateOptions& options) {
  const PreprocessOptions& how = options.preprocess;
  Json settings = Json::array();
  for (const auto& [name, value] : how.settings) settings.push_back({name, value});
  Json json = {{"unlabelled", options.unlabelled},
               {"crops", options.crops},
               {"metric", static_cast<int>(options.metric)},
               {"probability", options.probability},
               {"iou", options.iou},
               {"ap_probability", or_null<Json>(options.ap_probability)},
               {"nms_iou", options.nms_iou},
               {"max_detections", options.max_detections},
               {"min_box", options.min_box},
               {"arithmetic", static_cast<int>(options.arithmetic)},
               {"rule", enum_json(how.rule)},
               {"filter", enum_json(how.filter)},
               {"color", enum_json(how.color)},
               {"mean", how.mean},
               {"std", how.std},
               {"input_size", or_null<Json>(how.input_size)},
               {"settings", std::move(settings)},
               {"max_images", options.max_images},
               {"skip_missing", options.skip_missing},
               {"skip_bad", options.skip_bad},
               {"clip_boxes", options.clip_boxes},
               {"seed", options.seed},
               {"bootstrap_rounds", options.bootstrap_rounds},
               {"max_drop", or_null<Json>(options.max_drop)},
               {"min_agreement", or_null<Json>(options.min_agreement)}};
  // Absent in files from before the option existed.
  if (options.fast_decode) json["fast_decode"] = true;
  return json;
}

EvaluateOptions read_options(const Json& json) {
  EvaluateOptions options;
  options.unlabelled = json.at("unlabelled").get<bool>();
  options.crops = json.at("crops").get<bool>();
  options.metric = read_choice(json.at("metric"), Metric::LegacyFlipped);
  options.probability = json.at("probability").get<float>();
  options.iou = json.at("iou").get<float>();
  options.ap_probability = read_optional<float>(json.at("ap_probability"));
  options.nms_iou = json.at("nms_iou").get<float>();
  options.max_detections = json.at("max_detections").get<std::size_t>();
  options.min_box = json.at("min_box").get<double>();
  options.arithmetic = read_choice(json.at("arithmetic"), Arithmetic::Float16);
  PreprocessOptions& how = options.preprocess;
  how.rule = read_enum(json.at("rule"), ResizeRule::LetterboxTopLeft);
  how.filter = read_enum(json.at("filter"), ResizeFilter::Bicubic);
  how.color = read_enum(json.at("color"), ColorChoice::Bgr);
  how.mean = json.at("mean").get<std::vector<float>>();
  how.std = json.at("std").get<std::vector<float>>();
  how.input_size = read_optional<std::array<std::int64_t, 2>>(json.at("input_size"));
  options.fast_decode = json.value("fast_decode", false);
  for (const Json& setting : json.at("settings")) {
    how.settings.push_back({setting.at(0).get<std::string>(), setting.at(1).get<std::string>()});
  }
  options.max_images = json.at("max_images").get<std::size_t>();
  options.skip_missing = json.at("skip_missing").get<bool>();
  options.skip_bad = json.at("skip_bad").get<bool>();
  options.clip_boxes = json.at("clip_boxes").get<bool>();
  options.seed = json.at("seed").get<std::uint64_t>();
  options.bootstrap_rounds = json.at("bootstrap_rounds").get<std::size_t>();
  options.max_drop = read_optional<double>(json.at("max_drop"));
  options.min_agreement = read_optional<double>(json.at("min_agreement"));
  return options;
}

Json data_json(const PartialEvaluation& partial) {
  const Dataset& dataset = partial.dataset;
  return {{"path", partial.options.data},
          {"annotations_sha1", partial.identity.annotations_sha1},
          {"pictures_sha1", partial.identity.pictures_sha1},
          {"labels_sha1", partial.identity.labels_sha1},
          {"images", partial.image_count},
          {"not_taken", dataset.not_taken},
          {"clamped_boxes", dataset.clamped_boxes},
          {"exceeding_boxes", dataset.exceeding_boxes},
          {"has_boxes", dataset.has_boxes},
          {"is_unlabelled", dataset.is_unlabelled},
          {"tags", dataset.tags}};
}

void read_data(const Json& json, PartialEvaluation& partial) {
  Dataset& dataset = partial.dataset;
  partial.options.data = json.at("path").get<std::string>();
  partial.identity.annotations_sha1 = json.at("annotations_sha1").get<std::string>();
  partial.identity.pictures_sha1 = json.at("pictures_sha1").get<std::string>();
  partial.identity.labels_sha1 = json.at("labels_sha1").get<std::string>();
  partial.image_count = json.at("images").get<std::size_t>();
  dataset.source = partial.options.data;
  dataset.not_taken = json.at("not_taken").get<std::size_t>();
  dataset.clamped_boxes = json.at("clamped_boxes").get<std::size_t>();
  dataset.exceeding_boxes = json.at("exceeding_boxes").get<std::size_t>();
  dataset.has_boxes = json.at("has_boxes").get<bool>();
  dataset.is_unlabelled = json.at("is_unlabelled").get<bool>();
  dataset.tags = json.at("tags").get<std::vector<std::string>>();
}

Json model_json(const PartialColumn& part) {
  const Column& column = part.column;
  return {{"file", column.score.file},
          {"bytes", column.score.bytes},
          {"sha1", part.sha1},
          {"labels_sha1", column.labels_sha1},
          {"task", static_cast<int>(column.predictions.task)},
          {"format", column.score.format},
          {"arithmetic", column.score.arithmetic},
          {"preprocessing", column.score.preprocessing},
          {"color", enum_json(column.color)},
          {"color_is_guess", column.color_is_guess},
          {"ends_at_frame", column.ends_at_frame},
          {"broken_images", column.broken_images},
          {"warnings", part.warnings}};
}

PartialColumn read_model(const Json& json) {
  PartialColumn part;
  Column& column = part.column;
  column.score.file = json.at("file").get<std::string>();
  column.score.bytes = json.at("bytes").get<std::uint64_t>();
  part.sha1 = json.at("sha1").get<std::string>();
  column.labels_sha1 = json.at("labels_sha1").get<std::string>();
  column.predictions.task = read_choice(json.at("task"), Task::Classification);
  column.score.format = json.at("format").get<std::string>();
  column.score.arithmetic = json.at("arithmetic").get<std::string>();
  column.score.preprocessing = json.at("preprocessing").get<std::string>();
  column.color = read_enum(json.at("color"), ColorOrder::Gray);
  column.color_is_guess = json.at("color_is_guess").get<bool>();
  column.ends_at_frame = json.at("ends_at_frame").get<bool>();
  column.broken_images = json.at("broken_images").get<std::size_t>();
  part.warnings = json.at("warnings").get<std::vector<std::string>>();
  return part;
}

Json answers_json(const Predictions& predictions, std::size_t image) {
  Json answers = Json::array();
  if (predictions.task == Task::Detection) {
    for (const Detection& d : predictions.detections[image]) {
      answers.push_back(
          {d.tag, exact(d.score), exact(d.x), exact(d.y), exact(d.width), exact(d.height)});
    }
  }
  for (const ClassSample& sample : predictions.classes) {
    if (sample.image != image) continue;
    answers.push_back({sample.truth, sample.predicted, exact(sample.score), sample.class_index});
  }
  return answers;
}

void read_answers(const Json& answers, std::size_t image, Predictions& predictions) {
  if (predictions.task == Task::Detection) {
    Detections& detections = predictions.detections.emplace_back();
    for (const Json& d : answers) {
      detections.push_back({.tag = d.at(0).get<int>(),
                            .score = read_exact(d.at(1)),
                            .x = read_exact(d.at(2)),
                            .y = read_exact(d.at(3)),
                            .width = read_exact(d.at(4)),
                            .height = read_exact(d.at(5))});
    }
    return;
  }
  for (const Json& sample : answers) {
    predictions.classes.push_back({.image = static_cast<std::uint32_t>(image),
                                   .truth = sample.at(0).get<int>(),
                                   .predicted = sample.at(1).get<int>(),
                                   .score = read_exact(sample.at(2)),
                                   .class_index = sample.at(3).get<int>()});
  }
}

Json truths_json(const DatasetImage& image) {
  Json truths = Json::array();
  for (const TruthBox& box : image.truths) {
    truths.push_back({box.id, box.tag, exact(box.x), exact(box.y), exact(box.width),
                      exact(box.height), exact(box.area), box.crowd});
  }
  return truths;
}

Json image_json(const PartialEvaluation& partial, std::size_t at) {
  const DatasetImage& image = partial.dataset.images[at];
  Json answers = Json::array();
  for (const PartialColumn& part : partial.columns) {
    answers.push_back(answers_json(part.column.predictions, at));
  }
  return {{"index", partial.shard.index - 1 + at * partial.shard.count},
          {"id", image.id},
          {"id_text", image.id_text},
          {"name", image.file_name},
          {"frame", {image.width, image.height, image.frame_orientation}},
          {"tag", image.class_tag},
          {"listings", image.listings},
          {"truths", truths_json(image)},
          {"answers", std::move(answers)}};
}

DatasetImage read_image(const Json& json) {
  DatasetImage image;
  image.id = json.at("id").get<std::int64_t>();
  image.id_text = json.at("id_text").get<std::string>();
  image.file_name = json.at("name").get<std::string>();
  image.width = json.at("frame").at(0).get<int>();
  image.height = json.at("frame").at(1).get<int>();
  image.frame_orientation = json.at("frame").at(2).get<int>();
  image.class_tag = json.at("tag").get<int>();
  image.listings = json.at("listings").get<std::size_t>();
  for (const Json& box : json.at("truths")) {
    image.truths.push_back({.id = box.at(0).get<std::int64_t>(),
                            .tag = box.at(1).get<int>(),
                            .x = read_exact(box.at(2)),
                            .y = read_exact(box.at(3)),
                            .width = read_exact(box.at(4)),
                            .height = read_exact(box.at(5)),
                            .area = read_exact(box.at(6)),
                            .crowd = box.at(7).get<bool>()});
  }
  return image;
}

Json bad_json(const BadImages& bad) {
  Json list = Json::array();
  for (const auto& [index, error] : bad) {
    list.push_back({{"index", index},
                    {"kind", static_cast<int>(error.kind)},
                    {"message", error.message},
                    {"file", error.file},
                    {"offset", or_null<Json>(error.offset)}});
  }
  return list;
}

void read_bad(const Json& list, BadImages& bad) {
  for (const Json& json : list) {
    Error error;
    error.kind = read_choice(json.at("kind"), ErrorKind::Internal);
    error.message = json.at("message").get<std::string>();
    error.file = json.at("file").get<std::string>();
    error.offset = read_optional<std::uint64_t>(json.at("offset"));
    bad.emplace(json.at("index").get<std::size_t>(), std::move(error));
  }
}

/// May throw std::out_of_range and nlohmann's exceptions.
PartialEvaluation read_partial(const Json& json) {
  PartialEvaluation partial;
  partial.program = json.at("visionpress").get<std::string>();
  partial.shard.index = json.at("shard").at("index").get<std::size_t>();
  partial.shard.count = json.at("shard").at("count").get<std::size_t>();
  partial.options = read_options(json.at("options"));
  read_data(json.at("data"), partial);
  partial.warnings = json.at("warnings").get<std::vector<std::string>>();
  for (const Json& model : json.at("models")) partial.columns.push_back(read_model(model));
  for (const Json& image : json.at("images")) {
    const std::size_t at = partial.dataset.images.size();
    partial.dataset.images.push_back(read_image(image));
    for (std::size_t m = 0; m < partial.columns.size(); ++m) {
      read_answers(image.at("answers").at(m), at, partial.columns[m].column.predictions);
    }
  }
  read_bad(json.at("bad"), partial.bad);
  return partial;
}

std::size_t count_images(const Shard& shard, std::size_t image_count) {
  return (image_count - shard.index) / shard.count + 1;
}

/// Indices that the scoring trusts.
Result<void> check_indices(const PartialEvaluation& partial) {
  const auto tag_count = static_cast<int>(partial.dataset.tags.size());
  const std::size_t image_count = partial.dataset.images.size();
  const auto is_tag = [&](int tag) { return tag >= 0 && tag < tag_count; };
  const auto is_class = [&](const ClassSample& sample) {
    return (partial.dataset.is_unlabelled || is_tag(sample.truth)) && sample.predicted < tag_count;
  };
  bool good = !partial.columns.empty() && partial.shard.index >= 1 &&
              partial.shard.index <= partial.shard.count &&
              partial.shard.count <= partial.image_count &&
              image_count == count_images(partial.shard, partial.image_count);
  good = good && (partial.bad.empty() || partial.bad.rbegin()->first < image_count);
  for (const DatasetImage& image : partial.dataset.images) {
    good = good && std::ranges::all_of(image.truths, is_tag, &TruthBox::tag);
  }
  for (const PartialColumn& part : partial.columns) {
    const Predictions& predictions = part.column.predictions;
    good = good && predictions.task == partial.columns.front().column.predictions.task;
    good = good && std::ranges::all_of(predictions.classes, is_class);
    for (const Detections& of_image : predictions.detections) {
      good = good && std::ranges::all_of(of_image, is_tag, &Detection::tag);
    }
  }
  if (good) return {};
  return fail(ErrorKind::Malformed, "its numbers of images and tags do not fit together");
}

/// What two parts of one evaluation have in common: name and value of each fact.
Json list_common(const PartialEvaluation& partial) {
  Json common = {{"version", partial.program}, {"number of shards", partial.shard.count}};
  const Json options = options_json(partial.options);
  for (const auto& [name, value] : options.items()) common["option " + name] = value;
  Json data = data_json(partial);
  data.erase("path");
  common["data set"] = std::move(data);
  common["number of files"] = partial.columns.size();
  for (std::size_t i = 0; i < partial.columns.size(); ++i) {
    const PartialColumn& part = partial.columns[i];
    common[fmt::format("file {}", i + 1)] = {part.column.score.bytes, part.sha1};
    common[fmt::format("labels of file {}", i + 1)] = part.column.labels_sha1;
  }
  return common;
}

std::string describe_value(const Json& value) {
  return value.is_structured() || value.is_string() ? std::string()
                                                    : fmt::format(" ({})", value.dump());
}

/// errors: Usage where `partial` is of another evaluation than `first`.
Result<void> check_belongs(const PartialEvaluation& first, const std::string& first_path,
                           const PartialEvaluation& partial) {
  const Json common = list_common(first);
  const Json here = list_common(partial);
  for (const auto& [name, value] : common.items()) {
    const auto found = here.find(name);
    if (found != here.end() && *found == value) continue;
    return fail(ErrorKind::Usage, "of another evaluation than {}: another {}{}", first_path, name,
                found == here.end() ? std::string() : describe_value(*found));
  }
  return {};
}

/// The parts by the index of their shard. errors: as merge_partials.
Result<std::vector<PartialEvaluation>> load_all(const std::vector<std::string>& paths,
                                                const std::string& program) {
  std::vector<PartialEvaluation> parts;
  std::vector<std::string> path_of;  // by shard
  for (const std::string& path : paths) {
    VP_ASSIGN_OR_RETURN(PartialEvaluation partial, load_partial(path));
    if (partial.program != program) {
      return fail_in(path, ErrorKind::Usage, "made by version {}, and this is {}", partial.program,
                     program);
    }
    if (parts.empty()) {
      // A damaged file may claim any number.
      constexpr std::size_t kMostNamed = 100000;
      if (partial.shard.count > std::max(paths.size(), kMostNamed)) {
        return fail_in(path, ErrorKind::Usage, "one of {} shards, and there are {} files",
                       partial.shard.count, paths.size());
      }
      parts.resize(partial.shard.count);
      path_of.resize(partial.shard.count);
    } else if (auto belongs = check_belongs(
                   *std::ranges::find_if(parts, [](const auto& p) { return p.image_count > 0; }),
                   paths.front(), partial);
               !belongs) {
      return in_file(belongs.error(), path);
    }
    const std::size_t at = partial.shard.index - 1;
    if (!path_of[at].empty()) {
      return fail_in(path, ErrorKind::Usage, "shard {}/{}, as {} is", at + 1, parts.size(),
                     path_of[at]);
    }
    path_of[at] = path;
    parts[at] = std::move(partial);
  }
  std::vector<std::size_t> missing;
  for (std::size_t i = 0; i < path_of.size(); ++i) {
    if (path_of[i].empty()) missing.push_back(i + 1);
  }
  if (missing.empty()) return parts;
  return fail_in(paths.front(), ErrorKind::Usage, "one of {} shards; missing: {}", parts.size(),
                 fmt::join(missing, ", "));
}

/// Puts the images and answers of one part to their places.
void put_part(PartialEvaluation part, Dataset& dataset, BadImages& bad,
              std::vector<Column>& columns) {
  const auto place_of = [&](std::size_t at) {
    return part.shard.index - 1 + at * part.shard.count;
  };
  for (std::size_t i = 0; i < part.dataset.images.size(); ++i) {
    dataset.images[place_of(i)] = std::move(part.dataset.images[i]);
  }
  for (auto& [index, error] : part.bad) bad.emplace(place_of(index), std::move(error));
  for (std::size_t c = 0; c < columns.size(); ++c) {
    Predictions& from = part.columns[c].column.predictions;
    Predictions& to = columns[c].predictions;
    for (std::size_t i = 0; i < from.detections.size(); ++i) {
      to.detections[place_of(i)] = std::move(from.detections[i]);
    }
    for (ClassSample& sample : from.classes) {
      sample.image = static_cast<std::uint32_t>(place_of(sample.image));
      to.classes.push_back(sample);
    }
    columns[c].broken_images += part.columns[c].column.broken_images;
  }
}

}  // namespace

Result<DataIdentity> identify_data(const Dataset& whole, const EvaluateOptions& options) {
  namespace fs = std::filesystem;
  DataIdentity identity;
  std::error_code ignored;
  std::string pictures;
  for (const DatasetImage& image : whole.images) {
    const bool is_there = !image.path.empty();
    pictures +=
        fmt::format("{} {}\n", image.file_name, is_there ? fs::file_size(image.path, ignored) : 0);
  }
  identity.pictures_sha1 = hash_sha1(std::as_bytes(std::span(pictures)));
  if (!fs::is_directory(options.data, ignored)) {
    VP_ASSIGN_OR_RETURN(identity.annotations_sha1, hash_path(options.data));
  }
  if (!options.labels.empty()) {
    VP_ASSIGN_OR_RETURN(identity.labels_sha1, hash_path(options.labels));
  }
  return identity;
}

Result<void> check_shard(const Shard& shard, std::size_t image_count) {
  if (shard.index < 1 || shard.index > shard.count) {
    return fail(ErrorKind::Usage, "shard {}/{}: expected 1/{} to {}/{}", shard.index, shard.count,
                shard.count, shard.count, shard.count);
  }
  if (shard.count > image_count) {
    return fail(ErrorKind::Usage,
                "{} shards of {} images: give at most as many as there are images", shard.count,
                image_count);
  }
  return {};
}

Dataset pick_shard(const Dataset& whole, const Shard& shard) {
  Dataset part = whole;
  part.images.clear();
  for (std::size_t i = shard.index - 1; i < whole.images.size(); i += shard.count) {
    part.images.push_back(whole.images[i]);
  }
  return part;
}

Predictions pick_shard(const Predictions& whole, const Shard& shard) {
  Predictions part;
  part.task = whole.task;
  for (std::size_t i = shard.index - 1; i < whole.detections.size(); i += shard.count) {
    part.detections.push_back(whole.detections[i]);
  }
  for (ClassSample sample : whole.classes) {
    if (sample.image % shard.count != shard.index - 1) continue;
    sample.image = static_cast<std::uint32_t>(sample.image / shard.count);
    part.classes.push_back(sample);
  }
  return part;
}

Result<void> save_partial(const PartialEvaluation& partial, const std::string& path,
                          Overwrite overwrite) {
  Json models = Json::array();
  for (const PartialColumn& part : partial.columns) models.push_back(model_json(part));
  const Json head = {{"format", kFormat},
                     {"version", kVersion},
                     {"visionpress", partial.program},
                     {"shard", {{"index", partial.shard.index}, {"count", partial.shard.count}}},
                     {"options", options_json(partial.options)},
                     {"data", data_json(partial)},
                     {"warnings", partial.warnings},
                     {"models", std::move(models)},
                     {"bad", bad_json(partial.bad)}};
  // One line per image, and no JSON value of them all.
  std::string text = to_json_line(head);
  text.pop_back();
  text += ",\n\"images\":[";
  for (std::size_t i = 0; i < partial.dataset.images.size(); ++i) {
    text += (i == 0 ? "\n" : ",\n") + to_json_line(image_json(partial, i));
  }
  text += "\n]}\n";
  return write_file(path, overwrite, std::as_bytes(std::span(text)));
}

Result<PartialEvaluation> load_partial(const std::string& path) {
  VP_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::open(path));
  const Json json = parse_json<Json>(view_text(file.bytes()));
  if (text_at(json, "format") != kFormat) {
    return fail_in(path, ErrorKind::Malformed,
                   "not a file that evaluate --save-partial wrote, or cut short");
  }
  try {
    const int version = json.at("version").get<int>();
    if (version != kVersion) {
      return fail_in(path, ErrorKind::Malformed, "version {} of partial evaluations, expected {}",
                     version, kVersion);
    }
    PartialEvaluation partial = read_partial(json);
    if (auto good = check_indices(partial); !good) return in_file(good.error(), path);
    return partial;
  } catch (const std::exception& error) {  // nlohmann's are such, too
    return fail_in(path, ErrorKind::Malformed, "not as evaluate --save-partial writes it: {}",
                   error.what());
  }
}

Result<EvaluateResult> merge_partials(const std::vector<std::string>& paths,
                                      const std::string& program, int threads) {
  if (paths.empty()) return fail(ErrorKind::Usage, "no partial evaluation to merge");
  VP_ASSIGN_OR_RETURN(std::vector<PartialEvaluation> parts, load_all(paths, program));
  const EvaluateOptions options = parts.front().options;
  Dataset dataset = std::move(parts.front().dataset);
  parts.front().dataset.images =
      std::exchange(dataset.images, std::vector<DatasetImage>(parts.front().image_count));
  Diagnostics diagnostics;
  for (const std::string& warning : parts.front().warnings) diagnostics.warn(warning);
  std::vector<Column> columns;
  for (const PartialColumn& part : parts.front().columns) {
    for (const std::string& warning : part.warnings) diagnostics.warn(warning);
    Column& column = columns.emplace_back(part.column);
    column.broken_images = 0;
    column.predictions = {.task = part.column.predictions.task};
    if (column.predictions.task == Task::Detection) {
      column.predictions.detections.resize(dataset.images.size());
    }
  }
  BadImages bad;
  for (PartialEvaluation& part : parts) put_part(std::move(part), dataset, bad, columns);
  for (Column& column : columns) {
    std::ranges::stable_sort(column.predictions.classes, {}, &ClassSample::image);
  }
  const bool runs_models = std::ranges::any_of(
      columns, [](const Column& column) { return column.score.format != "predictions"; });
  VP_RETURN_IF_ERROR(leave_out(bad, dataset, columns, diagnostics));
  ComparableColumns comparable =
      make_comparable(std::move(columns), dataset, options,
                      runs_models ? ImageNeed::Required : ImageNeed::Optional);
  return compare_columns(
      score_columns(std::move(comparable), dataset, options,
                    {.metric = options.metric, .threads = threads}),
      dataset, options,
      {.threads = threads, .bad_images = bad.size(), .warnings = diagnostics.warnings()});
}

}  // namespace visionpress
