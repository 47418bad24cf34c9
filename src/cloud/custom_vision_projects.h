#pragma once

// Domains, projects and tags.

#include <string>
#include <vector>

#include "cloud/custom_vision_client.h"

namespace visionpress {

[[nodiscard]] Result<std::vector<CloudDomain>> list_domains(CustomVisionClient& client);
[[nodiscard]] Result<std::vector<CloudProject>> list_projects(CustomVisionClient& client);
/// By id, or by a name that only one project has.
/// errors: Usage when there is none (naming those there are) or more than one.
[[nodiscard]] Result<CloudProject> find_project(CustomVisionClient& client,
                                                const std::string& name_or_id);
[[nodiscard]] Result<CloudProject> create_project(CustomVisionClient& client,
                                                  const CloudCreateOptions& options);
[[nodiscard]] Result<void> delete_project(CustomVisionClient& client, const CloudProject& project);
/// "ObjectDetection" or "Classification". errors: Io, Unsupported for a domain that is not listed.
[[nodiscard]] Result<std::string> find_project_type(CustomVisionClient& client,
                                                    const CloudProject& project);

[[nodiscard]] Result<std::vector<CloudTag>> list_tags(CustomVisionClient& client,
                                                      const CloudProject& project);
[[nodiscard]] Result<CloudTag> create_tag(CustomVisionClient& client, const CloudProject& project,
                                          const std::string& name);

/// "projects/ID" as a path.
[[nodiscard]] std::string project_path(const CloudProject& project);

}  // namespace visionpress
