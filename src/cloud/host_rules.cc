#include "cloud/host_rules.h"

#include <algorithm>
#include <string>

#include <arpa/inet.h>

#include "base/ascii.h"
#include "cloud/http_message.h"

namespace visionpress {
namespace {

bool is_loopback_v4(std::string_view text) {
  in_addr address = {};
  constexpr std::uint32_t kNet = 127;
  return ::inet_pton(AF_INET, std::string(text).c_str(), &address) == 1 &&
         ntohl(address.s_addr) >> 24 == kNet;
}

bool is_loopback_v6(std::string_view text) {
  in6_addr address = {};
  return ::inet_pton(AF_INET6, std::string(text).c_str(), &address) == 1 &&
         IN6_IS_ADDR_LOOPBACK(&address);
}

bool is_port(std::string_view text) {
  constexpr std::size_t kLongest = 5;
  return text.size() <= kLongest && std::ranges::all_of(text, is_ascii_digit);
}

}  // namespace

bool is_loopback_host(std::string_view host, std::string_view own_name) {
  // inet_pton and the system's names end at a zero byte.
  if (host.find('\0') != std::string_view::npos) return false;
  const bool bracketed = host.starts_with('[');
  const std::size_t close = bracketed ? host.find(']') : 0;
  if (close == std::string_view::npos) return false;
  const std::size_t colon = std::min(host.find(':', close), host.size());
  if (bracketed && colon != close + 1) return false;
  if (colon < host.size() && !is_port(host.substr(colon + 1))) return false;
  if (bracketed) return is_loopback_v6(host.substr(1, close - 1));
  const std::string_view name = host.substr(0, colon);
  if (name.empty()) return false;
  return equal_ignoring_case(name, "localhost") || equal_ignoring_case(name, own_name) ||
         is_loopback_v4(name);
}

}  // namespace visionpress
