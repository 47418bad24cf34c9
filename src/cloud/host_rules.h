#pragma once

#include <string_view>

namespace visionpress {

/// Whether a Host header's value means this machine's loopback: localhost, an address of
/// 127.0.0.0/8, [::1] or `own_name`, each with or without a port. A page that a browser loaded from
/// elsewhere can make its own name resolve to 127.0.0.1, and then sends that name.
[[nodiscard]] bool is_loopback_host(std::string_view host, std::string_view own_name);

}  // namespace visionpress
