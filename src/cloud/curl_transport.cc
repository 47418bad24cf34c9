// The transport that is used: one libcurl handle, whose connections live from request to request.

#include <algorithm>
#include <cerrno>
#include <string_view>

#include <fmt/format.h>

#include "cloud/curl_library.h"
#include "cloud/http_client.h"
#include "cloud/pipe_signal.h"

namespace visionpress {
namespace {

constexpr long kConnectSeconds = 20;

struct CurlDeleter {
  const CurlLibrary* library = nullptr;
  void operator()(CURL* curl) const { library->easy_cleanup(curl); }
  void operator()(curl_slist* list) const { library->slist_free_all(list); }
};

struct Body {
  std::string& text;
  std::size_t most = 0;
  bool is_too_large = false;
};

/// libcurl's callback: what is taken; fewer bytes than given end the transfer.
std::size_t take_body(char* data, std::size_t size, std::size_t count, void* target) {
  auto& body = *static_cast<Body*>(target);
  const std::size_t bytes = size * count;
  body.is_too_large = bytes > body.most - body.text.size();
  if (body.is_too_large) return 0;
  body.text.append(data, bytes);
  return bytes;
}

HttpFailure classify(CURLcode code) {
  switch (code) {
    case CURLE_OK:
      return HttpFailure::None;
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
      return HttpFailure::NotReached;
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_TOO_MANY_REDIRECTS:
    case CURLE_WRITE_ERROR:
      return HttpFailure::Hopeless;
    default:
      return HttpFailure::Lost;
  }
}

class CurlTransport : public HttpTransport {
 public:
  explicit CurlTransport(std::chrono::seconds stall) : stall_(stall) {
    if (library_ != nullptr) curl_.reset(library_->easy_init());
  }
  CurlTransport(const CurlTransport&) = delete;
  CurlTransport& operator=(const CurlTransport&) = delete;
  ~CurlTransport() override {
    const PipeSignalBlock block;  // a kept connection is told of its end
    curl_.reset();
  }

  HttpReply send(const HttpRequest& request) override {
    HttpReply reply;
    if (curl_ == nullptr) {
      reply.failure = HttpFailure::Hopeless;
      reply.reason = "libcurl cannot be set up";
      return reply;
    }
    library_->easy_reset(curl_.get());
    std::unique_ptr<curl_slist, CurlDeleter> headers(nullptr, CurlDeleter{library_});
    for (const HttpHeader& header : request.headers) {
      headers.reset(
          library_->slist_append(headers.release(), (header.name + ": " + header.value).c_str()));
    }
    // A body is sent at once; servers that never say "continue" would cost a second each.
    headers.reset(library_->slist_append(headers.release(), "Expect:"));
    set(CURLOPT_HTTPHEADER, headers.get());
    set_method(request);
    set_limits(request);
    set(CURLOPT_WRITEFUNCTION, take_body);
    Body body{reply.body, request.max_reply_bytes};
    set(CURLOPT_WRITEDATA, &body);
    std::string message(CURL_ERROR_SIZE, '\0');
    set(CURLOPT_ERRORBUFFER, message.data());
    const PipeSignalBlock block;
    const CURLcode code = library_->easy_perform(curl_.get());
    set(CURLOPT_ERRORBUFFER, static_cast<char*>(nullptr));
    reply.failure = classify(code);
    if (reply.failure != HttpFailure::None) {
      message.resize(message.find('\0'));
      reply.reason = message.empty() ? library_->easy_strerror(code) : message;
      if (body.is_too_large) {
        reply.reason = fmt::format("the answer is larger than {} bytes", request.max_reply_bytes);
        reply.body = {};
      }
      if (code == CURLE_COULDNT_CONNECT && is_refused_here(request)) {
        reply.failure = HttpFailure::Refused;
        reply.reason = "connection refused: nothing listens on that port of this computer";
      }
      if (code == CURLE_OPERATION_TIMEDOUT && is_over(request)) {
        reply.failure = HttpFailure::Hopeless;  // there is no time for another
        reply.reason =
            fmt::format("the answer is not whole after {} s", (request.limit.count() + 999) / 1000);
      }
      return reply;
    }
    long status = 0;
    library_->easy_getinfo(curl_.get(), CURLINFO_RESPONSE_CODE, &status);
    reply.status = static_cast<int>(status);
    curl_off_t wait = 0;
    library_->easy_getinfo(curl_.get(), CURLINFO_RETRY_AFTER, &wait);
    if (wait > 0) reply.retry_after = std::chrono::seconds(wait);
    return reply;
  }

