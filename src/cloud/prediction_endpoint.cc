#include "cloud/prediction_endpoint.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cloud/custom_vision_rules.h"
#include "cloud/fetch_image.h"
#include "cloud/http_server.h"
#include "cloud/try_page.h"

namespace visionpress {
namespace {

constexpr int kBadRequest = 400;
constexpr int kUnauthorized = 401;
constexpr int kForbidden = 403;
constexpr int kNotFound = 404;
constexpr int kWrongMethod = 405;
constexpr int kUnsupportedType = 415;
constexpr int kOurFault = 500;

ServerReply refuse(int status, std::string_view code, std::string_view message) {
  ServerReply reply;
  reply.status = status;
  reply.body = format_service_error(code, message);
  return reply;
}

ServerReply refuse_method(const ServerRequest& request, const char* allowed) {
  ServerReply reply =
      refuse(kWrongMethod, "BadRequestOperationNotSupported",
             fmt::format("The method {} is not supported here, only {}.", request.method, allowed));
  reply.headers.emplace_back("Allow", allowed);
  return reply;
}

/// Takes the same time wherever the two begin to differ.
bool equal_secrets(std::string_view a, std::string_view b) {
  unsigned difference = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    difference |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]);
  }
  return difference == 0;
}

ServerReply refuse_fault(ServerFault fault, int status) {
  switch (fault) {
    case ServerFault::Malformed:
      return refuse(status, "BadRequest",
                    "The request is no HTTP/1.1 that is understood here, or its head is too long.");
    case ServerFault::TooLarge:
      // The service answers so, and its clients look at the code.
      return refuse(kBadRequest, "BadRequestImageSizeBytes",
                    fmt::format("The body is larger than {} bytes.", kMaxPredictionBytes));
    case ServerFault::TimedOut:
      return refuse(status, "BadRequestImageStream", "The request did not come in time.");
    case ServerFault::CutShort:
      return refuse(status, "BadRequestImageStream", "The request ended before its body did.");
    case ServerFault::Internal:
      break;
  }
  return refuse(status, "ErrorUnknown", "The request could not be answered.");
}

std::string_view find_path(const ServerRequest& request) {
  const std::string_view target = request.target;
  return target.substr(0, target.find('?'));
}

/// Browsers send the origin of the page that asks. A page of another site must not make this
/// machine look at images, or fetch addresses, that it could not reach itself.
bool is_foreign_origin(const ServerRequest& request) {
  const std::string_view origin = request.find_header("Origin");
  if (origin.empty()) return false;
  const std::string_view host = request.find_header("Host");
  return origin != fmt::format("http://{}", host) && origin != fmt::format("https://{}", host);
}

}  // namespace

struct PredictionEndpoint::Impl {
  [[nodiscard]] std::optional<ServerReply> admit(const ServerRequest& head) const;
  [[nodiscard]] ServerReply answer(const ServerRequest& request);
  [[nodiscard]] ServerReply answer_prediction(const ServerRequest& request);
  [[nodiscard]] Result<std::string_view> find_image(const ServerRequest& request, bool by_url,
                                                    std::string& fetched) const;
  [[nodiscard]] bool has_key(const ServerRequest& request) const;
  [[nodiscard]] ServerReply describe_health() const;

  EndpointOptions options = {};
  PredictImage predict = {};
  std::chrono::steady_clock::time_point started = std::chrono::steady_clock::now();
  std::atomic<std::uint64_t> predictions = 0;
  std::atomic<std::uint64_t> refusals = 0;
  std::unique_ptr<HttpServer> server = nullptr;
};

bool PredictionEndpoint::Impl::has_key(const ServerRequest& request) const {
  if (options.keys.empty()) return true;
  bool found = false;
  for (const char* name : {"Prediction-Key", "Ocp-Apim-Subscription-Key"}) {
    const std::string_view given = request.find_header(name);
    for (const std::string& key : options.keys) found = equal_secrets(key, given) || found;
  }
  return found;
}

std::optional<ServerReply> PredictionEndpoint::Impl::admit(const ServerRequest& head) const {
  const std::string_view path = find_path(head);
  if (path == "/" || path == "/health") {
    if (head.method == "GET" || head.method == "HEAD") return std::nullopt;
    return refuse_method(head, "GET");
  }
  const auto route = find_prediction_route(head.target);
  if (!route) {
    return refuse(kNotFound, "NotFound",
                  "No such route; expected one of the prediction API v3.1, v3.0 or v2.0.");
  }
  if (is_foreign_origin(head)) {
    return refuse(kForbidden, "Forbidden", "Pages of other origins may not ask.");
  }
  if (!has_key(head)) {
    ServerReply reply;
    reply.status = kUnauthorized;
    reply.body = format_gateway_error(
        "401", "Access denied due to invalid subscription key. Send a valid Prediction-Key.");
    return reply;
  }
  if (head.method != "POST") return refuse_method(head, "POST");
  if (route->task && *route->task != options.task) {
    return refuse(kBadRequest, "BadRequest", "Invalid project type for operation.");
  }
  if (!route->by_url) return std::nullopt;
  if (!options.fetches_urls) {
    return refuse(kForbidden, "Forbidden", "This server fetches no images; send the image.");
  }
  // A page can send other types to another origin without asking, this one it cannot.
  if (!is_media_type(head.find_header("Content-Type"), "application/json")) {
    return refuse(kUnsupportedType, "UnsupportedMediaType",
                  "An image's address is sent as application/json.");
  }
  return std::nullopt;
}

