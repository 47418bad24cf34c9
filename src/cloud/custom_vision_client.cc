#include "cloud/custom_vision_client.h"

#include <algorithm>
#include <array>

#include "base/ascii.h"
#include "base/error.h"
#include "base/json_text.h"

namespace visionpress {
namespace {

using std::chrono::milliseconds;

struct ApiTraits {
  const char* path;
  const char* key_header;
  bool predicts;
};

/// In the order of CloudApi. source: the Azure REST specifications of the two services.
constexpr std::array<ApiTraits, 4> kApis = {{
    {"/customvision/v3.3/training/", "Training-Key", false},
    {"/customvision/v2.2/Training/", "Training-Key", false},
    {"/customvision/v3.1/prediction/", "Prediction-Key", true},
    {"/customvision/v2.0/Prediction/", "Prediction-Key", true},
}};

constexpr std::size_t kMaxPackageBytes = std::size_t{1} << 30;  ///< exports are below 100 MB

const ApiTraits& traits_of(CloudApi api) { return kApis[static_cast<std::size_t>(api)]; }

/// "https://NAME.cognitiveservices.azure.com", whatever was pasted after it.
Result<std::string> read_endpoint(std::string_view text) {
  if (text.empty()) {
    return fail(ErrorKind::Usage,
                "no endpoint: give --endpoint or set VISIONPRESS_CV_ENDPOINT to "
                "https://NAME.cognitiveservices.azure.com");
  }
  const std::string_view scheme = text.substr(0, text.find("://"));
  if ((scheme != "https" && scheme != "http") || text.size() < scheme.size() + 4) {
    return fail(ErrorKind::Usage, "endpoint \"{}\": expected https://HOST", describe_url(text));
  }
  const std::string_view rest = text.substr(scheme.size() + 3);
  if (rest.substr(0, rest.find('/')).find('@') != std::string_view::npos) {
    return fail(ErrorKind::Usage, "endpoint \"{}\": expected https://HOST, without a user name",
                describe_url(text));
  }
  if (scheme == "http" && !is_loopback_url(text)) {
    return fail(ErrorKind::Usage,
                "endpoint \"{}\": the key would travel unencrypted; only this computer is reached "
                "over http",
                describe_url(text));
  }
  text = text.substr(0, text.find_first_of("?#"));
  text = text.substr(0, text.find("/customvision"));
  while (text.ends_with('/')) text.remove_suffix(1);
  return std::string(text);
}

Result<std::string> read_key(std::string_view key, const char* name) {
  while (!key.empty() && is_ascii_space(key.back())) {
    key.remove_suffix(1);
  }
  const bool is_plain =
      std::ranges::all_of(key, [](unsigned char c) { return c > 0x20 && c < 0x7f; });
  if (!is_plain) return fail(ErrorKind::Usage, "the {} key holds blanks or other characters", name);
  return std::string(key);
}

}  // namespace

Result<CustomVisionClient> CustomVisionClient::create(const CloudAccess& access) {
  RetryPolicy policy;
  policy.retries = access.retries;
  policy.longest_in_all = std::chrono::seconds(access.request_seconds);
  if (access.on_wait) {
    policy.on_wait = [say = access.on_wait, most = access.retries](milliseconds wait, int attempt,
                                                                   const HttpReply& reply) {
      const double seconds = static_cast<double>(wait.count()) / 1e3;
      const std::string why = reply.failure == HttpFailure::None
                                  ? fmt::format("the service answers {}", reply.status)
                                  : std::string("the service does not answer");
      say(seconds,
          fmt::format("{}: asked again in {:.0f} s ({} of {})", why, seconds, attempt + 1, most));
    };
  }
  return create(
      access,
      HttpClient(make_curl_transport(std::chrono::seconds(access.timeout_seconds)), policy));
}

Result<CustomVisionClient> CustomVisionClient::create(const CloudAccess& access,
                                                      HttpClient client) {
  CloudAccess checked = access;
  VP_ASSIGN_OR_RETURN(checked.endpoint, read_endpoint(access.endpoint));
  VP_ASSIGN_OR_RETURN(checked.training_key, read_key(access.training_key, "training"));
  VP_ASSIGN_OR_RETURN(checked.prediction_key, read_key(access.prediction_key, "prediction"));
  if (access.retries < 0 || access.timeout_seconds < 1 || access.request_seconds < 1) {
    return fail(ErrorKind::InvalidArgument,
                "retries is {}, timeout {} s and request limit {} s, expected at least 0, 1 s, 1 s",
                access.retries, access.timeout_seconds, access.request_seconds);
  }
  return CustomVisionClient(std::move(checked), std::move(client));
}

Result<HttpRequest> CustomVisionClient::make_request(const CloudCall& call) const {
  const ApiTraits& api = traits_of(call.api);
  const std::string& key = api.predicts ? access_.prediction_key : access_.training_key;
  if (key.empty() && !access_.keys_optional) {
    return fail(ErrorKind::Usage, "{}: no {} key: set VISIONPRESS_CV_{}_KEY or give --key-fd",
                call.what, api.predicts ? "prediction" : "training",
                api.predicts ? "PREDICTION" : "TRAINING");
  }
  HttpRequest request;
  request.method = call.method;
  request.url = access_.endpoint + api.path + call.path;
  char separator = '?';
  for (const auto& [name, value] : call.query) {
    request.url += separator + name + "=" + encode_url_part(value);
    separator = '&';
  }
  if (!key.empty()) request.headers.push_back({api.key_header, key});
  if (!call.body.empty()) request.headers.push_back({"Content-Type", call.content_type});
  request.body = call.body;
  request.repeat = call.repeat;
  return request;
}

std::string CustomVisionClient::hide_keys(std::string text) const {
  for (const std::string& key : {access_.training_key, access_.prediction_key}) {
    if (key.empty()) continue;
    for (std::size_t at = text.find(key); at != std::string::npos; at = text.find(key, at)) {
      text.replace(at, key.size(), "***");
      at += 3;
    }
  }
  return text;
}

tl::unexpected<Error> CustomVisionClient::fail_unanswered(const std::string& what,
                                                          const HttpReply& reply) const {
  if (reply.failure != HttpFailure::None) {
    return fail(ErrorKind::Io, "{}: no answer from {}: {}", what, access_.endpoint,
                hide_keys(reply.reason));
  }
  const ServiceError error = read_service_error(reply.body);
  return fail(ErrorKind::Io, "{}: the service fails with {}, asked up to {} times: {}", what,
              reply.status, access_.retries + 1, hide_keys(error.message));
}

tl::unexpected<Error> CustomVisionClient::refuse(const CloudCall& call, int status,
                                                 const ServiceError& error) const {
  const bool is_key = status == 401 || status == 403;
  // The gateway's code is the status once more.
  const std::string code = error.code == std::to_string(status) ? "" : hide_keys(error.code);
  return fail(ErrorKind::Io, "{}: the service answers {}{}{}: {}{}", call.what, status,
              code.empty() ? "" : " ", code, hide_keys(error.message),
              is_key ? "; do the key and the endpoint belong together?" : "");
}

Result<CloudAnswer> CustomVisionClient::ask(const CloudCall& call) {
  VP_ASSIGN_OR_RETURN(HttpRequest request, make_request(call));
  const HttpReply reply = http_.send(std::move(request));
  if (!reply.is_answer()) return fail_unanswered(call.what, reply);
  CloudAnswer answer;
  answer.status = reply.status;
  auto json = parse_json<CloudJson>(reply.body);
  if (reply.is_success()) {
    if (json.is_discarded() && !reply.body.empty()) {
      return fail(ErrorKind::Malformed, "{}: the answer is no JSON: {}", call.what,
                  hide_keys(read_service_error(reply.body).message));
    }
  } else {
    answer.error = read_service_error(reply.body);
  }
  if (!json.is_discarded()) answer.json = std::move(json);
  return answer;
}

Result<CloudJson> CustomVisionClient::call(const CloudCall& call) {
  VP_ASSIGN_OR_RETURN(CloudAnswer answer, ask(call));
  if (!answer.is_success()) return refuse(call, answer.status, answer.error);
  return std::move(answer.json);
}

Result<CloudAnswer> CustomVisionClient::ask_once(CloudCall call, const FindOutcome& find) {
  call.repeat = Repeat::IfUnseen;
  VP_ASSIGN_OR_RETURN(const HttpRequest request, make_request(call));
  const auto began = HttpClient::Clock::now();
  for (int attempt = 0;; ++attempt) {
    const HttpReply reply = http_.send(request, began);
    CloudAnswer answer;
    if (reply.is_answer()) {
      answer.status = reply.status;
      auto json = parse_json<CloudJson>(reply.body);
      if (!json.is_discarded()) answer.json = std::move(json);
      if (!answer.is_success()) answer.error = read_service_error(reply.body);
      return answer;
    }
    const bool may_go_on =
        reply.failure != HttpFailure::Hopeless && reply.failure != HttpFailure::Refused &&
        reply.failure != HttpFailure::NotReached && http_.pause(attempt, reply, began);
    if (!may_go_on) return fail_unanswered(call.what, reply);
    VP_ASSIGN_OR_RETURN(std::optional<CloudJson> made, find());
    if (made) {
      answer.status = 200;
      answer.json = std::move(*made);
      return answer;
    }
  }
}

Result<CloudJson> CustomVisionClient::call_once(const CloudCall& call, const FindOutcome& find) {
  VP_ASSIGN_OR_RETURN(CloudAnswer answer, ask_once(call, find));
  if (!answer.is_success()) return refuse(call, answer.status, answer.error);
  return std::move(answer.json);
}

Result<std::string> CustomVisionClient::call_bytes(const CloudCall& call) {
  VP_ASSIGN_OR_RETURN(HttpRequest request, make_request(call));
  request.max_reply_bytes = kMaxPackageBytes;
  HttpReply reply = http_.send(std::move(request));
  if (!reply.is_answer()) return fail_unanswered(call.what, reply);
  if (!reply.is_success()) return refuse(call, reply.status, read_service_error(reply.body));
  return std::move(reply.body);
}

Result<std::string> CustomVisionClient::download(const std::string& url) {
  HttpRequest request;
  request.url = url;
  request.redirects = Redirects::Follow;
  request.max_reply_bytes = kMaxPackageBytes;
  HttpReply reply = http_.send(std::move(request));
  if (reply.failure != HttpFailure::None) {
    return fail(ErrorKind::Io, "{}: no answer: {}", describe_url(url), hide_keys(reply.reason));
  }
  if (!reply.is_success()) {
    return fail(ErrorKind::Io, "{}: status {}", describe_url(url), reply.status);
  }
  return std::move(reply.body);
}

Result<void> CloudPoll::wait(const Progress& progress, const std::string& what) {
  // As often as Microsoft's own tool asks (every 5 s), after a beginning for what is quick.
  constexpr milliseconds kLongest{5'000};
  const auto passed = std::chrono::duration_cast<milliseconds>(HttpClient::Clock::now() - began_);
  if (std::max(passed, waited_) >= limit_) {
    return fail(
        ErrorKind::Io,
        "{}: not done after {} minutes; the service goes on by itself, and the same command "
        "waits again (--max-wait)",
        what, limit_.count());
  }
  if (progress) progress(static_cast<std::size_t>(waited_.count() / 1000), 0, what);
  client_.sleep(next_);
  waited_ += next_;
  next_ = std::min(next_ * 2, kLongest);
  return {};
}

bool flag_of(const CloudJson& object, const char* key) {
  if (!object.is_object()) return false;
  const auto found = object.find(key);
  return found != object.end() && found->is_boolean() && found->get<bool>();
}

std::optional<double> number_of(const CloudJson& object, const char* key) {
  if (!object.is_object()) return std::nullopt;
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number()) return std::nullopt;
  return found->get<double>();
}

Result<std::vector<CloudJson>> objects_of(const CloudJson& answer, const std::string& what) {
  if (!answer.is_array()) {
    return fail(ErrorKind::Malformed, "{}: the answer is {}, expected an array", what,
                answer.type_name());
  }
  std::vector<CloudJson> objects;
  for (const CloudJson& entry : answer) {
    if (!entry.is_object()) {
      return fail(ErrorKind::Malformed, "{}: entry {} of the answer is {}, expected an object",
                  what, objects.size(), entry.type_name());
    }
    objects.push_back(entry);
  }
  return objects;
}

Result<CloudJson> object_of(CloudJson answer, const std::string& what) {
  if (text_at(answer, "id").empty()) {
    return fail(ErrorKind::Malformed, "{}: the answer is {}, expected an object with an id", what,
                answer.is_object() ? "an object without an id" : answer.type_name());
  }
  return answer;
}

}  // namespace visionpress
