#include "cloud/curl_library.h"

#include <bit>
#include <optional>

#include <dlfcn.h>

namespace visionpress {
namespace {

/// returns: whether the library has the function.
template <typename Function>
bool find(void* library, const char* name, Function& function) {
  // POSIX: the address that dlsym gives for a function's name is the function's.
  function = std::bit_cast<Function>(::dlsym(library, name));
  return function != nullptr;
}

std::optional<CurlLibrary> open_curl() {
  void* library = ::dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return std::nullopt;
  CurlLibrary curl;
  decltype(&::curl_global_init) global_init = nullptr;
  const bool has_all = find(library, "curl_global_init", global_init) &&
                       find(library, "curl_easy_cleanup", curl.easy_cleanup) &&
                       find(library, "curl_easy_getinfo", curl.easy_getinfo) &&
                       find(library, "curl_easy_init", curl.easy_init) &&
                       find(library, "curl_easy_perform", curl.easy_perform) &&
                       find(library, "curl_easy_reset", curl.easy_reset) &&
                       find(library, "curl_easy_setopt", curl.easy_setopt) &&
                       find(library, "curl_easy_strerror", curl.easy_strerror) &&
                       find(library, "curl_multi_add_handle", curl.multi_add_handle) &&
                       find(library, "curl_multi_cleanup", curl.multi_cleanup) &&
                       find(library, "curl_multi_info_read", curl.multi_info_read) &&
                       find(library, "curl_multi_init", curl.multi_init) &&
                       find(library, "curl_multi_perform", curl.multi_perform) &&
                       find(library, "curl_multi_poll", curl.multi_poll) &&
                       find(library, "curl_multi_remove_handle", curl.multi_remove_handle) &&
                       find(library, "curl_slist_append", curl.slist_append) &&
                       find(library, "curl_slist_free_all", curl.slist_free_all);
  if (!has_all || global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) return std::nullopt;
  return curl;
}

}  // namespace

const CurlLibrary* load_curl() {
  static const std::optional<CurlLibrary> curl = open_curl();
  return curl ? &*curl : nullptr;
}

}  // namespace visionpress
