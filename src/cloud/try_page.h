#pragma once

#include <string>

#include "cloud/prediction_request.h"

namespace visionpress {

/// A page, whole in itself, that sends an image to the endpoint it came from and draws the answer.
[[nodiscard]] std::string format_try_page(Task task, const std::string& model);

}  // namespace visionpress
