#include "cloud/custom_vision_prediction.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace visionpress {
namespace {

Result<CloudDetection> read_prediction(const CloudJson& json, const std::string& what) {
  CloudDetection seen;
  seen.tag = text_at(json, "tagName");
  const std::optional<double> probability = number_of(json, "probability");
  if (seen.tag.empty() || !probability) {
    return fail(ErrorKind::Malformed, "{}: a prediction has no {}", what,
                seen.tag.empty() ? "tagName" : "probability");
  }
  seen.probability = *probability;
  if (!(seen.probability >= 0.0 && seen.probability <= 1.0)) {
    return fail(ErrorKind::Malformed, "{}: a probability of {}, expected 0..1", what,
                seen.probability);
  }
  const auto box = json.find("boundingBox");
  if (box == json.end() || !box->is_object()) return seen;
  seen.left = number_of(*box, "left").value_or(0.0);
  seen.top = number_of(*box, "top").value_or(0.0);
  seen.width = std::max(0.0, number_of(*box, "width").value_or(0.0));
  seen.height = std::max(0.0, number_of(*box, "height").value_or(0.0));
  // Boxes reach beyond the image, by a part of its size.
  constexpr double kFarthest = 1000.0;
  for (const double side : {seen.left, seen.top, seen.width, seen.height}) {
    if (std::abs(side) <= kFarthest) continue;
    return fail(ErrorKind::Malformed, "{}: a boundingBox with {}, expected shares of the image",
                what, side);
  }
  return seen;
}

}  // namespace

Result<std::vector<CloudDetection>> predict_image(CustomVisionClient& client,
                                                  const std::string& project_id,
                                                  const CloudPredictOptions& options,
                                                  const std::string& name, Bytes bytes) {
  CloudCall call;
  call.what = "predict " + name;
  call.method = HttpMethod::Post;
  call.content_type = "application/octet-stream";
  call.body = view_text(bytes);
  const std::string ending = options.store ? "image" : "image/nostore";
  if (!options.published_name.empty()) {
    call.api = CloudApi::Prediction;
    call.path = fmt::format("{}/{}/iterations/{}/{}", encode_url_part(project_id),
                            options.task == Task::Detection ? "detect" : "classify",
                            encode_url_part(options.published_name), ending);
  } else {
    call.api = CloudApi::Prediction2;
    call.path = encode_url_part(project_id) + "/" + ending;
    if (!options.iteration.empty()) call.query = {{"iterationId", options.iteration}};
  }
  // A repeat of an image that the service keeps would be kept twice, and nothing tells whether the
  // first was.
  call.repeat = options.store ? Repeat::IfUnseen : Repeat::Harmless;
  VP_ASSIGN_OR_RETURN(const CloudJson answer, client.call(call));
  const auto list = answer.is_object() ? answer.find("predictions") : answer.end();
  if (list == answer.end()) {
    return fail(ErrorKind::Malformed, "{}: the answer has no predictions", call.what);
  }
  VP_ASSIGN_OR_RETURN(const std::vector<CloudJson> objects, objects_of(*list, call.what));
  std::vector<CloudDetection> all;
  for (const CloudJson& json : objects) {
    VP_ASSIGN_OR_RETURN(CloudDetection seen, read_prediction(json, call.what));
    all.push_back(std::move(seen));
  }
  return all;
}

}  // namespace visionpress
