#pragma once

#include <string>
#include <string_view>

namespace visionpress {

/// What a Custom Vision reply other than success says.
struct ServiceError {
  std::string code = {};  ///< "BadRequestTrainingNotNeeded"; an open set; empty where none is given
  std::string message = {};  ///< never empty; of a body that is not JSON its beginning, on one line
};

/// Takes the service's {code, message}, the gateway's {error: {code, message}} and any other body.
[[nodiscard]] ServiceError read_service_error(std::string_view body);

}  // namespace visionpress
