#pragma once

#include <string>

#include "base/bytes.h"

namespace visionpress {

/// Appends the bytes as RFC 4648 base64, padded.
void append_base64(Bytes bytes, std::string& text);

}  // namespace visionpress
