#include "visionpress/cloud.h"

#include "base/error.h"
#include "cloud/ask_service.h"
#include "cloud/custom_vision_exports.h"
#include "cloud/custom_vision_images.h"
#include "cloud/custom_vision_iterations.h"
#include "cloud/custom_vision_projects.h"
#include "eval/dataset.h"

namespace visionpress {
namespace {

/// A client and the project that a call is about.
struct OpenProject {
  CustomVisionClient client;
  CloudProject project = {};
};

Result<OpenProject> open_project(const CloudAccess& access, const std::string& project) {
  VP_ASSIGN_OR_RETURN(CustomVisionClient client, CustomVisionClient::create(access));
  OpenProject opened{std::move(client), {}};
  VP_ASSIGN_OR_RETURN(opened.project, find_project(opened.client, project));
  return opened;
}

}  // namespace

Result<std::vector<CloudDomain>> cloud_domains(const CloudAccess& access) {
  VP_ASSIGN_OR_RETURN(CustomVisionClient client, CustomVisionClient::create(access));
  return list_domains(client);
}

Result<std::vector<CloudProject>> cloud_projects(const CloudAccess& access) {
  VP_ASSIGN_OR_RETURN(CustomVisionClient client, CustomVisionClient::create(access));
  return list_projects(client);
}

Result<CloudProject> cloud_create(const CloudAccess& access, const CloudCreateOptions& options) {
  VP_ASSIGN_OR_RETURN(CustomVisionClient client, CustomVisionClient::create(access));
  return create_project(client, options);
}

Result<std::string> cloud_delete(const CloudAccess& access, const std::string& project,
                                 const std::string& iteration) {
  VP_ASSIGN_OR_RETURN(OpenProject opened, open_project(access, project));
  if (iteration.empty()) {
    VP_RETURN_IF_ERROR(delete_project(opened.client, opened.project));
    return fmt::format("project \"{}\" ({})", opened.project.name, opened.project.id);
  }
  VP_ASSIGN_OR_RETURN(
      const CloudIteration found,
      find_iteration(opened.client, opened.project, iteration, IterationNeed::Completed));
  VP_RETURN_IF_ERROR(delete_iteration(opened.client, opened.project, found));
  return fmt::format("iteration \"{}\" ({}) of project \"{}\"", found.name, found.id,
                     opened.project.name);
}

Result<std::vector<CloudTag>> cloud_tags(const CloudAccess& access, const std::string& project) {
  VP_ASSIGN_OR_RETURN(OpenProject opened, open_project(access, project));
  return list_tags(opened.client, opened.project);
}

Result<CloudUploadResult> cloud_upload(const CloudAccess& access, const CloudUploadOptions& options,
                                       const Progress& progress) {
  if (options.data.empty()) return fail(ErrorKind::Usage, "no data set to upload");
  if (!(options.min_box >= 0.0 && options.min_box <= 1.0)) {
    return fail(ErrorKind::InvalidArgument, "min-box is {:g}, expected 0 to 1", options.min_box);
  }
  Diagnostics diagnostics;
  VP_ASSIGN_OR_RETURN(const Dataset dataset, load_dataset({.data = options.data,
                                                           .images = options.images,
                                                           .min_box = options.min_box,
                                                           .max_images = options.max_images,
                                                           .image_need = ImageNeed::Required,
                                                           .splits = Splits::ForTraining},
                                                          diagnostics));
  VP_ASSIGN_OR_RETURN(OpenProject opened, open_project(access, options.project));
  VP_ASSIGN_OR_RETURN(CloudUploadResult result,
                      upload_dataset(opened.client, opened.project, dataset, options, progress));
  result.warnings.insert(result.warnings.begin(), diagnostics.warnings().begin(),
                         diagnostics.warnings().end());
  return result;
}

Result<CloudTrainResult> cloud_train(const CloudAccess& access, const CloudTrainOptions& options,
                                     const Progress& progress) {
  if (options.budget_hours < 1) {
    return fail(ErrorKind::InvalidArgument, "budget is {} hours, expected 1 or more",
                options.budget_hours);
  }
  VP_ASSIGN_OR_RETURN(OpenProject opened, open_project(access, options.project));
  return train_project(opened.client, opened.project, options, progress);
}

Result<std::vector<CloudIteration>> cloud_iterations(const CloudAccess& access,
                                                     const std::string& project) {
  VP_ASSIGN_OR_RETURN(OpenProject opened, open_project(access, project));
  return list_iterations(opened.client, opened.project);
}

Result<CloudIteration> cloud_publish(const CloudAccess& access,
                                     const CloudPublishOptions& options) {
  VP_ASSIGN_OR_RETURN(OpenProject opened, open_project(access, options.project));
  return publish_iteration(opened.client, opened.project, options);
}

Result<CloudIteration> cloud_default(const CloudAccess& access, const std::string& project,
                                     const std::string& iteration) {
  VP_ASSIGN_OR_RETURN(OpenProject opened, open_project(access, project));
  return make_default_iteration(opened.client, opened.project, iteration);
}

Result<CloudPerformance> cloud_performance(const CloudAccess& access,
                                           const CloudPerformanceOptions& options) {
  for (const double share : {options.threshold, options.overlap}) {
    if (share >= 0.0 && share <= 1.0) continue;
    return fail(ErrorKind::InvalidArgument, "a threshold is {:g}, expected 0 to 1", share);
  }
  VP_ASSIGN_OR_RETURN(OpenProject opened, open_project(access, options.project));
  return load_performance(opened.client, opened.project, options);
}

Result<CloudExportResult> cloud_export(const CloudAccess& access, const CloudExportOptions& options,
                                       const Progress& progress) {
  VP_ASSIGN_OR_RETURN(OpenProject opened, open_project(access, options.project));
  return export_iteration(opened.client, opened.project, options, progress);
}

Result<PredictResult> cloud_predict(const CloudAccess& access,
                                    const std::vector<std::string>& images,
                                    const CloudPredictOptions& options, const Progress& progress) {
  return ask_service(access, images, options, progress);
}

}  // namespace visionpress