 private:
  bool is_refused_here(const HttpRequest& request) {
    long reason = 0;
    library_->easy_getinfo(curl_.get(), CURLINFO_OS_ERRNO, &reason);
    return reason == ECONNREFUSED && is_loopback_url(request.url);
  }

  /// Whether it was the request's limit, and not silence, that ended it.
  bool is_over(const HttpRequest& request) {
    curl_off_t microseconds = 0;
    library_->easy_getinfo(curl_.get(), CURLINFO_TOTAL_TIME_T, &microseconds);
    constexpr curl_off_t kSlack = 100'000;  // its clocks are not read at the same moment
    return request.limit.count() > 0 && microseconds + kSlack >= request.limit.count() * 1000;
  }

  template <typename T>
  void set(CURLoption option, T value) {
    library_->easy_setopt(curl_.get(), option, value);
  }

  void set_method(const HttpRequest& request) {
    set(CURLOPT_URL, request.url.c_str());
    const bool has_body = request.method == HttpMethod::Post || request.method == HttpMethod::Patch;
    if (has_body) {
      set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
      set(CURLOPT_POSTFIELDS, request.body.data());  // borrowed for the call
    }
    if (request.method == HttpMethod::Patch) set(CURLOPT_CUSTOMREQUEST, "PATCH");
    if (request.method == HttpMethod::Delete) set(CURLOPT_CUSTOMREQUEST, "DELETE");
  }

  void set_limits(const HttpRequest& request) {
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_SSL_VERIFYPEER, 1L);
    set(CURLOPT_SSL_VERIFYHOST, 2L);
    set(CURLOPT_USERAGENT, "visionpress");
    set(CURLOPT_CONNECTTIMEOUT, std::min(kConnectSeconds, static_cast<long>(stall_.count())));
    set(CURLOPT_LOW_SPEED_LIMIT, kSlowestBytes);
    set(CURLOPT_LOW_SPEED_TIME, static_cast<long>(stall_.count()));
    set(CURLOPT_TIMEOUT_MS, static_cast<long>(request.limit.count()));  // 0 is none for libcurl too
    // A proxy of the environment would be given what is meant for this computer alone. Only hosts
    // on this computer may be asked over http, and over https a proxy sees no header.
    if (is_loopback_url(request.url)) set(CURLOPT_PROXY, "");
    if (request.redirects == Redirects::Follow) {
      set(CURLOPT_FOLLOWLOCATION, 1L);
      set(CURLOPT_MAXREDIRS, 5L);
      const bool secure = std::string_view(request.url).starts_with("https:");
      set(CURLOPT_REDIR_PROTOCOLS_STR, secure ? "https" : "http,https");
    }
    // On a kept connection that turns out to be dead, libcurl sends anew by itself, without knowing
    // whether the first was acted on.
    if (request.repeat == Repeat::IfUnseen) set(CURLOPT_FRESH_CONNECT, 1L);
  }

  std::chrono::seconds stall_;
  const CurlLibrary* library_ = load_curl();
  std::unique_ptr<CURL, CurlDeleter> curl_{nullptr, CurlDeleter{library_}};
};

}  // namespace

std::unique_ptr<HttpTransport> make_curl_transport(std::chrono::seconds stall) {
  return std::make_unique<CurlTransport>(stall);
}

}  // namespace visionpress
