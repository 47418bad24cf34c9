#pragma once

// Asking a published or default iteration what is in an image.

#include <string>
#include <vector>

#include "cloud/custom_vision_client.h"
#include "eval/image.h"

namespace visionpress {

struct CloudDetection {
  std::string tag = {};
  double probability = 0.0;
  double left = 0.0;  ///< shares of the image; a classifier's box is all of it
  double top = 0.0;
  double width = 1.0;
  double height = 1.0;
};

/// project_id: as an id. bytes: of the image file. returns: in the service's order.
[[nodiscard]] Result<std::vector<CloudDetection>> predict_image(CustomVisionClient& client,
                                                                const std::string& project_id,
                                                                const CloudPredictOptions& options,
                                                                const std::string& name,
                                                                Bytes bytes);

}  // namespace visionpress
