#pragma once

// Iterations: training, publishing, the service's own figures, exports.

#include <functional>
#include <string>
#include <vector>

#include "cloud/custom_vision_projects.h"

namespace visionpress {

/// The oldest first.
[[nodiscard]] Result<std::vector<CloudIteration>> list_iterations(CustomVisionClient& client,
                                                                  const CloudProject& project);

enum class IterationNeed : std::uint8_t { Completed, Exportable };

/// By id or name; empty: the newest that is completed (and exportable, where that is needed).
/// errors: Usage when there is none, naming those there are.
[[nodiscard]] Result<CloudIteration> find_iteration(CustomVisionClient& client,
                                                    const CloudProject& project,
                                                    const std::string& name_or_id,
                                                    IterationNeed need);
[[nodiscard]] Result<CloudTrainResult> train_project(CustomVisionClient& client,
                                                     const CloudProject& project,
                                                     const CloudTrainOptions& options,
                                                     const Progress& progress);
[[nodiscard]] Result<CloudIteration> publish_iteration(CustomVisionClient& client,
                                                       const CloudProject& project,
                                                       const CloudPublishOptions& options);
[[nodiscard]] Result<CloudIteration> make_default_iteration(CustomVisionClient& client,
                                                            const CloudProject& project,
                                                            const std::string& iteration);
[[nodiscard]] Result<CloudPerformance> load_performance(CustomVisionClient& client,
                                                        const CloudProject& project,
                                                        const CloudPerformanceOptions& options);
[[nodiscard]] Result<void> delete_iteration(CustomVisionClient& client, const CloudProject& project,
                                            const CloudIteration& iteration);

/// "projects/ID/iterations/ID" as a path.
[[nodiscard]] std::string iteration_path(const CloudProject& project,
                                         const CloudIteration& iteration);

}  // namespace visionpress
