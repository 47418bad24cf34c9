#include "cloud/fetch_image.h"

#include <array>
#include <memory>
#include <string_view>

#include "base/error.h"
#include "cloud/curl_library.h"
#include "cloud/pipe_signal.h"

namespace visionpress {
namespace {

constexpr int kLookMilliseconds = 50;  // how often a transfer looks whether it is to end
constexpr long kMilliseconds = 1000;
constexpr long kRedirects = 3;

struct Received {
  std::string bytes = {};
  std::size_t most = 0;
};

std::size_t take(const char* data, std::size_t size, std::size_t count, void* user) {
  auto* received = static_cast<Received*>(user);
  const std::size_t total = size * count;
  if (total > received->most - received->bytes.size()) return 0;
  received->bytes.append(data, total);
  return total;
}

/// libcurl has resolved the name and asks for a socket to that very address.
curl_socket_t open_socket(void* user, curlsocktype /*purpose*/, curl_sockaddr* target) {
  const auto* options = static_cast<const FetchOptions*>(user);
  if (options->is_allowed == nullptr || !options->is_allowed(target->addr)) return CURL_SOCKET_BAD;
  return ::socket(target->family, target->socktype | SOCK_CLOEXEC, target->protocol);
}

tl::unexpected<Error> fail_silently() {
  return fail(ErrorKind::Io, "no image could be fetched from the address");
}

struct Cleanup {
  const CurlLibrary* library = nullptr;
  void operator()(CURL* curl) const { library->easy_cleanup(curl); }
};

struct MultiCleanup {
  const CurlLibrary* library = nullptr;
  void operator()(CURLM* multi) const { library->multi_cleanup(multi); }
};

void set_options(const CurlLibrary& library, CURL* curl, const std::string& url,
                 const FetchOptions& options) {
  const auto set = [&](CURLoption option, auto value) { library.easy_setopt(curl, option, value); };
  set(CURLOPT_URL, url.c_str());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  set(CURLOPT_FOLLOWLOCATION, 1L);
  set(CURLOPT_MAXREDIRS, kRedirects);
  set(CURLOPT_TIMEOUT_MS, static_cast<long>(options.seconds * static_cast<double>(kMilliseconds)));
  set(CURLOPT_MAXFILESIZE_LARGE, static_cast<curl_off_t>(options.max_bytes));
  set(CURLOPT_NOSIGNAL, 1L);
  // A proxy would make the connection, past the check of its address.
  set(CURLOPT_PROXY, "");
  set(CURLOPT_OPENSOCKETFUNCTION, open_socket);
  set(CURLOPT_OPENSOCKETDATA, &options);
  set(CURLOPT_USERAGENT, "visionpress");
  // A name server that never answers must not hold back the end: its thread is left to itself.
  set(CURLOPT_QUICK_EXIT, 1L);
}

/// returns: libcurl's word, CURLE_ABORTED_BY_CALLBACK when `stop` was due.
CURLcode transfer(const CurlLibrary& library, CURLM* multi, const Stop& stop) {
  int running = 1;
  while (true) {
    if (library.multi_perform(multi, &running) != CURLM_OK) return CURLE_OUT_OF_MEMORY;
    if (running == 0) break;
    if (stop.is_due()) return CURLE_ABORTED_BY_CALLBACK;
    if (library.multi_poll(multi, nullptr, 0, kLookMilliseconds, nullptr) != CURLM_OK) {
      return CURLE_OUT_OF_MEMORY;
    }
  }
  int left = 0;
  const CURLMsg* message = library.multi_info_read(multi, &left);
  return message == nullptr ? CURLE_OUT_OF_MEMORY : message->data.result;
}

bool is_our_fault(CURLcode code, std::string_view message) {
  // What libcurl says when its resolver finds no thread.
  return code == CURLE_OUT_OF_MEMORY || code == CURLE_FAILED_INIT ||
         (code == CURLE_COULDNT_RESOLVE_HOST &&
          message.find("thread failed") != std::string_view::npos);
}

}  // namespace

Result<std::string> fetch_image(const std::string& url, const FetchOptions& options,
                                const Stop& stop) {
  const PipeSignalBlock block;  // outlives the connections
  const CurlLibrary* library = load_curl();
  if (library == nullptr) return fail(ErrorKind::Internal, "libcurl is not there");
  const std::unique_ptr<CURL, Cleanup> curl(library->easy_init(), Cleanup{library});
  const std::unique_ptr<CURLM, MultiCleanup> multi(library->multi_init(), MultiCleanup{library});
  if (curl == nullptr || multi == nullptr) {
    return fail(ErrorKind::Internal, "libcurl does not start");
  }
  // libcurl would guess http for an address without a scheme.
  if (url.find("://") == std::string::npos) return fail_silently();
  set_options(*library, curl.get(), url, options);
  Received received;
  received.most = options.max_bytes;
  library->easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, take);
  library->easy_setopt(curl.get(), CURLOPT_WRITEDATA, &received);
  std::array<char, CURL_ERROR_SIZE> message = {};
  library->easy_setopt(curl.get(), CURLOPT_ERRORBUFFER, message.data());
  if (library->multi_add_handle(multi.get(), curl.get()) != CURLM_OK) {
    return fail(ErrorKind::Internal, "libcurl does not start");
  }
  const CURLcode code = transfer(*library, multi.get(), stop);
  long status = 0;
  library->easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
  library->multi_remove_handle(multi.get(), curl.get());
  if (is_our_fault(code, message.data())) {
    return fail(ErrorKind::Internal, "the address could not be asked: {}", message.data());
  }
  constexpr long kDone = 200;
  if (code != CURLE_OK || status != kDone) return fail_silently();
  return std::move(received.bytes);
}

}  // namespace visionpress