Result<std::string_view> PredictionEndpoint::Impl::find_image(const ServerRequest& request,
                                                              bool by_url,
                                                              std::string& fetched) const {
  if (by_url) {
    VP_ASSIGN_OR_RETURN(const std::string url, read_image_url(request.body));
    VP_ASSIGN_OR_RETURN(fetched, fetch_image(url, {.max_bytes = kMaxPredictionBytes}));
    return fetched;
  }
  const std::string_view type = request.find_header("Content-Type");
  if (is_media_type(type, "multipart/form-data")) return find_image_part(request.body, type);
  return request.body;
}

ServerReply PredictionEndpoint::Impl::answer_prediction(const ServerRequest& request) {
  const auto route = find_prediction_route(request.target);
  if (!route) return refuse(kNotFound, "NotFound", "No such route.");  // admit has seen it
  std::string fetched;
  const auto image = find_image(request, route->by_url, fetched);
  if (!image) {
    return refuse(kBadRequest, route->by_url ? "BadRequestImageUrl" : "BadRequestImageStream",
                  image.error().message);
  }
  if (image->empty()) return refuse(kBadRequest, "BadRequestImageStream", "No image was sent.");
  const auto found = predict(std::as_bytes(std::span(*image)));
  if (found) {
    ServerReply reply;
    reply.body = format_predictions(*route, *found);
    return reply;
  }
  switch (found.error().kind) {
    case ErrorKind::Io:
    case ErrorKind::Malformed:
    case ErrorKind::Unsupported:
      return refuse(kBadRequest, "BadRequestImageFormat", found.error().message);
    case ErrorKind::InvalidArgument:
      return refuse(kBadRequest, "BadRequestImageDimensions", found.error().message);
    default:
      return refuse(kOurFault, "ErrorPrediction", found.error().message);
  }
}

ServerReply PredictionEndpoint::Impl::describe_health() const {
  const std::chrono::duration<double> up = std::chrono::steady_clock::now() - started;
  constexpr double kTenths = 10.0;
  const nlohmann::ordered_json json = {
      {"status", "ok"},
      {"model", options.model},
      {"task", options.task == Task::Detection ? "detection" : "classification"},
      {"uptimeSeconds",
       static_cast<double>(static_cast<std::int64_t>(up.count() * kTenths)) / kTenths},
      {"predictions", predictions.load()},
      {"refusals", refusals.load()}};
  ServerReply reply;
  reply.body = json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  return reply;
}

ServerReply PredictionEndpoint::Impl::answer(const ServerRequest& request) {
  const std::string_view path = find_path(request);
  if (path == "/health") return describe_health();
  if (path == "/") {
    ServerReply reply;
    reply.body = format_try_page(options.task, options.model);
    reply.content_type = "text/html; charset=utf-8";
    return reply;
  }
  ServerReply reply = answer_prediction(request);
  ++(reply.status < kBadRequest ? predictions : refusals);
  return reply;
}

PredictionEndpoint::PredictionEndpoint(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

PredictionEndpoint::~PredictionEndpoint() { stop(); }

Result<std::unique_ptr<PredictionEndpoint>> PredictionEndpoint::start(
    const EndpointOptions& options, PredictImage predict) {
  if (std::ranges::any_of(options.keys, [](const std::string& key) { return key.empty(); })) {
    return fail(ErrorKind::InvalidArgument, "a key is empty");
  }
  auto impl = std::make_unique<Impl>();
  impl->options = options;
  impl->predict = std::move(predict);
  Impl& endpoint = *impl;
  HttpHandlers handlers;
  handlers.admit = [&endpoint](const ServerRequest& head) {
    auto refused = endpoint.admit(head);
    if (refused) ++endpoint.refusals;
    return refused;
  };
  handlers.answer = [&endpoint](const ServerRequest& request) { return endpoint.answer(request); };
  handlers.refuse = [&endpoint](ServerFault fault, int status) {
    ++endpoint.refusals;
    return refuse_fault(fault, status);
  };
  VP_ASSIGN_OR_RETURN(impl->server, HttpServer::start({.host = options.host,
                                                       .port = options.port,
                                                       .connections = options.connections,
                                                       .max_body_bytes = kMaxPredictionBytes,
                                                       .receive_seconds = options.receive_seconds,
                                                       .idle_seconds = 5.0},
                                                      std::move(handlers)));
  return std::unique_ptr<PredictionEndpoint>(new PredictionEndpoint(std::move(impl)));
}

int PredictionEndpoint::port() const { return impl_->server->port(); }

void PredictionEndpoint::stop() {
  if (impl_ != nullptr) impl_->server->stop();
}

}  // namespace visionpress
