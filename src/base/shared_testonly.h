#pragma once

// Where tests find the real models and images, which are not part of the repository.

#include <cstdlib>
#include <filesystem>
#include <string>

namespace visionpress {

/// Folder of the shared test material (models/, data/), or empty where there is none: VP_SHARED,
/// else `shared` next to the checkout.
inline std::string find_shared_folder() {
  const char* named = std::getenv("VP_SHARED");
  std::string folder = named != nullptr ? named : VP_SOURCE_DIR "/../shared";
  return std::filesystem::is_directory(folder + "/models") ? folder : std::string();
}

}  // namespace visionpress

#define VP_SKIP_WITHOUT_SHARED()                                                      \
  if (::visionpress::find_shared_folder().empty()) {                                  \
    GTEST_SKIP() << "the shared models are not here (set VP_SHARED to their folder)"; \
  }
