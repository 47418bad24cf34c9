#include "package/model_name.h"

#include <algorithm>
#include <array>
#include <span>
#include <string>

#include "base/ascii.h"

namespace visionpress {
namespace {

// source: the platforms that Custom Vision exports to.
constexpr auto kExported = std::to_array<std::string_view>({".mlmodel", ".tflite", ".pb", ".onnx"});
constexpr auto kOfOtherPrograms =
    std::to_array<std::string_view>({".pt", ".pth", ".h5", ".keras", ".mlpackage", ".ckpt"});

bool has_ending(std::string_view name, std::span<const std::string_view> endings) {
  return std::ranges::any_of(endings,
                             [&](std::string_view ending) { return name.ends_with(ending); });
}

}  // namespace

bool is_exported_model_name(std::string_view name) { return has_ending(name, kExported); }

bool is_model_name(std::string_view name) {
  const std::string lower = ascii_lower(name);
  return has_ending(lower, kExported) || has_ending(lower, kOfOtherPrograms);
}

}  // namespace visionpress
