#pragma once

// HTTP/1.1 for many clients on one thread, on Boost.Beast and Boost.Asio. What is asked and
// answered is the handlers' business.

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/stop.h"
#include "cloud/http_message.h"
#include "visionpress/result.h"

namespace visionpress {

/// All are called by the server's thread and must not wait, since every client waits with them.
struct HttpHandlers {
  using Done = std::function<void(ServerReply)>;

  /// Sees the head before the body is read; a reply refuses the request without reading it.
  std::function<std::optional<ServerReply>(const ServerRequest& head)> admit = {};
  /// Calls `done` once, at once or later, from any thread; soon after `stop` is due.
  std::function<void(ServerRequest request, const Stop& stop, Done done)> answer = {};
  /// The body of a refusal; its status is the one given.
  std::function<ServerReply(ServerFault, int status)> refuse = {};
};

struct HttpServerOptions {
  std::string host = "127.0.0.1";  ///< address or name to listen on
  int port = 0;                    ///< 0: one that is free
  int connections = 64;            ///< requests whose bodies are held at the same time; others wait
  std::size_t max_body_bytes = 0;
  double receive_seconds = 30.0;  ///< from a request's first byte to its last
  double answer_seconds = 60.0;   ///< from there to its answer
  double idle_seconds = 5.0;      ///< that a connection may stay open without a request
};

class HttpServer {
 public:
  /// Listens and serves from a thread of its own. errors: Output when it cannot listen there,
  /// Internal when there is no thread for it.
  [[nodiscard]] static Result<std::unique_ptr<HttpServer>> start(const HttpServerOptions& options,
                                                                 HttpHandlers handlers);
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;
  /// What still answers must have ended: its `done` reaches into the server.
  ~HttpServer();

  [[nodiscard]] int port() const;
  /// Takes no more requests and gives those that have begun 0.6 seconds; then their `stop` is due,
  /// and 0.25 seconds later all connections are closed.
  void stop();

 private:
  struct Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace visionpress
