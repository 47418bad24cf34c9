#pragma once

#include <cstddef>
#include <string>

#include "visionpress/result.h"

namespace visionpress {

struct FetchOptions {
  std::size_t max_bytes = 0;
  long seconds = 20;  ///< for the whole transfer
};

/// Gets what an http or https address gives, at most three redirects on (to http and https alone),
/// TLS verified. errors: InvalidArgument for other addresses; Io, naming what went wrong, for no
/// answer, one that is not 200, or too many bytes.
[[nodiscard]] Result<std::string> fetch_image(const std::string& url, const FetchOptions& options);

}  // namespace visionpress
