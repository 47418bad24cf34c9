#pragma once

// Operator versions and the runtimes that support them. Private to this folder.

#include <cstddef>
#include <string_view>

#include "tflite_schema_generated.h"

namespace visionpress::tflite {

/// Name of the metadata entry for the runtime that a file needs, and the size of its buffer in
/// bytes.
inline constexpr const char* kRuntimeMetadata = "min_runtime_version";
inline constexpr std::size_t kRuntimeBytes = 16;

/// The first runtime that supports this version of an operator; empty if it is not in our table.
[[nodiscard]] std::string_view find_runtime(tfl::BuiltinOperator code, int version);

/// The later of two runtimes; empty means any runtime.
[[nodiscard]] std::string_view later_runtime(std::string_view a, std::string_view b);

}  // namespace visionpress::tflite
