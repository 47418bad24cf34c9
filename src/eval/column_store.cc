#include "eval/column_store.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_text.h"
#include "base/mapped_file.h"
#include "base/output_file.h"
#include "base/sync_file.h"
#include "base/work_folder.h"
#include "eval/score_json.h"
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

Json run_time_json(const std::optional<RunTime>& time) {
  if (!time) return nullptr;
  return {{"median_ms", time->median_ms},
          {"low_ms", time->low_ms},
          {"high_ms", time->high_ms},
          {"other_cores", or_null<Json>(time->other_cores)},
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
          {"images_per_second", or_null<Json>(score.images_per_second)}};
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

}  // namespace

Result<ColumnStore> ColumnStore::open(const std::string& folder, const std::string& program) {
  ColumnStore store;
  store.folder_ = folder;
  const std::string marker = fs::path(folder) / kMarker;
  VP_RETURN_IF_ERROR(make_work_folder(folder, kMarker, "an experiment's results"));
  std::error_code ignored;
  if (!fs::exists(marker, ignored)) {
    VP_RETURN_IF_ERROR(store.write(kMarker, dump({{"visionpress", program}})));
  }
  VP_ASSIGN_OR_RETURN(store.lock_, lock_work(marker, folder));
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
