#pragma once

#include <cstddef>
#include <string>

#include <sys/socket.h>

#include "base/stop.h"
#include "visionpress/result.h"

namespace visionpress {

struct FetchOptions {
  std::size_t max_bytes = 0;
  double seconds = 20.0;  ///< for the whole transfer
  /// Asked before each connection, the redirects' too, about the address that it would be made to.
  bool (*is_allowed)(const sockaddr& address) = nullptr;
};

/// Gets what an http or https address gives, at most three redirects on (to http and https alone),
/// TLS verified, past no proxy. Ends within a tenth of a second when `stop` is due.
/// errors: Internal when there is no thread or memory for it; else Io, which does not say what
/// lies at the address: the caller must not learn more than that no image came.
[[nodiscard]] Result<std::string> fetch_image(const std::string& url, const FetchOptions& options,
                                              const Stop& stop);

}  // namespace visionpress
