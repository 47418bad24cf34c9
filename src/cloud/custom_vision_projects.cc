#include "cloud/custom_vision_projects.h"

#include <algorithm>

#include "base/error.h"
#include "cloud/custom_vision_rules.h"

namespace visionpress {
namespace {

CloudProject read_project(const CloudJson& json) {
  CloudProject project;
  project.id = text_at(json, "id");
  project.name = text_at(json, "name");
  project.description = text_at(json, "description");
  project.created = text_at(json, "created");
  const auto settings = json.find("settings");
  if (settings != json.end()) {
    project.domain_id = text_at(*settings, "domainId");
    project.classification_type = text_at(*settings, "classificationType");
  }
  return project;
}

/// A project that is about to be asked for more.
Result<CloudProject> use_project(CloudProject project) {
  VP_RETURN_IF_ERROR(check_id("project \"" + project.name + "\"", project.id));
  return project;
}

CloudTag read_tag(const CloudJson& json) {
  CloudTag tag;
  tag.id = text_at(json, "id");
  tag.name = text_at(json, "name");
  tag.type = text_at(json, "type");
  constexpr double kMost = 1e15;  // beyond it a double is no count
  tag.images =
      static_cast<std::size_t>(std::clamp(number_of(json, "imageCount").value_or(0), 0.0, kMost));
  return tag;
}

std::string join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

/// By id, or by name and type: two domains are called "General (compact)".
Result<CloudDomain> find_domain(CustomVisionClient& client, const CloudCreateOptions& options) {
  VP_ASSIGN_OR_RETURN(const std::vector<CloudDomain> domains, list_domains(client));
  std::vector<std::string> names;
  for (const CloudDomain& domain : domains) {
    if (domain.id == options.domain) return domain;
    if (domain.type != options.type) continue;
    if (domain.name == options.domain) return domain;
    names.push_back("\"" + domain.name + "\"");
  }
  return fail(ErrorKind::Usage, "no domain \"{}\" of type {}; there {} {}", options.domain,
              options.type, names.size() == 1 ? "is" : "are", names.empty() ? "none" : join(names));
}

Result<CloudJson> find_by_name(const Result<CloudJson>& answer, const std::string& what,
                               const std::string& name) {
  if (!answer) return tl::unexpected<Error>(answer.error());
  VP_ASSIGN_OR_RETURN(const std::vector<CloudJson> objects, objects_of(*answer, what));
  for (const CloudJson& object : objects) {
    if (text_at(object, "name") == name) return object;
  }
  return CloudJson();
}

std::optional<CloudJson> unless_null(CloudJson json) {
  if (json.is_null()) return std::nullopt;
  return json;
}

}  // namespace

std::string project_path(const CloudProject& project) {
  return "projects/" + encode_url_part(project.id);
}

Result<std::vector<CloudDomain>> list_domains(CustomVisionClient& client) {
  CloudCall call;
  call.what = "list domains";
  call.path = "domains";
  VP_ASSIGN_OR_RETURN(const CloudJson answer, client.call(call));
  VP_ASSIGN_OR_RETURN(const std::vector<CloudJson> objects, objects_of(answer, call.what));
  std::vector<CloudDomain> domains;
  for (const CloudJson& json : objects) {
    CloudDomain domain;
    domain.id = text_at(json, "id");
    domain.name = text_at(json, "name");
    domain.type = text_at(json, "type");
    domain.exportable = flag_of(json, "exportable");
    domain.enabled = flag_of(json, "enabled");
    domains.push_back(std::move(domain));
  }
  return domains;
}

Result<std::vector<CloudProject>> list_projects(CustomVisionClient& client) {
  CloudCall call;
  call.what = "list projects";
  call.path = "projects";
  VP_ASSIGN_OR_RETURN(const CloudJson answer, client.call(call));
  VP_ASSIGN_OR_RETURN(const std::vector<CloudJson> objects, objects_of(answer, call.what));
  std::vector<CloudProject> projects;
  projects.reserve(objects.size());
  for (const CloudJson& json : objects) projects.push_back(read_project(json));
  return projects;
}

Result<CloudProject> find_project(CustomVisionClient& client, const std::string& name_or_id) {
  if (name_or_id.empty()) return fail(ErrorKind::Usage, "no project: give --project NAME");
  if (is_uuid(name_or_id)) {
    CloudCall call;
    call.what = "project " + name_or_id;
    call.path = "projects/" + name_or_id;
    VP_ASSIGN_OR_RETURN(CloudJson answer, client.call(call));
    VP_ASSIGN_OR_RETURN(const CloudJson json, object_of(std::move(answer), call.what));
    return use_project(read_project(json));
  }
  VP_ASSIGN_OR_RETURN(const std::vector<CloudProject> projects, list_projects(client));
  std::vector<std::string> names;
  std::vector<std::string> ids;
  const CloudProject* found = nullptr;
  for (const CloudProject& project : projects) {
    names.push_back("\"" + project.name + "\"");
    if (project.name != name_or_id) continue;
    found = &project;
    ids.push_back(project.id);
  }
  if (ids.size() > 1) {
    return fail(ErrorKind::Usage, "{} projects are called \"{}\"; give one of their ids: {}",
                ids.size(), name_or_id, join(ids));
  }
  if (found == nullptr) {
    return fail(ErrorKind::Usage, "no project \"{}\"; there {} {}", name_or_id,
                names.size() == 1 ? "is" : "are", names.empty() ? "none" : join(names));
  }
  return use_project(*found);
}

Result<CloudProject> create_project(CustomVisionClient& client, const CloudCreateOptions& options) {
  if (options.name.empty()) return fail(ErrorKind::Usage, "a project needs a name");
  VP_ASSIGN_OR_RETURN(const std::vector<CloudProject> before, list_projects(client));
  for (const CloudProject& project : before) {
    if (project.name != options.name) continue;
    return fail(ErrorKind::Usage, "there is a project \"{}\" already: {}", project.name,
                project.id);
  }
  VP_ASSIGN_OR_RETURN(const CloudDomain domain, find_domain(client, options));
  CloudCall call;
  call.what = "create project \"" + options.name + "\"";
  call.method = HttpMethod::Post;
  call.path = "projects";
  call.query = {{"name", options.name}, {"domainId", domain.id}};
  if (!options.description.empty()) call.query.emplace_back("description", options.description);
  if (domain.type == "Classification") {
    call.query.emplace_back("classificationType", options.multilabel ? "Multilabel" : "Multiclass");
  }
  // There was none of this name, so one that is there now is this call's.
  VP_ASSIGN_OR_RETURN(
      CloudJson answer, client.call_once(call, [&]() -> Result<std::optional<CloudJson>> {
        CloudCall list;
        list.what = "list projects";
        list.path = "projects";
        VP_ASSIGN_OR_RETURN(CloudJson made,
                            find_by_name(client.call(list), list.what, options.name));
        return unless_null(std::move(made));
      }));
  VP_ASSIGN_OR_RETURN(const CloudJson json, object_of(std::move(answer), call.what));
  return use_project(read_project(json));
}

Result<void> delete_project(CustomVisionClient& client, const CloudProject& project) {
  CloudCall call;
  call.what = "delete project \"" + project.name + "\"";
  call.method = HttpMethod::Delete;
  call.path = project_path(project);
  VP_ASSIGN_OR_RETURN(const CloudAnswer answer, client.ask(call));
  // It was there a moment ago; 404 answers a repeat whose first sending was acted on.
  if (!answer.is_success() && answer.status != 404) {
    return client.refuse(call, answer.status, answer.error);
  }
  return {};
}

Result<std::string> find_project_type(CustomVisionClient& client, const CloudProject& project) {
  VP_ASSIGN_OR_RETURN(const std::vector<CloudDomain> domains, list_domains(client));
  for (const CloudDomain& domain : domains) {
    if (domain.id == project.domain_id) return domain.type;
  }
  return fail(ErrorKind::Unsupported, "project \"{}\": its domain {} is not among the service's",
              project.name, project.domain_id);
}

Result<std::vector<CloudTag>> list_tags(CustomVisionClient& client, const CloudProject& project) {
  CloudCall call;
  call.what = "list tags";
  call.path = project_path(project) + "/tags";
  VP_ASSIGN_OR_RETURN(const CloudJson answer, client.call(call));
  VP_ASSIGN_OR_RETURN(const std::vector<CloudJson> objects, objects_of(answer, call.what));
  std::vector<CloudTag> tags;
  tags.reserve(objects.size());
  for (const CloudJson& json : objects) tags.push_back(read_tag(json));
  return tags;
}

Result<CloudTag> create_tag(CustomVisionClient& client, const CloudProject& project,
                            const std::string& name) {
  CloudCall call;
  call.what = "create tag \"" + name + "\"";
  call.method = HttpMethod::Post;
  call.path = project_path(project) + "/tags";
  call.query = {{"name", name}};
  VP_ASSIGN_OR_RETURN(
      CloudJson answer, client.call_once(call, [&]() -> Result<std::optional<CloudJson>> {
        CloudCall list;
        list.what = "list tags";
        list.path = call.path;
        VP_ASSIGN_OR_RETURN(CloudJson made, find_by_name(client.call(list), list.what, name));
        return unless_null(std::move(made));
      }));
  VP_ASSIGN_OR_RETURN(const CloudJson json, object_of(std::move(answer), call.what));
  return read_tag(json);
}

}  // namespace visionpress
