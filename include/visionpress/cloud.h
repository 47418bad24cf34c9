#pragma once

/// Client of Microsoft's Custom Vision service (supported until 25 September 2028): takes a project
/// from labelled images to an exported model. Calls retry transient failures (429, 5xx, lost
/// connections) and never resend a request that would take effect twice.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "visionpress/predict.h"
#include "visionpress/result.h"
#include "visionpress/vocabulary.h"

namespace visionpress {

/// Address and keys of the service. Keys are sent in headers, only over TLS or to this computer,
/// and never appear in a message.
struct CloudAccess {
  std::string endpoint = {};        ///< "https://NAME.cognitiveservices.azure.com"
  std::string training_key = {};    ///< for everything but predictions
  std::string prediction_key = {};  ///< for predictions
  /// The endpoint may need no key, as with `serve`: a call whose key is empty is sent without one,
  /// and project names are not looked up.
  bool keys_optional = false;
  int retries = 8;             ///< retries per request
  int timeout_seconds = 60;    ///< a connection that moves (almost) no bytes for this long fails
  int request_seconds = 1800;  ///< limit for one request with all its retries
  /// Called before each wait for a failing service, with the seconds to wait and the reason in one
  /// line. May be empty. Runs on the thread that made the call.
  std::function<void(double, const std::string&)> on_wait = {};
};

/// A base model that training starts from.
struct CloudDomain {
  std::string id = {};
  std::string name = {};
  std::string type = {};  ///< "Classification", "ObjectDetection"
  bool exportable = false;
  bool enabled = true;
};

struct CloudProject {
  std::string id = {};
  std::string name = {};
  std::string description = {};
  std::string domain_id = {};
  std::string classification_type = {};  ///< "Multiclass", "Multilabel"; empty for detection
  std::string created = {};              ///< ISO 8601
};

struct CloudTag {
  std::string id = {};
  std::string name = {};
  std::string type = {};  ///< "Regular", "Negative", ...
  std::size_t images = 0;
};

/// One training of a project.
struct CloudIteration {
  std::string id = {};
  std::string name = {};
  std::string status = {};  ///< "Training", "Completed", "Failed"; an open set
  std::string created = {};
  std::string published_name = {};  ///< empty: not published
  std::string training_type = {};
  std::string error = {};  ///< why it failed, where the service says
  bool exportable = false;
  bool is_default = false;  ///< API 2 only
};

struct CloudCreateOptions {
  std::string name = {};
  std::string description = {};
  /// A domain's id, or its name, which domains of both types may share ("General (compact)").
  std::string domain = "General (compact)";
  std::string type = "ObjectDetection";  ///< of the domain
  bool multilabel = false;               ///< classifiers: several tags per image
};

struct CloudUploadOptions {
  std::string project = {};            ///< name or id
  std::string data = {};               ///< as EvaluateOptions::data
  std::string images = {};             ///< where the images are; empty: next to `data`
  std::vector<std::string> tags = {};  ///< only these; empty: all of the data set
  double min_box = 0.0;                ///< boxes below this share of the image's side are left out
  std::size_t max_images = 0;          ///< 0: all
  /// Folder that records what the service has acknowledged, so that an interrupted upload resumes.
  /// Empty: nothing is recorded; the service recognises images that it already has by their
  /// content.
  std::string state = {};
};

/// An image that is not in the project.
struct CloudUploadFailure {
  std::string file = {};
  std::string reason = {};  ///< the service's status ("ErrorImageFormat"), or why it was not sent
};

struct CloudUploadResult {
  std::string project_id = {};
  std::size_t images = 0;         ///< images of the data set that have a tag to send
  std::size_t created = 0;        ///< stored by this call
  std::size_t duplicates = 0;     ///< images that the service already had
  std::size_t resumed = 0;        ///< images that `state` lists as sent; not sent again
  std::size_t regions = 0;        ///< of all stored images, from this call or an earlier one
  std::size_t added_regions = 0;  ///< sent for images that the service had without them
  std::size_t clamped = 0;        ///< boxes that exceeded their image and were cut to it
  std::size_t left_out = 0;       ///< images without a box or tag
  std::size_t crowds = 0;         ///< boxes around crowds; the service has no such boxes
  std::size_t batches = 0;
  std::vector<std::string> created_tags = {};
  std::vector<CloudUploadFailure> failures = {};
  std::vector<std::string> warnings = {};
};

struct CloudTrainOptions {
  std::string project = {};
  bool advanced = false;  ///< false: "Regular", the quick training
  int budget_hours = 1;   ///< hours an advanced training may take on the service's machines
  bool force = false;     ///< train even if nothing changed
  bool wait = true;       ///< return only when the training has ended
  int max_wait_minutes =
      0;  ///< after this the call returns and the training goes on; 0: one day plus the budget
};

struct CloudTrainResult {
  CloudIteration iteration = {};
  /// The service refused because nothing changed; `iteration` is the newest completed one.
  bool unchanged = false;
  std::vector<std::string> warnings = {};
};

struct CloudPublishOptions {
  std::string project = {};
  std::string iteration = {};  ///< name or id; empty: the newest completed one
  std::string name = {};       ///< what predictions will call it
  std::string resource = {};   ///< ARM id of the prediction resource
  bool overwrite = false;      ///< take the name from the iteration that has it
  bool unpublish = false;      ///< unpublish instead; name and resource are ignored
};

struct CloudPerformanceOptions {
  std::string project = {};
  std::string iteration = {};
  double threshold = 0.5;  ///< 0..1: predictions of at least this probability count
  double overlap = 0.3;    ///< 0..1: intersection over union that makes a box a match
};

/// The service's own figures, from its own validation images. Shares, 0..1.
struct CloudTagPerformance {
  std::string tag = {};
  std::optional<double> precision = std::nullopt;
  std::optional<double> recall = std::nullopt;
  std::optional<double> ap = std::nullopt;
};

struct CloudPerformance {
  CloudIteration iteration = {};
  double threshold = 0.0;
  double overlap = 0.0;
  CloudTagPerformance total = {};
  std::vector<CloudTagPerformance> tags = {};
};

struct CloudExportOptions {
  std::string project = {};
  std::string iteration = {};  ///< name or id; empty: the newest completed, exportable one
  std::string platform = {};   ///< "CoreML", "TensorFlow", "ONNX", "DockerFile", ...; an open set
  std::string flavor = {};     ///< "TensorFlowLite", "Linux", ...; an open set; empty: default
  std::string output = {};     ///< empty: ITERATION.PLATFORM[.FLAVOR].zip, as the service names it
  bool overwrite = false;
  int max_wait_minutes = 120;  ///< limit for the service to make the package
};

struct CloudExportResult {
  CloudIteration iteration = {};
  std::string platform = {};
  std::string flavor = {};
  std::string output = {};
  std::uint64_t bytes = 0;
  std::vector<std::string> entries = {};  ///< names of the files in the package
  bool was_queued = false;                ///< the export had already been requested
};

struct CloudPredictOptions {
  std::string project = {};         ///< id; a name needs the training key too
  std::string published_name = {};  ///< API 3
  /// API 2: an iteration's id, or empty for the default iteration. Used where `published_name` is
  /// empty.
  std::string iteration = {};
  Task task = Task::Detection;  ///< API 3 has a route for each
  std::string data = {};        ///< data set that lists the images, instead of `images` of the call
  std::string images = {};      ///< where its images are
  std::size_t max_images = 0;
  bool skip_missing = false;           ///< missing images are left out
  std::vector<std::string> only = {};  ///< file names of the data set's images to send; empty: all
  bool store = false;                  ///< let the service keep the images
  float probability = 0.4F;            ///< answers above this are listed
  /// COCO results JSON of all answers; needs `data`. A failed call leaves its answers in
  /// NAME.partial, from which the same call resumes.
  std::string save_predictions = {};
  bool overwrite = false;
};

// In every call, `project` and `iteration` are a name or an id.
// errors of every call: Usage where a key or the endpoint is missing, or nothing has that name (the
// message lists the names that exist); Io where the service does not answer or refuses (with its
// code and message); Malformed where the answer has an unexpected form.

/// Lists the base models that training can start from, in the service's order.
[[nodiscard]] Result<std::vector<CloudDomain>> cloud_domains(const CloudAccess& access);
/// Lists the projects, in the service's order.
[[nodiscard]] Result<std::vector<CloudProject>> cloud_projects(const CloudAccess& access);
/// Creates a project. errors: Usage when a project of this name exists, or the domain does not (the
/// message lists the domains).
[[nodiscard]] Result<CloudProject> cloud_create(const CloudAccess& access,
                                                const CloudCreateOptions& options);
/// Deletes a project or, if `iteration` is not empty, only that iteration. returns: a text for
/// people that says what was deleted.
[[nodiscard]] Result<std::string> cloud_delete(const CloudAccess& access,
                                               const std::string& project,
                                               const std::string& iteration);
/// Lists a project's tags, each with the number of its images.
[[nodiscard]] Result<std::vector<CloudTag>> cloud_tags(const CloudAccess& access,
                                                       const std::string& project);
/// Sends the images of a data set with their tags and regions. Images that the service rejects are
/// listed in `failures`; they are not an error of the call.
/// errors: as load_dataset; Io where the service does not answer or refuses the call itself.
[[nodiscard]] Result<CloudUploadResult> cloud_upload(const CloudAccess& access,
                                                     const CloudUploadOptions& options,
                                                     const Progress& progress);
/// Starts a training and, if options.wait is set, returns when it has ended.
/// errors: Io with the service's reason when the training fails.
[[nodiscard]] Result<CloudTrainResult> cloud_train(const CloudAccess& access,
                                                   const CloudTrainOptions& options,
                                                   const Progress& progress);
/// Lists a project's iterations by creation time, oldest first.
[[nodiscard]] Result<std::vector<CloudIteration>> cloud_iterations(const CloudAccess& access,
                                                                   const std::string& project);
/// Publishes an iteration for predictions under a name, or unpublishes it. returns: the iteration
/// afterwards. errors: Usage without a name or resource; Io from the service where another
/// iteration has the name and `overwrite` is false.
[[nodiscard]] Result<CloudIteration> cloud_publish(const CloudAccess& access,
                                                   const CloudPublishOptions& options);
/// Makes an iteration the project's default. API 2 predicts with the default iteration; it knows no
/// publishing.
[[nodiscard]] Result<CloudIteration> cloud_default(const CloudAccess& access,
                                                   const std::string& project,
                                                   const std::string& iteration);
/// Fetches the figures that the service measured for an iteration on images that it held back.
[[nodiscard]] Result<CloudPerformance> cloud_performance(const CloudAccess& access,
                                                         const CloudPerformanceOptions& options);
/// Asks the service to export an iteration, waits, downloads the export, and checks that it is a
/// package.
/// errors: Io when the export fails; Malformed when the download is not an archive; Output.
[[nodiscard]] Result<CloudExportResult> cloud_export(const CloudAccess& access,
                                                     const CloudExportOptions& options,
                                                     const Progress& progress);
/// Sends images to the service for prediction. returns: as `predict` does, with the answers above
/// `probability`; `model` names the project and iteration.
/// errors: Unsupported for an image above the service's limit of 4 MB, naming it, before any image
/// is sent.
[[nodiscard]] Result<PredictResult> cloud_predict(const CloudAccess& access,
                                                  const std::vector<std::string>& images,
                                                  const CloudPredictOptions& options,
                                                  const Progress& progress);

}  // namespace visionpress
