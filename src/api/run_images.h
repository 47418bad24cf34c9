#pragma once

// Many images through one model, one image a thread.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "api/model_runner.h"
#include "eval/image.h"
#include "visionpress/vocabulary.h"

namespace visionpress {

/// One image with the network's outputs for one part of it, borrowed for the call.
struct SeenPart {
  std::size_t image = 0;
  std::size_t part = 0;
  const Image* pixels = nullptr;
  Placement placement = {};  ///< of the network's input in the part (the whole image, or a crop)
  std::span<const float> input = {};
  const std::vector<OutputView>* outputs = nullptr;
};

/// The parts of an image that go through the network; the whole image where it is not set.
using PartsOf = std::function<std::vector<ImageView>(std::size_t image, const Image& pixels)>;
/// Called for each part; for one image from one thread, for several images at the same time.
using OnPart = std::function<Result<void>(const SeenPart&)>;

struct RunImagesOptions {
  int threads = 1;
  Progress progress = {};
  std::string what = {};  ///< said with the progress
  /// Called, from one thread at a time, for an image that cannot be decoded, which is then passed
  /// over. Not set: such an image ends the run.
  std::function<void(std::size_t image, const Error& error)> on_bad = {};
  std::string bad_hint = {};  ///< ends the message of such an image where on_bad is not set
  /// Called, from one thread at a time, when nothing more comes of an image that has not ended the
  /// run.
  std::function<void(std::size_t image)> on_done = {};
};

/// Decodes, preprocesses and runs every image. errors: that of the first image in order that has
/// one, at any number of threads.
[[nodiscard]] Result<void> run_images(const ModelRunner& runner,
                                      const std::vector<std::string>& paths,
                                      const PartsOf& parts_of, const OnPart& on_part,
                                      const RunImagesOptions& options);

}  // namespace visionpress
