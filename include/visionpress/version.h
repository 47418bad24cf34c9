#pragma once

namespace visionpress {

/// The library's version, "0.1.0".
[[nodiscard]] const char* version();

}  // namespace visionpress
