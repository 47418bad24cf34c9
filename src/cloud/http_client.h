#pragma once

// Requests over HTTP, sent again where that helps and does no harm.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "visionpress/result.h"

namespace visionpress {

enum class HttpMethod : std::uint8_t { Get, Post, Patch, Delete };

/// What a second sending of a request does.
enum class Repeat : std::uint8_t {
  Harmless,  ///< nothing more than the first: sent again after 429, 5xx and lost connections
  IfUnseen,  ///< perhaps something twice: sent again only where the server did not act on the
             ///< first (429, no connection); the caller finds out about the rest
};

enum class Redirects : std::uint8_t { Refuse, Follow };

struct HttpHeader {
  std::string name = {};
  std::string value = {};  ///< may be a key; never part of a message
};

struct HttpRequest {
  HttpMethod method = HttpMethod::Get;
  std::string url = {};
  std::vector<HttpHeader> headers = {};
  std::string body = {};
  Repeat repeat = Repeat::Harmless;
  Redirects redirects = Redirects::Refuse;              ///< follow only where no header is a key
  std::size_t max_reply_bytes = std::size_t{64} << 20;  ///< a larger body ends the transfer
  /// From connecting to the answer's last byte, however steadily bytes come; 0: no limit.
  std::chrono::milliseconds limit{0};
};

/// Why no whole answer came.
enum class HttpFailure : std::uint8_t {
  None,        ///< one came: `status` is set
  NotReached,  ///< no connection was made, so nothing was sent
  Lost,        ///< the connection ended or stalled; the server may have acted
  Refused,   ///< nobody listens on that port of this computer: nothing that passes, as a network's
             ///< faults are
  Hopeless,  ///< a certificate that is not valid, an address that is none: the same next time
};

struct HttpReply {
  HttpFailure failure = HttpFailure::None;
  std::string reason = {};  ///< of a failure, for people
  int status = 0;
  std::string body = {};
  std::optional<std::chrono::seconds> retry_after = std::nullopt;  ///< the header's

  /// Whether the server said what became of the request: not for failures and 5xx.
  [[nodiscard]] bool is_answer() const {
    return failure == HttpFailure::None && (status < 500 || status > 599);
  }
  [[nodiscard]] bool is_success() const {
    return failure == HttpFailure::None && status >= 200 && status < 300;
  }
};

/// Sends one request once. Tests put a fake in its place.
class HttpTransport {
 public:
  HttpTransport() = default;
  HttpTransport(const HttpTransport&) = delete;
  HttpTransport& operator=(const HttpTransport&) = delete;
  virtual ~HttpTransport() = default;
  [[nodiscard]] virtual HttpReply send(const HttpRequest& request) = 0;
};

/// Whether a URL's host is this computer ("localhost", 127.0.0.0/8, ::1).
[[nodiscard]] bool is_loopback_url(std::string_view url);

/// libcurl: certificates are verified, connections are kept for the next request. This computer is
/// reached directly, whatever proxy the environment names: http_proxy would be shown the keys.
/// stall: a connection with less than kSlowestBytes a second for so long is given up.
constexpr long kSlowestBytes = 100;
[[nodiscard]] std::unique_ptr<HttpTransport> make_curl_transport(std::chrono::seconds stall);

struct RetryPolicy {
  int retries = 8;  ///< how often to send a failed request again
  /// The first wait; each further one is twice as long. The kiosk helper of the service's maker
  /// begins with as much.
  std::chrono::milliseconds first_wait{500};
  std::chrono::milliseconds longest_wait{30'000};
  /// A server that asks for more (a spent monthly quota) is not waited for.
  std::chrono::seconds longest_asked{120};
  /// A request with all its repeats and waits; 0: no limit.
  std::chrono::milliseconds longest_in_all{0};
  /// Told before each wait: its length, which sending it comes after (from 0), and what was
  /// answered. Empty: nobody.
  std::function<void(std::chrono::milliseconds, int, const HttpReply&)> on_wait = {};
};

/// Sends requests through a transport, again with growing waits where `Repeat` lets it.
class HttpClient {
 public:
  using Sleep = std::function<void(std::chrono::milliseconds)>;

  /// sleep: how to wait; empty: as threads do.
  HttpClient(std::unique_ptr<HttpTransport> transport, const RetryPolicy& policy, Sleep sleep = {});

  using Clock = std::chrono::steady_clock;

  /// The last reply there was. began: when the first sending did, of a caller that repeats by
  /// itself.
  [[nodiscard]] HttpReply send(HttpRequest request, Clock::time_point began = Clock::now());

  /// Waits before a sending after `reply`, the `attempt`th (from 0). returns: false without waiting
  /// when there have been enough, when they took long enough, or when the server asks for too long
  /// a wait.
  [[nodiscard]] bool pause(int attempt, const HttpReply& reply, Clock::time_point began);

  void sleep(std::chrono::milliseconds time) const { sleep_(time); }

 private:
  std::unique_ptr<HttpTransport> transport_;
  RetryPolicy policy_;
  Sleep sleep_;
  std::minstd_rand random_;
};

/// How long a reply asks to wait: its Retry-After header, or its body's "retry after N seconds".
[[nodiscard]] std::optional<std::chrono::seconds> find_asked_wait(const HttpReply& reply);

/// Percent-encodes all but letters, digits and "-._~". source: RFC 3986, section 2.3.
[[nodiscard]] std::string encode_url_part(std::string_view text);

/// Scheme, host and path: a query may hold a signature, and user information a password.
[[nodiscard]] std::string describe_url(std::string_view url);

}  // namespace visionpress
