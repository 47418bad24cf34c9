#pragma once

// A request and its answer, for those who interpret them. No sockets.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace visionpress {

struct ServerRequest {
  std::string method = {};
  std::string target = {};  ///< path?query, still percent-encoded
  std::string host = {};    ///< of the Host header, or of a target that is a whole address
  std::vector<std::pair<std::string, std::string>> headers = {};  ///< names and values as sent
  std::string body = {};  ///< whole and unchunked; a Content-Encoding is still on it

  /// The header's first value, whatever the case of its name; empty where there is none.
  [[nodiscard]] std::string_view find_header(std::string_view name) const;
};

struct ServerReply {
  int status = 200;
  std::string body = {};
  std::string content_type = "application/json; charset=utf-8";
  std::vector<std::pair<std::string, std::string>> headers = {};
};

/// Why a request never came to be answered.
enum class ServerFault : std::uint8_t {
  Malformed,    ///< not HTTP/1.1, or a head beyond its limit
  TooLarge,     ///< the body is
  TimedOut,     ///< it was not there in time
  CutShort,     ///< the client closed before its end
  ForeignHost,  ///< it names another host than this machine
  Internal,     ///< our own fault, such as no memory
};

[[nodiscard]] bool equal_ignoring_case(std::string_view a, std::string_view b);

}  // namespace visionpress
