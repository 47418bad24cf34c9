#pragma once

/// Microsoft's Custom Vision service (supported until 25 September 2028): a project's whole way
/// from labelled images to an exported model. Calls wait out what passes (429, 5xx, lost
/// connections) and send nothing twice that would act twice.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "visionpress/predict.h"
#include "visionpress/result.h"
#include "visionpress/vocabulary.h"

namespace visionpress {

/// Where the service is, and who asks. Keys travel in headers, over TLS (or to this computer), and
/// are part of no message.
struct CloudAccess {
  std::string endpoint = {};        ///< "https://NAME.cognitiveservices.azure.com"
  std::string training_key = {};    ///< for everything but predictions
  std::string prediction_key = {};  ///< for predictions
  /// The endpoint may ask for no key, as `serve` does: what has no key is sent without one, and a
  /// project's name is no name to look up.
  bool keys_optional = false;
  int retries = 8;             ///< how often to send a failed request again
  int timeout_seconds = 60;    ///< a connection (almost) without a byte for so long is given up
  int request_seconds = 1800;  ///< a request with all its repeats takes no longer
  /// Told before each wait for a service that fails: its seconds, and why as one line. Empty:
  /// nobody. Called from the thread that made the call.
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
  /// A domain's id, or its name ("General (compact)"), which two types share.
  std::string domain = "General (compact)";
  std::string type = "ObjectDetection";  ///< of the domain
  bool multilabel = false;               ///< classifiers: several tags an image
};

struct CloudUploadOptions {
  std::string project = {};            ///< name or id
  std::string data = {};               ///< as EvaluateOptions::data
  std::string images = {};             ///< where the images are; empty: beside `data`
  std::vector<std::string> tags = {};  ///< only these; empty: all of the data set
  double min_box = 0.0;                ///< boxes below this share of the image's side are left out
  std::size_t max_images = 0;          ///< 0: all
  /// Folder that remembers what the service has acknowledged, so that an upload that was stopped
  /// goes on; empty: nothing is remembered, and what is there already is found by its content.
  std::string state = {};
};

/// An image that is not in the project.
struct CloudUploadFailure {
  std::string file = {};
  std::string reason = {};  ///< the service's status ("ErrorImageFormat"), or why it was not sent
};

struct CloudUploadResult {
  std::string project_id = {};
  std::size_t images = 0;         ///< of the data set that have a tag to be sent
  std::size_t created = 0;        ///< stored by this call
  std::size_t duplicates = 0;     ///< the service had them already
  std::size_t resumed = 0;        ///< `state` had them already; not sent
  std::size_t regions = 0;        ///< of the images that are stored, in this call or before
  std::size_t added_regions = 0;  ///< sent afterwards, for images that were there without them
  std::size_t clamped = 0;        ///< boxes that exceeded their image and were cut to it
  std::size_t left_out = 0;       ///< images without a box or tag
  std::size_t crowds = 0;         ///< boxes around crowds, which the service does not know
  std::size_t batches = 0;
  std::vector<std::string> created_tags = {};
  std::vector<CloudUploadFailure> failures = {};
  std::vector<std::string> warnings = {};
};

struct CloudTrainOptions {
  std::string project = {};
  bool advanced = false;     ///< false: "Regular", the quick training
  int budget_hours = 1;      ///< hours an advanced training may take on the service's machines
  bool force = false;        ///< train although nothing changed
  bool wait = true;          ///< until it is completed
  int max_wait_minutes = 0;  ///< then the call ends, not the training; 0: a day and the budget
};

struct CloudTrainResult {
  CloudIteration iteration = {};
  /// The service refused since nothing changed; `iteration` is the newest completed one.
  bool unchanged = false;
  std::vector<std::string> warnings = {};
};

struct CloudPublishOptions {
  std::string project = {};
  std::string iteration = {};  ///< name or id; empty: the newest completed one
  std::string name = {};       ///< what predictions will call it
  std::string resource = {};   ///< ARM id of the prediction resource
  bool overwrite = false;      ///< take the name from the iteration that has it
  bool unpublish = false;      ///< the other way round; name and resource are not used
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
  int max_wait_minutes = 120;  ///< for the service to make the package
};

struct CloudExportResult {
  CloudIteration iteration = {};
  std::string platform = {};
  std::string flavor = {};
  std::string output = {};
  std::uint64_t bytes = 0;
  std::vector<std::string> entries = {};  ///< of the package
  bool was_queued = false;                ///< the export had been asked for before
};

struct CloudPredictOptions {
  std::string project = {};         ///< id; a name needs the training key too
  std::string published_name = {};  ///< API 3
  /// API 2: an iteration's id, or empty for the default iteration. Used where `published_name` is
  /// empty.
  std::string iteration = {};
  Task task = Task::Detection;  ///< API 3 has a route for each
  std::string data = {};        ///< a data set in place of images
  std::string images = {};      ///< where its images are
  std::size_t max_images = 0;
  bool skip_missing = false;  ///< images that are not there are left out
  std::vector<std::string> only =
      {};                    ///< the data set's images to ask for, by file name; empty: all
  bool store = false;        ///< let the service keep the images
  float probability = 0.4F;  ///< answers above it are listed
  /// COCO results JSON, of all answers; needs `data`. A call that fails leaves its answers in
  /// NAME.partial, where the same call goes on.
  std::string save_predictions = {};
  bool overwrite = false;
};

// Every call: `project` and `iteration` are a name or an id. errors: Usage where no key or endpoint
// is given, or nothing has that name (naming what there is); Io where the service does not answer
// or refuses (its code and message); Malformed where the answer is not what it should be.

/// The base models of training, in the service's order.
[[nodiscard]] Result<std::vector<CloudDomain>> cloud_domains(const CloudAccess& access);
/// In the service's order.
[[nodiscard]] Result<std::vector<CloudProject>> cloud_projects(const CloudAccess& access);
/// errors: Usage when there is a project of this name, or no such domain (naming those there are).
[[nodiscard]] Result<CloudProject> cloud_create(const CloudAccess& access,
                                                const CloudCreateOptions& options);
/// Deletes a project, or one iteration of it where that is not empty. returns: what was deleted,
/// for people.
[[nodiscard]] Result<std::string> cloud_delete(const CloudAccess& access,
                                               const std::string& project,
                                               const std::string& iteration);
/// Each with the number of its images.
[[nodiscard]] Result<std::vector<CloudTag>> cloud_tags(const CloudAccess& access,
                                                       const std::string& project);
/// Sends the images of a data set with their tags and regions. Images that the service turns down
/// are in `failures`; they are no error of the call.
/// errors: as load_dataset; Io where the service does not answer or refuses the call itself.
[[nodiscard]] Result<CloudUploadResult> cloud_upload(const CloudAccess& access,
                                                     const CloudUploadOptions& options,
                                                     const Progress& progress);
/// Starts a training; where the options say so, returns when it has ended.
/// errors: Io with the service's reason when the training fails.
[[nodiscard]] Result<CloudTrainResult> cloud_train(const CloudAccess& access,
                                                   const CloudTrainOptions& options,
                                                   const Progress& progress);
/// By creation, the oldest first.
[[nodiscard]] Result<std::vector<CloudIteration>> cloud_iterations(const CloudAccess& access,
                                                                   const std::string& project);
/// Lets an iteration be asked for predictions by a name, or no longer. returns: the iteration as it
/// is then. errors: Usage without a name or resource; Io, by the service, where another iteration
/// has the name and `overwrite` is false.
[[nodiscard]] Result<CloudIteration> cloud_publish(const CloudAccess& access,
                                                   const CloudPublishOptions& options);
/// Makes an iteration the project's default: the way of API 2, before publishing.
[[nodiscard]] Result<CloudIteration> cloud_default(const CloudAccess& access,
                                                   const std::string& project,
                                                   const std::string& iteration);
/// What the service measured of an iteration on images it held back.
[[nodiscard]] Result<CloudPerformance> cloud_performance(const CloudAccess& access,
                                                         const CloudPerformanceOptions& options);
/// Has an iteration exported, waits, downloads it, and checks that it is a package.
/// errors: Io when the export fails; Malformed when what comes is no archive; Output.
[[nodiscard]] Result<CloudExportResult> cloud_export(const CloudAccess& access,
                                                     const CloudExportOptions& options,
                                                     const Progress& progress);
/// Asks the service what is in images. returns: as `predict` does, with the answers above
/// `probability`; model names the project and iteration.
/// errors: Unsupported, naming the image, for one beyond the service's 4 MB, before any is sent.
[[nodiscard]] Result<PredictResult> cloud_predict(const CloudAccess& access,
                                                  const std::vector<std::string>& images,
                                                  const CloudPredictOptions& options,
                                                  const Progress& progress);

}  // namespace visionpress
