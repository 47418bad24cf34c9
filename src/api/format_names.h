#pragma once

// What people and command lines call the formats. A new format needs a row here.

#include <array>
#include <string_view>

#include "model/graph.h"

namespace visionpress {

struct FormatNames {
  Format format;
  const char* title;      ///< in tables and messages
  std::string_view word;  ///< before the colon of "coreml:fp16"
  const char* extension;  ///< of its files, with the dot
};

constexpr auto kFormatNames = std::to_array<FormatNames>({
    {Format::CoreMl, "Core ML", "coreml", ".mlmodel"},
    {Format::GraphDef, "TensorFlow", "tensorflow", ".pb"},
    {Format::TfLite, "TFLite", "tflite", ".tflite"},
});

[[nodiscard]] constexpr const FormatNames& names_of(Format format) {
  for (const FormatNames& names : kFormatNames) {
    if (names.format == format) return names;
  }
  return kFormatNames[0];  // not reached: there is a row for each
}

[[nodiscard]] constexpr const char* name_of(Format format) { return names_of(format).title; }
[[nodiscard]] constexpr const char* extension_of(Format format) {
  return names_of(format).extension;
}

}  // namespace visionpress
