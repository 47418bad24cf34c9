#include "cloud/address_rules.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include <netinet/in.h>

namespace visionpress {
namespace {

struct Net {
  std::uint32_t address = 0;
  int bits = 0;
};

constexpr std::uint32_t quad(std::uint32_t a, std::uint32_t b, std::uint32_t c, std::uint32_t d) {
  return a << 24 | b << 16 | c << 8 | d;
}

constexpr std::array<Net, 16> kSpecialV4 = {{
    {quad(0, 0, 0, 0), 8},        // this network
    {quad(10, 0, 0, 0), 8},       // private
    {quad(100, 64, 0, 0), 10},    // shared by a provider's customers
    {quad(127, 0, 0, 0), 8},      // loopback
    {quad(169, 254, 0, 0), 16},   // link-local, and the clouds' metadata
    {quad(172, 16, 0, 0), 12},    // private
    {quad(192, 0, 0, 0), 24},     // protocols
    {quad(192, 0, 2, 0), 24},     // documentation
    {quad(192, 31, 196, 0), 24},  // AS112
    {quad(192, 88, 99, 0), 24},   // 6to4 relays
    {quad(192, 168, 0, 0), 16},   // private
    {quad(198, 18, 0, 0), 15},    // benchmarks
    {quad(198, 51, 100, 0), 24},  // documentation
    {quad(203, 0, 113, 0), 24},   // documentation
    {quad(224, 0, 0, 0), 4},      // multicast
    {quad(240, 0, 0, 0), 4},      // reserved, broadcast
}};

// Of 2000::/3 alone, by the first 32 bits; everything outside it is special.
constexpr std::array<Net, 5> kSpecialV6 = {{
    {0x20010000, 23},  // protocols: Teredo, benchmarks, ORCHID
    {0x20010DB8, 32},  // documentation
    {0x20020000, 16},  // 6to4: an IPv4 address follows
    {0x26204F00, 32},  // AS112 (2620:4f:8000::/48, with its neighbours)
    {0x3FFF0000, 20},  // documentation
}};

template <std::size_t N>
bool is_in(std::uint32_t address, const std::array<Net, N>& nets) {
  constexpr int kBits = 32;
  return std::ranges::any_of(
      nets, [&](const Net& net) { return (address ^ net.address) >> (kBits - net.bits) == 0; });
}

}  // namespace

bool is_public_address(const sockaddr& address) {
  // Copied, since a sockaddr promises less alignment than what it stands for.
  if (address.sa_family == AF_INET) {
    sockaddr_in v4 = {};
    std::memcpy(&v4, &address, sizeof v4);
    return !is_in(ntohl(v4.sin_addr.s_addr), kSpecialV4);
  }
  if (address.sa_family != AF_INET6) return false;
  sockaddr_in6 v6 = {};
  std::memcpy(&v6, &address, sizeof v6);
  std::uint32_t first = 0;
  std::memcpy(&first, &v6.sin6_addr, sizeof first);
  first = ntohl(first);
  constexpr std::uint32_t kGlobal = 1;  // 2000::/3: the only one given out so far
  return first >> 29 == kGlobal && !is_in(first, kSpecialV6);
}

}  // namespace visionpress
