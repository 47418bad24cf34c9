#include "cloud/prediction_service.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_text.h"
#include "cloud/content_coding.h"
#include "cloud/custom_vision_rules.h"
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
constexpr int kUnavailable = 503;

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

ServerReply refuse_size() {
  // The service answers so, and its clients look at the code.
  return refuse(kBadRequest, "BadRequestImageSizeBytes",
                fmt::format("The body is larger than {} bytes.", kMaxPredictionBytes));
}

/// Takes the same time wherever the two begin to differ.
bool equal_secrets(std::string_view a, std::string_view b) {
  unsigned difference = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    difference |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]);
  }
  return difference == 0;
}

std::string_view find_path(const ServerRequest& request) {
  const std::string_view target = request.target;
  return target.substr(0, target.find('?'));
}

/// Browsers send the origin of the page that asks. A page of another site must not make this
/// machine look at images, or fetch addresses, that it could not reach itself.
bool is_foreign_origin(const ServerRequest& request) {
  const auto is_foreign = [&request](const std::pair<std::string, std::string>& header) {
    const auto& [name, origin] = header;
    return equal_ignoring_case(name, "Origin") && !origin.empty() &&
           !equal_ignoring_case(origin, fmt::format("http://{}", request.host)) &&
           !equal_ignoring_case(origin, fmt::format("https://{}", request.host));
  };
  return std::ranges::any_of(request.headers, is_foreign);
}

}  // namespace

ServerReply PredictionService::count(ServerReply refusal) {
  ++refusals_;
  return refusal;
}

ServerReply PredictionService::refuse_fault(ServerFault fault, int status) {
  switch (fault) {
    case ServerFault::Malformed:
      return count(refuse(status, "BadRequest",
                          "The request is not well-formed HTTP/1.1, or its head is too long."));
    case ServerFault::TooLarge:
      return count(refuse_size());
    case ServerFault::TimedOut:
      return count(refuse(status, "BadRequestImageStream", "The request did not come in time."));
    case ServerFault::CutShort:
      return count(
          refuse(status, "BadRequestImageStream", "The request ended before its body did."));
    case ServerFault::ForeignHost:
      return count(refuse(status, "Forbidden",
                          "The Host header names another host; this server answers to localhost, "
                          "127.0.0.1 and [::1]."));
    case ServerFault::Internal:
      break;
  }
  return count(refuse(status, "ErrorUnknown", "The request could not be answered."));
}

bool PredictionService::has_key(const ServerRequest& request) const {
  if (options_.keys.empty()) return true;
  bool found = false;
  for (const char* name : {"Prediction-Key", "Ocp-Apim-Subscription-Key"}) {
    const std::string_view given = request.find_header(name);
    for (const std::string& key : options_.keys) found = equal_secrets(key, given) || found;
  }
  return found;
}

std::optional<ServerReply> PredictionService::admit(const ServerRequest& head) {
  auto refused = refuse_head(head);
  if (refused) ++refusals_;
  return refused;
}

