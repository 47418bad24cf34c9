#pragma once

#include <span>
#include <string>

#include "base/bytes.h"

namespace visionpress {

/// SHA-1 of the pieces, one after the other, as 40 lowercase hex digits; empty where the system's
/// library refuses to compute it. It identifies content, as in the manifests of export packages; it
/// is not used for security.
[[nodiscard]] std::string hash_sha1(std::span<const Bytes> pieces);
[[nodiscard]] inline std::string hash_sha1(Bytes bytes) { return hash_sha1({&bytes, 1}); }

}  // namespace visionpress
