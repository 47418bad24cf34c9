#pragma once

// What applications ask of Custom Vision's prediction service and what it answers, as text: no
// sockets and no model.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "visionpress/result.h"
#include "visionpress/vocabulary.h"

namespace visionpress {

/// Whose answers a route's clients know.
enum class AnswerForm : std::uint8_t {
  Service,    ///< Custom Vision's own
  Container,  ///< of the Docker containers that it exports
};

/// A prediction route, read.
struct PredictionRoute {
  AnswerForm form = AnswerForm::Service;
  std::string project = {};    ///< as the application names it
  std::string iteration = {};  ///< v3: the published name; v2.0: iterationId, empty where not given
  std::optional<Task> task = std::nullopt;  ///< that it is for; v2.0's and containers': any
  bool by_url = false;                      ///< the body names an image by its address
};

/// target: a request's, percent-encoded. Takes /customvision/v3.0|v3.1/prediction/PROJECT/
/// detect|classify/iterations/NAME/image|url[/nostore] and /customvision/v2.0/prediction/PROJECT/
/// image|url[/nostore], and the containers' routes: these from PROJECT on, and image|url alone; in
/// any case of letters. Nothing for every other path.
/// source: the Swagger of the prediction API, v2.0 to v3.1; app.py of a Docker export, whose
/// detect and classify routes have one handler.
[[nodiscard]] std::optional<PredictionRoute> find_prediction_route(std::string_view target);

/// True: the media type is `type`, whatever parameters follow.
[[nodiscard]] bool is_media_type(std::string_view content_type, std::string_view type);

/// The image in a multipart/form-data body: its part named imageData, else its first file.
/// returns: a view into `body`. errors: Malformed.
[[nodiscard]] Result<std::string_view> find_image_part(std::string_view body,
                                                       std::string_view content_type);

/// The address in {"url": "..."}. errors: Malformed.
[[nodiscard]] Result<std::string> read_image_url(std::string_view body);

/// In shares of the image, 0 to 1.
struct EndpointBox {
  double left = 0.0;
  double top = 0.0;
  double width = 0.0;
  double height = 0.0;
};

struct EndpointPrediction {
  std::string tag = {};
  int tag_index = 0;  ///< its line in the label file, from 0
  double probability = 0.0;
  std::optional<EndpointBox> box = std::nullopt;  ///< of detectors
};

/// {id, project, iteration, created, predictions: [{probability, tagId, tagName, boundingBox,
/// tagType}]}. id is random; tagId and, where the route has no iteration's id, iteration follow
/// from the names and never change. Boxes are cut to the image.
/// In the containers' form the ids are empty, a detector's tagId is the label's line, numbers have
/// eight decimals and there is no tagType. source: predict.py and object_detection.py of exports.
[[nodiscard]] std::string format_predictions(const PredictionRoute& route,
                                             const std::vector<EndpointPrediction>& predictions);

/// {code, message}, the service's form of an error.
[[nodiscard]] std::string format_service_error(std::string_view code, std::string_view message);

/// What the gateway before the service says of a wrong key, {error: {code, message}}, with the
/// service's own code and message beside it: clients read either.
[[nodiscard]] std::string format_gateway_error(std::string_view code, std::string_view message);

/// A UUID (version 8) that depends on nothing but the text.
[[nodiscard]] std::string make_name_uuid(std::string_view kind, std::string_view name);

}  // namespace visionpress
