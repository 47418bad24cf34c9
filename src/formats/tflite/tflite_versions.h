#pragma once

// Operator versions and the runtimes that know them. Private to this folder.

#include <cstddef>
#include <string_view>

#include "tflite_schema_generated.h"

namespace visionpress::tflite {

/// Name of the metadata entry that says which runtime a file needs, and the bytes of its buffer.
inline constexpr const char* kRuntimeMetadata = "min_runtime_version";
inline constexpr std::size_t kRuntimeBytes = 16;

/// First runtime that knows this version of an operator; empty where it is not in our table.
[[nodiscard]] std::string_view find_runtime(tfl::BuiltinOperator code, int version);

/// The later of two runtimes; empty stands for any.
[[nodiscard]] std::string_view later_runtime(std::string_view a, std::string_view b);

}  // namespace visionpress::tflite
