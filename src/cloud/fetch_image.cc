#include "cloud/fetch_image.h"

#include <memory>

#include <curl/curl.h>

#include "base/error.h"

namespace visionpress {
namespace {

struct Received {
  std::string bytes = {};
  std::size_t most = 0;
  bool too_large = false;
};

std::size_t take(const char* data, std::size_t size, std::size_t count, void* user) {
  auto* received = static_cast<Received*>(user);
  const std::size_t total = size * count;
  received->too_large = total > received->most - received->bytes.size();
  if (received->too_large) return 0;
  received->bytes.append(data, total);
  return total;
}

bool starts_with_web(const std::string& url) {
  return url.starts_with("http://") || url.starts_with("https://");
}

}  // namespace

Result<std::string> fetch_image(const std::string& url, const FetchOptions& options) {
  if (!starts_with_web(url)) {
    return fail(ErrorKind::InvalidArgument, "the address is not http:// or https://");
  }
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  const std::unique_ptr<CURL, void (*)(CURL*)> owner(curl_easy_init(), curl_easy_cleanup);
  if (ready != CURLE_OK || owner == nullptr) {
    return fail(ErrorKind::Internal, "libcurl does not start");
  }
  CURL* curl = owner.get();
  Received received;
  received.most = options.max_bytes;
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(curl, CURLOPT_MAXREDIRS, 3L);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT, options.seconds);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, options.seconds);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &received);
  const CURLcode code = curl_easy_perform(curl);
  if (received.too_large) {
    return fail(ErrorKind::Io, "the address gives more than {} bytes", options.max_bytes);
  }
  if (code != CURLE_OK) {
    return fail(ErrorKind::Io, "the image cannot be fetched: {}", curl_easy_strerror(code));
  }
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  constexpr long kDone = 200;
  if (status != kDone) return fail(ErrorKind::Io, "the address answers with status {}", status);
  return std::move(received.bytes);
}

}  // namespace visionpress
