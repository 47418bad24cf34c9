#pragma once

#include <sys/socket.h>

namespace visionpress {

/// Whether an address is one of the public Internet: neither this machine nor its network
/// (loopback, private, link-local, shared by a provider's customers), not multicast, reserved or
/// for documentation, and none that carries another one (IPv4-mapped, NAT64, 6to4, Teredo).
/// source: IANA's registries of special-purpose addresses for IPv4 and IPv6 (RFC 6890).
[[nodiscard]] bool is_public_address(const sockaddr& address);

}  // namespace visionpress
