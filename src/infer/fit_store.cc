#include "infer/fit_store.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iterator>
#include <limits>
#include <map>

#include "base/error.h"
#include "base/json_text.h"
#include "base/mapped_file.h"
#include "base/output_file.h"
#include "base/work_folder.h"
#include "eval/score_json.h"
#include "package/hash_path.h"
#include "press/form_wish.h"

namespace visionpress {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* kFile = "fit.json";

template <typename T>
T count_at(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_unsigned() ? found->get<T>() : T{};
}

/// Sums of some thousand such counts fit 64 bits.
bool has_count(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_unsigned() &&
         found->get<std::uint64_t>() < (std::uint64_t{1} << 48U);
}

Json difference_json(const std::optional<Difference>& drop) {
  if (!drop) return nullptr;
  return {{"points", drop->points},
          {"low", or_null<Json>(drop->low)},
          {"high", or_null<Json>(drop->high)}};
}

std::optional<Difference> read_difference(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_object()) return std::nullopt;
  const auto points = number_at(*found, "points");
  if (!points) return std::nullopt;
  return Difference{*points, number_at(*found, "low"), number_at(*found, "high")};
}

Json score_json(const ModelScore& score) {
  Json json = figures_json(score);
  json["agreement"] = or_null<Json>(score.agreement);
  json["agreement_low"] = or_null<Json>(score.agreement_low);
  json["agreement_high"] = or_null<Json>(score.agreement_high);
  json["ap_drop"] = difference_json(score.ap_drop);
  json["top1_drop"] = difference_json(score.top1_drop);
  return json;
}

ModelScore read_score(const Json& json) {
  ModelScore score;
  read_figures(json, score);
  score.agreement = number_at(json, "agreement");
  score.agreement_low = number_at(json, "agreement_low");
  score.agreement_high = number_at(json, "agreement_high");
  score.ap_drop = read_difference(json, "ap_drop");
  score.top1_drop = read_difference(json, "top1_drop");
  return score;
}

Json weights_json(const std::vector<WeightChange>& weights) {
  Json rows = Json::array();
  for (const WeightChange& weight : weights) {
    Json forms = Json::array();
    for (const FormChange& form : weight.forms) {
      forms.push_back({{"form", form.form},
                       {"bytes", form.bytes},
                       {"download_bytes", form.download_bytes},
                       {"change", std::isfinite(form.change) ? Json(form.change) : Json(nullptr)}});
    }
    rows.push_back({{"name", weight.name}, {"forms", forms}});
  }
  return rows;
}

/// returns: nothing where the JSON is not as weights_json writes it.
std::optional<std::vector<WeightChange>> read_weights(const Json& json) {
  if (!json.is_array()) return std::nullopt;
  std::vector<WeightChange> weights;
  for (const Json& row : json) {
    WeightChange weight;
    weight.name = text_at(row, "name");
    if (weight.name.empty() || !row.contains("forms") || !row["forms"].is_array())
      return std::nullopt;
    for (const Json& form : row["forms"]) {
      FormChange change;
      change.form = text_at(form, "form");
      if (!choose_wish(change.form) || !has_count(form, "bytes") ||
          !has_count(form, "download_bytes") || !form.contains("change"))
        return std::nullopt;
      change.bytes = form["bytes"].get<std::uint64_t>();
      change.download_bytes = form["download_bytes"].get<std::uint64_t>();
      // JSON has no infinity: null is a network that was lost.
      if (!form["change"].is_number() && !form["change"].is_null()) return std::nullopt;
      change.change = number_at(form, "change").value_or(std::numeric_limits<double>::infinity());
      if (!(change.change >= 0.0)) return std::nullopt;
      weight.forms.push_back(change);
    }
    weights.push_back(std::move(weight));
  }
  return weights;
}

/// What `sensitivity --json` wrote for all weights or for a shard of them.
struct SensitivityReport {
  std::vector<WeightChange> weights = {};
  Shard shard = {};
  std::string sha1 = {};       ///< of the model; empty where the report does not say
  std::vector<Json> run = {};  ///< equal in all shards of a run
};

/// All of it where the report says nothing.
Result<Shard> read_shard(const Json& report, const std::string& path) {
  const auto found = report.find("shard");
  if (found == report.end()) return Shard{};
  if (found->is_object() && has_count(*found, "index") && has_count(*found, "count")) {
    const Shard shard = {(*found)["index"].get<std::size_t>(),
                         (*found)["count"].get<std::size_t>()};
    if (shard.index >= 1 && shard.index <= shard.count) return shard;
  }
  return fail_in(path, ErrorKind::Malformed, "\"shard\" is not an index of 1 to its count");
}

/// errors: Malformed where it is not what `sensitivity --json` writes.
Result<SensitivityReport> read_report(const std::string& path) {
  VP_ASSIGN_OR_RETURN(const MappedFile text, MappedFile::open(path));
  const Json json = parse_json<Json>(view_text(text.bytes()));
  if (!json.is_object()) {
    return fail_in(path, ErrorKind::Malformed,
                   "not JSON, expected the output of `sensitivity --json`");
  }
  auto weights = read_weights(json.value("weights", Json()));
  if (!weights) {
    return fail_in(
        path, ErrorKind::Malformed,
        "\"weights\" is not as `sensitivity --json` writes it: names, with forms that have "
        "bytes, download_bytes and a change of 0 or more");
  }
  SensitivityReport report = {.weights = std::move(*weights), .sha1 = text_at(json, "sha1")};
  VP_ASSIGN_OR_RETURN(report.shard, read_shard(json, path));
  for (const char* key : {"bytes", "pictures", "views", "compared", "seed"})
    report.run.push_back(json.value(key, Json()));
  return report;
}

}  // namespace

