#pragma once

// How one call of Custom Vision is made: addresses, keys, errors. What the calls are is in
// custom_vision_projects.h and its neighbours.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/json_text.h"
#include "cloud/http_client.h"
#include "cloud/service_error.h"
#include "visionpress/cloud.h"
#include "visionpress/result.h"

namespace visionpress {

using CloudJson = nlohmann::json;

/// The service's two halves, each with the generation that iterations are published in and the one
/// before it, with its default iteration.
enum class CloudApi : std::uint8_t {
  Training,     ///< v3.3
  Training2,    ///< v2.2
  Prediction,   ///< v3.1
  Prediction2,  ///< v2.0
};

struct CloudCall {
  std::string what = {};  ///< "create tag \"cat\"": begins every message about it
  HttpMethod method = HttpMethod::Get;
  CloudApi api = CloudApi::Training;
  std::string path = {};  ///< below the API's base, its parts encoded
  std::vector<std::pair<std::string, std::string>> query = {};  ///< values are encoded here
  std::string body = {};
  std::string content_type = "application/json";  ///< of a body that is not empty
  Repeat repeat = Repeat::Harmless;
};

/// What the service said, agreeing or not.
// NOLINTNEXTLINE(bugprone-exception-escape): the JSON value's move checks itself, and is noexcept
struct CloudAnswer {
  int status = 0;
  CloudJson json = {};      ///< of a success; null where the body is none
  ServiceError error = {};  ///< of anything else

  [[nodiscard]] bool is_success() const { return status >= 200 && status < 300; }
};

/// Finds what a call made whose answer was lost; nothing: it was not acted on.
using FindOutcome = std::function<Result<std::optional<CloudJson>>()>;

class CustomVisionClient {
 public:
  /// errors: Usage when the endpoint is no address, or is one that would carry keys unencrypted to
  /// another computer; when a key cannot be a header.
  [[nodiscard]] static Result<CustomVisionClient> create(const CloudAccess& access);
  /// The same over another client: for tests.
  [[nodiscard]] static Result<CustomVisionClient> create(const CloudAccess& access,
                                                         HttpClient client);

  /// Any answer, refusals among them. errors: Io when none came; Usage without the key it needs.
  [[nodiscard]] Result<CloudAnswer> ask(const CloudCall& call);
  /// The JSON of a success. errors: Io with the service's words for a refusal.
  [[nodiscard]] Result<CloudJson> call(const CloudCall& call);
  /// A call that must not be acted on twice: when its answer is lost, `find` looks for what it
  /// made before it is sent again.
  [[nodiscard]] Result<CloudAnswer> ask_once(CloudCall call, const FindOutcome& find);
  [[nodiscard]] Result<CloudJson> call_once(const CloudCall& call, const FindOutcome& find);

  /// A file from an address the service named. No key goes there.
  /// errors: Io, without the address's query, which is a signature.
  [[nodiscard]] Result<std::string> download(const std::string& url);
  /// Bytes in place of JSON. errors: Io.
  [[nodiscard]] Result<std::string> call_bytes(const CloudCall& call);

  /// What a refusal says, on one line, without keys.
  [[nodiscard]] tl::unexpected<Error> refuse(const CloudCall& call, int status,
                                             const ServiceError& error) const;
  void sleep(std::chrono::milliseconds time) const { http_.sleep(time); }
  /// Sendings after the first, of requests and of images that the service could not store.
  [[nodiscard]] int retries() const { return access_.retries; }

 private:
  CustomVisionClient(CloudAccess access, HttpClient http)
      : access_(std::move(access)), http_(std::move(http)) {}
  [[nodiscard]] Result<HttpRequest> make_request(const CloudCall& call) const;
  [[nodiscard]] tl::unexpected<Error> fail_unanswered(const std::string& what,
                                                      const HttpReply& reply) const;
  [[nodiscard]] std::string hide_keys(std::string text) const;

  CloudAccess access_;
  HttpClient http_;
};

/// Waits that grow, for asking how something is getting on.
class CloudPoll {
 public:
  /// limit: of all waits; the service may never come to an end.
  CloudPoll(CustomVisionClient& client, std::chrono::minutes limit)
      : client_(client), limit_(limit) {}
  /// Waits, and tells `progress` how long it has been. what: is waited for, and its state.
  /// errors: Io when the limit is reached.
  [[nodiscard]] Result<void> wait(const Progress& progress, const std::string& what);

 private:
  CustomVisionClient& client_;
  std::chrono::minutes limit_;
  HttpClient::Clock::time_point began_ = HttpClient::Clock::now();
  std::chrono::milliseconds next_{500};
  std::chrono::milliseconds waited_{0};
};

/// Fields of answers; false or nothing where they are missing, null or of another kind. Texts:
/// text_at.
[[nodiscard]] bool flag_of(const CloudJson& object, const char* key);
[[nodiscard]] std::optional<double> number_of(const CloudJson& object, const char* key);
/// errors: Malformed when the answer is no array of objects.
[[nodiscard]] Result<std::vector<CloudJson>> objects_of(const CloudJson& answer,
                                                        const std::string& what);
/// errors: Malformed when the answer is no object with an "id".
[[nodiscard]] Result<CloudJson> object_of(CloudJson answer, const std::string& what);

}  // namespace visionpress
