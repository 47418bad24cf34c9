#pragma once

// HTTP/1.1 for a few clients: sockets, threads, limits and time-outs. What is asked and answered is
// the handlers' business. cpp-httplib reads heads and chunked or compressed bodies and writes the
// answers; the rest is here, since its own loop bounds neither a request's head nor its time.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "visionpress/result.h"

namespace visionpress {

struct ServerRequest {
  std::string method = {};
  std::string target = {};                                        ///< as sent: path?query
  std::vector<std::pair<std::string, std::string>> headers = {};  ///< names as sent
  std::string body = {};  ///< whole, unchunked and uncompressed

  /// The header's first value, whatever the case of its name; empty where there is none.
  [[nodiscard]] std::string_view find_header(std::string_view name) const;
};

struct ServerReply {
  int status = 200;
  std::string body = {};
  std::string content_type = "application/json; charset=utf-8";
  std::vector<std::pair<std::string, std::string>> headers = {};
};

/// Why a request never came to `answer`.
enum class ServerFault : std::uint8_t {
  Malformed,  ///< no HTTP, or a head beyond its limit
  TooLarge,   ///< the body is
  TimedOut,   ///< it was not there in time
  CutShort,   ///< the client closed before its end
  Internal,   ///< our own fault, such as no memory
};

/// Each is called from several threads at the same time.
struct HttpHandlers {
  /// Sees the head before the body is read; a reply refuses the request without reading it.
  std::function<std::optional<ServerReply>(const ServerRequest& head)> admit = {};
  std::function<ServerReply(const ServerRequest&)> answer = {};
  /// The body of a refusal; its status is the one given.
  std::function<ServerReply(ServerFault, int status)> refuse = {};
};

struct HttpServerOptions {
  std::string host = "127.0.0.1";  ///< address or name to listen on
  int port = 0;                    ///< 0: one that is free
  int connections = 64;            ///< served at the same time, a thread each; others wait
  std::size_t max_body_bytes = 0;
  double receive_seconds = 30.0;  ///< from a request's first byte to its last
  double idle_seconds = 5.0;      ///< that a connection may stay open without a request
};

class HttpServer {
 public:
  /// Listens and serves from threads of its own. errors: Output when it cannot listen there.
  [[nodiscard]] static Result<std::unique_ptr<HttpServer>> start(const HttpServerOptions& options,
                                                                 HttpHandlers handlers);
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;
  ~HttpServer();

  [[nodiscard]] int port() const;
  /// Takes no more requests, finishes those that have begun (a half-sent one gets two seconds for
  /// its rest) and returns when all threads have ended.
  void stop();

 private:
  struct Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace visionpress