std::optional<ServerReply> PredictionService::refuse_head(const ServerRequest& head) const {
  const std::string_view path = find_path(head);
  if (path == "/" || path == "/health") {
    if (head.method == "GET" || head.method == "HEAD") return std::nullopt;
    return refuse_method(head, "GET");
  }
  const auto route = find_prediction_route(head.target);
  if (!route) {
    return refuse(kNotFound, "NotFound",
                  "No such route; expected one of the prediction API v3.1, v3.0 or v2.0, or of a "
                  "Docker export.");
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
  if (route->task && *route->task != options_.task) {
    return refuse(kBadRequest, "BadRequest", "Invalid project type for operation.");
  }
  if (!route->by_url) return std::nullopt;
  if (!options_.fetches_urls) {
    return refuse(kForbidden, "Forbidden",
                  "This server fetches no images (--allow-url); send the image itself.");
  }
  // A page can send other types to another origin without asking, this one it cannot. Clients of
  // the containers send the JSON as a form, which curl does by itself.
  if (route->form == AnswerForm::Service &&
      !is_media_type(head.find_header("Content-Type"), "application/json")) {
    return refuse(kUnsupportedType, "UnsupportedMediaType",
                  "An image's address is sent as application/json.");
  }
  return std::nullopt;
}

ServerReply PredictionService::describe_health() const {
  const std::chrono::duration<double> up = std::chrono::steady_clock::now() - started_;
  constexpr double kTenths = 10.0;
  const nlohmann::ordered_json json = {
      {"status", "ok"},
      {"model", options_.model},
      {"task", options_.task == Task::Detection ? "detection" : "classification"},
      {"uptimeSeconds",
       static_cast<double>(static_cast<std::int64_t>(up.count() * kTenths)) / kTenths},
      {"predictions", predictions_.load()},
      {"refusals", refusals_.load()}};
  ServerReply reply;
  reply.body = to_json_line(json);
  return reply;
}

std::optional<ServerReply> PredictionService::answer_at_once(const ServerRequest& request) const {
  const std::string_view path = find_path(request);
  if (path == "/health") return describe_health();
  if (path != "/") return std::nullopt;
  ServerReply reply;
  reply.body = format_try_page(options_.task, options_.model);
  reply.content_type = "text/html; charset=utf-8";
  return reply;
}

std::optional<ServerReply> PredictionService::unpack(ServerRequest& request) const {
  const std::string coding(request.find_header("Content-Encoding"));
  auto body = decode_content(std::move(request.body), coding, kMaxPredictionBytes);
  if (body) {
    request.body = std::move(*body);
    return std::nullopt;
  }
  switch (body.error().kind) {
    case ErrorKind::InvalidArgument:
      return refuse_size();
    case ErrorKind::Unsupported:
      return refuse(kUnsupportedType, "UnsupportedMediaType", body.error().message);
    case ErrorKind::Malformed:
      return refuse(kBadRequest, "BadRequestImageStream", body.error().message);
    default:
      return refuse(kOurFault, "ErrorUnknown", body.error().message);
  }
}

tl::expected<std::string, ServerReply> PredictionService::find_url(ServerRequest& request) {
  if (auto refused = unpack(request)) return tl::unexpected(count(std::move(*refused)));
  auto url = read_image_url(request.body);
  if (url) return std::move(*url);
  return tl::unexpected(count(refuse(kBadRequest, "BadRequestImageUrl", url.error().message)));
}

tl::expected<std::string_view, ServerReply> PredictionService::find_image(ServerRequest& request) {
  if (auto refused = unpack(request)) return tl::unexpected(count(std::move(*refused)));
  Result<std::string_view> image = request.body;
  const std::string_view type = request.find_header("Content-Type");
  if (is_media_type(type, "multipart/form-data")) image = find_image_part(request.body, type);
  if (image && !image->empty()) return *image;
  return tl::unexpected(count(refuse(kBadRequest, "BadRequestImageStream",
                                     image ? "No image was sent." : image.error().message)));
}

ServerReply PredictionService::refuse_busy() {
  return count(refuse(kUnavailable, "ErrorPrediction",
                      "The machine has no threads or memory for it now; ask again."));
}

ServerReply PredictionService::reply(const PredictionRoute& route,
                                     const Result<std::vector<EndpointPrediction>>& found,
                                     const Stop& stop) {
  if (found) {
    ServerReply reply;
    reply.body = format_predictions(route, *found);
    ++predictions_;
    return reply;
  }
  if (stop.is_due()) {
    return count(refuse(kUnavailable, "ErrorPrediction",
                        stop.is_cancelled() ? "The server is about to end."
                                            : "The image was not looked at in time."));
  }
  switch (found.error().kind) {
    case ErrorKind::Io:
    case ErrorKind::Malformed:
    case ErrorKind::Unsupported:
    case ErrorKind::InvalidArgument:
      // What lies at an address that the caller named is nothing that the answer may tell.
      if (route.by_url) {
        return count(refuse(kBadRequest, "BadRequestImageUrl",
                            "No image that is read came from the address."));
      }
      return count(refuse(kBadRequest,
                          found.error().kind == ErrorKind::InvalidArgument
                              ? "BadRequestImageDimensions"
                              : "BadRequestImageFormat",
                          found.error().message));
    default:
      return count(refuse(kOurFault, "ErrorPrediction", found.error().message));
  }
}

}  // namespace visionpress
