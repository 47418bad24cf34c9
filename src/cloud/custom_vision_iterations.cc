#include "cloud/custom_vision_iterations.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "cloud/custom_vision_rules.h"

namespace visionpress {
namespace {

CloudIteration read_iteration(const CloudJson& json) {
  CloudIteration iteration;
  iteration.id = text_at(json, "id");
  iteration.name = text_at(json, "name");
  iteration.status = text_at(json, "status");
  iteration.created = text_at(json, "created");
  iteration.published_name = text_at(json, "publishName");
  iteration.training_type = text_at(json, "trainingType");
  iteration.error = text_at(json, "trainingErrorDetails");
  iteration.exportable = flag_of(json, "exportable");
  iteration.is_default = flag_of(json, "isDefault");
  return iteration;
}

/// An iteration that is about to be asked for more.
Result<CloudIteration> use_iteration(CloudIteration iteration) {
  VP_RETURN_IF_ERROR(check_id("iteration \"" + iteration.name + "\"", iteration.id));
  return iteration;
}

CloudCall list_call(const CloudProject& project) {
  CloudCall call;
  call.what = "list iterations";
  call.path = project_path(project) + "/iterations";
  return call;
}

Result<CloudIteration> load_iteration(CustomVisionClient& client, const CloudProject& project,
                                      const CloudIteration& iteration) {
  CloudCall call;
  call.what = "iteration \"" + iteration.name + "\"";
  call.path = iteration_path(project, iteration);
  VP_ASSIGN_OR_RETURN(CloudJson answer, client.call(call));
  VP_ASSIGN_OR_RETURN(const CloudJson json, object_of(std::move(answer), call.what));
  return use_iteration(read_iteration(json));
}

/// The newest that `fits`; null where there is none.
template <typename Fits>
const CloudIteration* find_newest(const std::vector<CloudIteration>& oldest_first,
                                  const Fits& fits) {
  const auto at = std::find_if(oldest_first.rbegin(), oldest_first.rend(), fits);
  return at == oldest_first.rend() ? nullptr : &*at;
}

/// Of a training that is not needed, or under way already, the one there is.
Result<CloudTrainResult> use_other_training(CustomVisionClient& client, const CloudProject& project,
                                            const CloudCall& call, const CloudAnswer& answer) {
  CloudTrainResult result;
  VP_ASSIGN_OR_RETURN(const std::vector<CloudIteration> now, list_iterations(client, project));
  const CloudIteration* found = nullptr;
  if (answer.error.code.starts_with("BadRequestTrainingNotNeeded")) {
    found = find_newest(now, [](const CloudIteration& i) { return i.status == "Completed"; });
    result.unchanged = true;
    result.warnings.push_back("not trained: " + answer.error.message +
                              "; --force trains all the same");
  } else if (answer.error.code == "BadRequestTrainingAlreadyInProgress") {
    found = find_newest(now, [](const CloudIteration& i) {
      return i.status != "Completed" && i.status != "Failed";
    });
    result.warnings.emplace_back("a training was under way already; waiting for that one");
  }
  if (found == nullptr) return client.refuse(call, answer.status, answer.error);
  VP_ASSIGN_OR_RETURN(result.iteration, use_iteration(*found));
  return result;
}

/// Starts a training. returns: its iteration, or of a training that is not needed or under way
/// already the one there is.
Result<CloudTrainResult> start_training(CustomVisionClient& client, const CloudProject& project,
                                        const CloudTrainOptions& options) {
  VP_ASSIGN_OR_RETURN(const std::vector<CloudIteration> before, list_iterations(client, project));
  std::set<std::string> known;
  for (const CloudIteration& iteration : before) known.insert(iteration.id);
  CloudCall call;
  call.what = "train \"" + project.name + "\"";
  call.method = HttpMethod::Post;
  call.path = project_path(project) + "/train";
  call.query = {{"trainingType", options.advanced ? "Advanced" : "Regular"}};
  if (options.advanced) {
    call.query.emplace_back("reservedBudgetInHours", std::to_string(options.budget_hours));
  }
  if (options.force) call.query.emplace_back("forceTrain", "true");
  const auto find_started = [&]() -> Result<std::optional<CloudJson>> {
    VP_ASSIGN_OR_RETURN(const CloudJson answer, client.call(list_call(project)));
    VP_ASSIGN_OR_RETURN(const std::vector<CloudJson> objects, objects_of(answer, call.what));
    for (const CloudJson& object : objects) {
      if (!known.contains(text_at(object, "id"))) return object;
    }
    return std::optional<CloudJson>();
  };
  VP_ASSIGN_OR_RETURN(CloudAnswer answer, client.ask_once(call, find_started));
  CloudTrainResult result;
  if (answer.is_success()) {
    VP_ASSIGN_OR_RETURN(const CloudJson json, object_of(std::move(answer.json), call.what));
    VP_ASSIGN_OR_RETURN(result.iteration, use_iteration(read_iteration(json)));
    return result;
  }
  return use_other_training(client, project, call, answer);
}

Result<CloudIteration> load_by_name(CustomVisionClient& client, const CloudProject& project,
                                    const std::string& name_or_id) {
  return find_iteration(client, project, name_or_id, IterationNeed::Completed);
}

}  // namespace

std::string iteration_path(const CloudProject& project, const CloudIteration& iteration) {
  return project_path(project) + "/iterations/" + encode_url_part(iteration.id);
}

Result<std::vector<CloudIteration>> list_iterations(CustomVisionClient& client,
                                                    const CloudProject& project) {
  const CloudCall call = list_call(project);
  VP_ASSIGN_OR_RETURN(const CloudJson answer, client.call(call));
  VP_ASSIGN_OR_RETURN(const std::vector<CloudJson> objects, objects_of(answer, call.what));
  std::vector<CloudIteration> iterations;
  iterations.reserve(objects.size());
  for (const CloudJson& json : objects) iterations.push_back(read_iteration(json));
  std::ranges::stable_sort(iterations, {}, &CloudIteration::created);
  return iterations;
}

Result<CloudIteration> find_iteration(CustomVisionClient& client, const CloudProject& project,
                                      const std::string& name_or_id, IterationNeed need) {
  VP_ASSIGN_OR_RETURN(const std::vector<CloudIteration> all, list_iterations(client, project));
  const CloudIteration* found = nullptr;
  if (name_or_id.empty()) {
    found = find_newest(all, [need](const CloudIteration& i) {
      return i.status == "Completed" && (need == IterationNeed::Completed || i.exportable);
    });
    if (found != nullptr) return use_iteration(*found);
    const bool trained = find_newest(all, [](const CloudIteration& i) {
                           return i.status == "Completed";
                         }) != nullptr;
    return fail(ErrorKind::Usage, "project \"{}\": no iteration {}", project.name,
                trained ? "is exportable: only projects of a compact domain are" : "is completed");
  }
  found = find_newest(all, [&](const CloudIteration& i) {
    return i.id == name_or_id || i.name == name_or_id || i.published_name == name_or_id;
  });
  if (found != nullptr) return use_iteration(*found);
  std::string names;
  for (const CloudIteration& i : all) names += (names.empty() ? "\"" : ", \"") + i.name + "\"";
  return fail(ErrorKind::Usage, "project \"{}\": no iteration \"{}\"; there {} {}", project.name,
              name_or_id, all.size() == 1 ? "is" : "are", names.empty() ? "none" : names);
}

Result<CloudTrainResult> train_project(CustomVisionClient& client, const CloudProject& project,
                                       const CloudTrainOptions& options, const Progress& progress) {
  VP_ASSIGN_OR_RETURN(CloudTrainResult result, start_training(client, project, options));
  // An advanced training may take its budget, after it has waited for a machine.
  const std::chrono::minutes most =
      options.max_wait_minutes > 0
          ? std::chrono::minutes(options.max_wait_minutes)
          : std::chrono::hours(24 + (options.advanced ? options.budget_hours : 0));
  CloudPoll poll(client, most);
  while (options.wait && result.iteration.status != "Completed") {
    const CloudIteration& now = result.iteration;
    if (now.status == "Failed") {
      return fail(ErrorKind::Io, "iteration \"{}\": the training failed: {}", now.name,
                  now.error.empty() ? "the service does not say why" : now.error);
    }
    VP_RETURN_IF_ERROR(poll.wait(progress, now.name + ": " + now.status));
    VP_ASSIGN_OR_RETURN(result.iteration, load_iteration(client, project, now));
  }
  return result;
}

Result<CloudIteration> publish_iteration(CustomVisionClient& client, const CloudProject& project,
                                         const CloudPublishOptions& options) {
  VP_ASSIGN_OR_RETURN(const CloudIteration iteration,
                      load_by_name(client, project, options.iteration));
  CloudCall call;
  call.path = iteration_path(project, iteration) + "/publish";
  if (options.unpublish) {
    call.what = "unpublish \"" + iteration.name + "\"";
    call.method = HttpMethod::Delete;
  } else {
    if (options.name.empty()) return fail(ErrorKind::Usage, "no name to publish it by");
    if (options.resource.empty()) {
      return fail(
          ErrorKind::Usage,
          "no prediction resource: give --resource or set "
          "VISIONPRESS_CV_PREDICTION_RESOURCE to its id (/subscriptions/.../accounts/NAME)");
    }
    call.what = "publish \"" + iteration.name + "\" as \"" + options.name + "\"";
    call.method = HttpMethod::Post;
    call.query = {{"publishName", options.name},
                  {"predictionId", options.resource},
                  {"overwrite", options.overwrite ? "true" : "false"}};
  }
  const std::string wanted = options.unpublish ? std::string() : options.name;
  VP_RETURN_IF_ERROR(client.call_once(call, [&]() -> Result<std::optional<CloudJson>> {
    VP_ASSIGN_OR_RETURN(const CloudIteration now, load_iteration(client, project, iteration));
    if (now.published_name != wanted) return std::optional<CloudJson>();
    return std::optional<CloudJson>(CloudJson(true));
  }));
  return load_iteration(client, project, iteration);
}

Result<CloudIteration> make_default_iteration(CustomVisionClient& client,
                                              const CloudProject& project,
                                              const std::string& name_or_id) {
  VP_ASSIGN_OR_RETURN(const CloudIteration iteration, load_by_name(client, project, name_or_id));
  CloudCall call;
  call.what = "make \"" + iteration.name + "\" the default";
  call.method = HttpMethod::Patch;
  call.api = CloudApi::Training2;
  call.path = iteration_path(project, iteration);
  call.body = CloudJson({{"name", iteration.name}, {"isDefault", true}}).dump();
  VP_ASSIGN_OR_RETURN(CloudJson answer, client.call(call));
  VP_ASSIGN_OR_RETURN(const CloudJson json, object_of(std::move(answer), call.what));
  return read_iteration(json);
}

Result<CloudPerformance> load_performance(CustomVisionClient& client, const CloudProject& project,
                                          const CloudPerformanceOptions& options) {
  CloudPerformance performance;
  VP_ASSIGN_OR_RETURN(performance.iteration, load_by_name(client, project, options.iteration));
  performance.threshold = options.threshold;
  performance.overlap = options.overlap;
  CloudCall call;
  call.what = "performance of \"" + performance.iteration.name + "\"";
  call.path = iteration_path(project, performance.iteration) + "/performance";
  call.query = {{"threshold", fmt::format("{}", options.threshold)},
                {"overlapThreshold", fmt::format("{}", options.overlap)}};
  VP_ASSIGN_OR_RETURN(const CloudJson answer, client.call(call));
  const auto read = [](const CloudJson& json) {
    return CloudTagPerformance{text_at(json, "name"), number_of(json, "precision"),
                               number_of(json, "recall"), number_of(json, "averagePrecision")};
  };
  performance.total = read(answer);
  const auto tags = answer.is_object() ? answer.find("perTagPerformance") : answer.end();
  if (tags == answer.end()) {
    return fail(ErrorKind::Malformed, "{}: the answer has no perTagPerformance", call.what);
  }
  VP_ASSIGN_OR_RETURN(const std::vector<CloudJson> objects, objects_of(*tags, call.what));
  for (const CloudJson& json : objects) performance.tags.push_back(read(json));
  return performance;
}

Result<void> delete_iteration(CustomVisionClient& client, const CloudProject& project,
                              const CloudIteration& iteration) {
  CloudCall call;
  call.what = "delete iteration \"" + iteration.name + "\"";
  call.method = HttpMethod::Delete;
  call.path = iteration_path(project, iteration);
  VP_ASSIGN_OR_RETURN(const CloudAnswer answer, client.ask(call));
  if (!answer.is_success() && answer.status != 404) {
    return client.refuse(call, answer.status, answer.error);
  }
  return {};
}

}  // namespace visionpress