Result<FitStore> FitStore::open(const std::string& folder, const Json& key) {
  FitStore store;
  store.folder_ = folder;
  const std::string file = fs::path(folder) / kFile;
  VP_RETURN_IF_ERROR(make_work_folder(folder, kFile, "a fit's work"));
  // The folder, because the file is replaced whenever something has been measured.
  VP_ASSIGN_OR_RETURN(store.lock_, lock_work(folder, folder));
  std::error_code ignored;
  store.json_ = {{"key", key}, {"sensitivity", nullptr}, {"candidates", Json::array()}};
  if (!fs::exists(file, ignored)) {
    VP_RETURN_IF_ERROR(store.write());
    return store;
  }
  VP_ASSIGN_OR_RETURN(const MappedFile text, MappedFile::open(file));
  Json json = parse_json<Json>(view_text(text.bytes()));
  const bool is_ours = json.is_object() && json.value("key", Json()) == key &&
                       json.contains("candidates") && json["candidates"].is_array() &&
                       json.contains("sensitivity");
  if (is_ours) {
    store.json_ = std::move(json);
  } else {
    VP_RETURN_IF_ERROR(store.write());
  }
  return store;
}

Result<void> FitStore::write() const {
  const std::string text = json_.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
  return write_file(fs::path(folder_) / kFile, Overwrite::Allow, std::as_bytes(std::span(text)));
}

std::vector<WeightChange> FitStore::sensitivity() const {
  return read_weights(json_["sensitivity"]).value_or(std::vector<WeightChange>());
}

Result<void> FitStore::save_sensitivity(const std::vector<WeightChange>& weights) {
  json_["sensitivity"] = weights_json(weights);
  return write();
}

std::optional<StoredCandidate> FitStore::find(const std::vector<std::string>& choices) const {
  for (const Json& json : json_["candidates"]) {
    if (!json.is_object() || json.value("choices", Json()) != Json(choices)) continue;
    StoredCandidate found;
    found.choices = choices;
    found.file = text_at(json, "file");
    const auto sha1 = hash_path(path_of(found));
    if (!sha1 || *sha1 != text_at(json, "sha1")) continue;
    found.measured.bytes = count_at<std::uint64_t>(json, "bytes");
    found.measured.download_bytes = count_at<std::uint64_t>(json, "download_bytes");
    const auto change = number_at(json, "change");
    found.measured.measured_change = change.value_or(std::numeric_limits<double>::infinity());
    found.measured.score = read_score(json.value("score", Json::object()));
    return found;
  }
  return std::nullopt;
}

Result<void> FitStore::save(const StoredCandidate& candidate) {
  VP_ASSIGN_OR_RETURN(const std::string sha1, hash_path(path_of(candidate)));
  const double change = candidate.measured.measured_change;
  json_["candidates"].push_back({{"choices", candidate.choices},
                                 {"file", candidate.file},
                                 {"sha1", sha1},
                                 {"bytes", candidate.measured.bytes},
                                 {"download_bytes", candidate.measured.download_bytes},
                                 {"change", std::isfinite(change) ? Json(change) : Json(nullptr)},
                                 {"score", score_json(candidate.measured.score)}});
  return write();
}

std::string FitStore::new_path(const std::string& extension) const {
  std::error_code ignored;
  for (std::size_t i = json_["candidates"].size() + 1;; ++i) {
    const bool is_known = std::ranges::any_of(json_["candidates"], [&](const Json& json) {
      return text_at(json, "file") == fmt::format("candidate-{}{}", i, extension);
    });
    if (!is_known) return fs::path(folder_) / fmt::format("candidate-{}{}", i, extension);
  }
}

std::string FitStore::path_of(const StoredCandidate& candidate) const {
  return fs::path(folder_) / fs::path(candidate.file).filename();
}

void FitStore::remove() {
  std::error_code ignored;
  for (const Json& json : json_["candidates"])
    fs::remove(fs::path(folder_) / fs::path(text_at(json, "file")).filename(), ignored);
  fs::remove(fs::path(folder_) / kFile, ignored);
  fs::remove(folder_, ignored);  // only if nothing else is in it
}

Result<std::vector<WeightChange>> read_sensitivity(const std::vector<std::string>& paths,
                                                   const std::string& sha1) {
  std::map<std::size_t, SensitivityReport> shards;
  std::size_t count = 1;
  for (const std::string& path : paths) {
    VP_ASSIGN_OR_RETURN(SensitivityReport report, read_report(path));
    if (!report.sha1.empty() && report.sha1 != sha1) {
      return fail_in(path, ErrorKind::Malformed,
                     "it is of a model with the SHA-1 {}, this one has {}", report.sha1, sha1);
    }
    if (shards.empty()) count = report.shard.count;
    if (report.shard.count != count ||
        (!shards.empty() && shards.begin()->second.run != report.run)) {
      return fail_in(path, ErrorKind::Malformed,
                     "it is of another run than {}, or of another number of shards", paths[0]);
    }
    const std::size_t index = report.shard.index;
    if (!shards.emplace(index, std::move(report)).second) {
      return fail_in(path, ErrorKind::Malformed, "shard {} of {} is there twice", index, count);
    }
  }
  std::vector<WeightChange> all;
  for (std::size_t i = 1; i <= count; ++i) {
    const auto found = shards.find(i);
    if (found == shards.end()) {
      return fail_in(paths[0], ErrorKind::Malformed, "shard {} of its {} is missing", i, count);
    }
    std::ranges::move(found->second.weights, std::back_inserter(all));
  }
  return all;
}

}  // namespace visionpress
