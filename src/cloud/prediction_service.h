#pragma once

// What the endpoint says to each request, as far as it needs neither sockets nor a model: who may
// ask, where in a request its image is, and the words of answers and refusals.

#include <atomic>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/stop.h"
#include "cloud/http_message.h"
#include "cloud/prediction_request.h"
#include "visionpress/result.h"

namespace visionpress {

struct ServiceOptions {
  Task task = Task::Detection;
  std::string model = {};              ///< a name, for /health and the page
  std::vector<std::string> keys = {};  ///< one of them must be sent; none: anybody may ask
  bool fetches_urls = false;           ///< takes {"url": ...} bodies
};

/// May be asked by several threads at the same time.
class PredictionService {
 public:
  explicit PredictionService(ServiceOptions options) : options_(std::move(options)) {}

  /// A reply refuses the request by its head.
  [[nodiscard]] std::optional<ServerReply> admit(const ServerRequest& head);
  /// The reply where it needs no image: /health and the page.
  [[nodiscard]] std::optional<ServerReply> answer_at_once(const ServerRequest& request) const;

  /// The address that an admitted request names. errors: the reply.
  [[nodiscard]] tl::expected<std::string, ServerReply> find_url(ServerRequest& request);
  /// The image of an admitted request, a view into its body, which is unpacked before. errors: the
  /// reply.
  [[nodiscard]] tl::expected<std::string_view, ServerReply> find_image(ServerRequest& request);

  [[nodiscard]] ServerReply refuse_fault(ServerFault fault, int status);
  /// 503: the same request may be answered later.
  [[nodiscard]] ServerReply refuse_busy();
  /// What was found in the image, or why nothing was. stop: of this request.
  [[nodiscard]] ServerReply reply(const PredictionRoute& route,
                                  const Result<std::vector<EndpointPrediction>>& found,
                                  const Stop& stop);

 private:
  [[nodiscard]] std::optional<ServerReply> refuse_head(const ServerRequest& head) const;
  [[nodiscard]] bool has_key(const ServerRequest& request) const;
  [[nodiscard]] ServerReply describe_health() const;
  /// nothing: the body is unpacked now.
  [[nodiscard]] std::optional<ServerReply> unpack(ServerRequest& request) const;
  [[nodiscard]] ServerReply count(ServerReply refusal);

  ServiceOptions options_;
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  std::atomic<std::uint64_t> predictions_ = 0;
  std::atomic<std::uint64_t> refusals_ = 0;
};

}  // namespace visionpress
