#include "eval/column_store.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <utility>

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sys/file.h>

#include "base/error.h"
#include "base/json_text.h"
#include "base/mapped_file.h"
#include "base/output_file.h"
#include "base/sync_file.h"
#include "package/hash_path.h"

namespace visionpress {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* kMarker = "experiment.json";
constexpr const char* kColumns = "columns";
constexpr const char* kModels = "models";

std::string dump(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::optional<double> number_at(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number()) return std::nullopt;
  return found->get<double>();
}

Json or_null(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

Json run_time_json(const std::optional<RunTime>& time) {
  if (!time) return nullptr;
  return {{"median_ms", time->median_ms},
          {"low_ms", time->low_ms},
          {"high_ms", time->high_ms},
          {"other_cores", or_null(time->other_cores)},
          {"was_disturbed", time->was_disturbed}};
}

std::optional<RunTime> read_run_time(const Json& model) {
  const auto json = model.find("run_time");
  if (json == model.end() || !json->is_object()) return std::nullopt;
  const auto median = number_at(*json, "median_ms");
  const auto low = number_at(*json, "low_ms");
  const auto high = number_at(*json, "high_ms");
  if (!median || !low || !high) return std::nullopt;
  const auto disturbed = json->find("was_disturbed");
  return RunTime{*median, *low, *high, number_at(*json, "other_cores"),
                 disturbed != json->end() && disturbed->is_boolean() && disturbed->get<bool>()};
}

/// The facts of a run that its predictions do not give; figures are computed again from those.
Json model_json(const ModelScore& score) {
  return {{"file", score.file},
          {"bytes", score.bytes},
          {"format", score.format},
          {"arithmetic", score.arithmetic},
          {"preprocessing", score.preprocessing},
          {"run_time", run_time_json(score.run_time)},
          {"images_per_second", or_null(score.images_per_second)}};
}

/// returns: nothing where the JSON is not as model_json writes it.
std::optional<ModelScore> read_model(const Json& json) {
  const auto bytes = json.find("bytes");
  if (bytes == json.end() || !bytes->is_number_unsigned()) return std::nullopt;
  if (text_at(json, "format").empty()) return std::nullopt;
  ModelScore score;
  score.file = text_at(json, "file");
  score.bytes = bytes->get<std::uint64_t>();
  score.format = text_at(json, "format");
  score.arithmetic = text_at(json, "arithmetic");
  score.preprocessing = text_at(json, "preprocessing");
  score.run_time = read_run_time(json);
  score.images_per_second = number_at(json, "images_per_second");
  return score;
}

Json figures_json(const ModelScore& score) {
  Json tags = Json::array();
  for (const TagScore& tag : score.tags) {
    tags.push_back({{"tag", tag.tag},
                    {"truth", tag.truth},
                    {"true_positives", tag.true_positives},
                    {"predicted", tag.predicted},
                    {"precision", or_null(tag.precision)},
                    {"recall", or_null(tag.recall)},
                    {"ap", or_null(tag.ap)},
                    {"ap50", or_null(tag.ap50)}});
  }
  return {{"ap", or_null(score.ap)},
          {"ap50", or_null(score.ap50)},
          {"top1", or_null(score.top1)},
          {"tags", std::move(tags)}};
}

Result<void> make_folder(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (!error && fs::is_directory(path, error)) return {};
  const std::string why = error ? error.message() : "it is a file";
  return fail_in(path, ErrorKind::Output, "cannot make the folder: {}", why);
}

}  // namespace

Result<ColumnStore> ColumnStore::open(const std::string& folder, const std::string& program) {
  ColumnStore store;
  store.folder_ = folder;
  const std::string marker = fs::path(folder) / kMarker;
  std::error_code ignored;
  // A folder with other contents is never overwritten.
  if (fs::is_directory(folder, ignored) && !fs::is_empty(folder, ignored) &&
      !fs::is_regular_file(marker, ignored)) {
    return fail_in(folder, ErrorKind::Output,
                   "the folder holds other things than an experiment's results; name an empty "
                   "or a new one");
  }
  VP_RETURN_IF_ERROR(check_not_stdout(folder));
  VP_RETURN_IF_ERROR(make_folder(folder));
  if (!fs::exists(marker, ignored)) {
    VP_RETURN_IF_ERROR(store.write(kMarker, dump({{"visionpress", program}})));
  }
  store.lock_ = Descriptor(::open(marker.c_str(), O_RDONLY | O_CLOEXEC));
  if (store.lock_.get() >= 0 && ::flock(store.lock_.get(), LOCK_EX | LOCK_NB) != 0 &&
      errno == EWOULDBLOCK) {
    return fail_in(folder, ErrorKind::Output, "another run writes its results here");
  }
  VP_RETURN_IF_ERROR(make_folder(fs::path(folder) / kColumns));
  VP_RETURN_IF_ERROR(make_folder(fs::path(folder) / kModels));
  return store;
}

std::string ColumnStore::predictions_path(const std::string& name) const {
  return fs::path(folder_) / kColumns / (name + ".predictions.json");
}

std::string ColumnStore::model_path(const std::string& file_name) const {
  return fs::path(folder_) / kModels / file_name;
}

Result<std::optional<ModelScore>> ColumnStore::find(const std::string& name, const Json& key,
                                                    const std::string& made) const {
  std::error_code ignored;
  const std::string file = fs::path(folder_) / kColumns / (name + ".json");
  const std::string predictions = predictions_path(name);
  if (!fs::exists(file, ignored) || !fs::exists(predictions, ignored)) return std::nullopt;
  VP_ASSIGN_OR_RETURN(const MappedFile text, MappedFile::open(file));
  const Json json = parse_json<Json>(view_text(text.bytes()));
  if (!json.is_object() || json.value("key", Json()) != key) return std::nullopt;
  const auto model = read_model(json.value("model", Json()));
  VP_ASSIGN_OR_RETURN(const std::string sha1, hash_path(predictions));
  if (!model || text_at(json, "predictions_sha1") != sha1) return std::nullopt;
  if (!made.empty()) {
    const auto made_sha1 = hash_path(made);
    if (!made_sha1 || text_at(json, "file_sha1") != *made_sha1) return std::nullopt;
  }
  return model;
}

Result<void> ColumnStore::save(const std::string& name, const Json& key, const std::string& made,
                               const Column& column, const ModelScore& scored,
                               const Dataset& dataset) const {
  const std::string predictions = predictions_path(name);
  VP_RETURN_IF_ERROR(save_predictions(column.predictions, dataset, predictions, Overwrite::Allow));
  VP_RETURN_IF_ERROR(sync_file(predictions));  // hours of a run, or paid for
  VP_ASSIGN_OR_RETURN(const std::string sha1, hash_path(predictions));
  std::string made_sha1;
  if (!made.empty()) {
    VP_ASSIGN_OR_RETURN(made_sha1, hash_path(made));
  }
  return write(std::string(kColumns) + "/" + name + ".json",
               dump({{"key", key},
                     {"predictions_sha1", sha1},
                     {"file_sha1", made_sha1},
                     {"model", model_json(scored)},
                     {"figures", figures_json(scored)}}));
}

Result<void> ColumnStore::write(const std::string& file_name, const std::string& text) const {
  const std::string path = fs::path(folder_) / file_name;
  VP_ASSIGN_OR_RETURN(OutputFile file, OutputFile::create(path, Overwrite::Allow));
  const Bytes bytes = std::as_bytes(std::span(text));
  VP_RETURN_IF_ERROR(file.write({&bytes, 1}));
  VP_RETURN_IF_ERROR(sync_file(file.temporary_path()));
  return file.commit();
}

}  // namespace visionpress
