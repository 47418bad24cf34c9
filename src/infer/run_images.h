#pragma once

// Runs many images through one model, one image per thread.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "eval/image.h"
#include "infer/model_runner.h"
#include "visionpress/vocabulary.h"

namespace visionpress {

/// The network's outputs for one part of an image, with the image; borrowed for the call.
struct SeenPart {
  std::size_t image = 0;
  std::size_t part = 0;
  const Image* pixels = nullptr;
  Placement placement = {};  ///< of the network's input in the part (the whole image, or a crop)
  std::span<const float> input = {};
  const std::vector<OutputView>* outputs = nullptr;
};

/// Gives the parts of an image that go through the network. Not set: the whole image.
using PartsOf = std::function<std::vector<ImageView>(std::size_t image, const Image& pixels)>;
/// Called for each part; by one thread for the parts of one image, by several threads at the same
/// time for different images.
using OnPart = std::function<Result<void>(const SeenPart&)>;

struct RunImagesOptions {
  int threads = 1;
  Progress progress = {};
  std::string what = {};  ///< name of the work, passed to the progress callback
  /// Called, from one thread at a time, for an image that cannot be decoded; the run then skips it.
  /// Not set: such an image ends the run.
  std::function<void(std::size_t image, const Error& error)> on_bad = {};
  std::string bad_hint = {};  ///< ends the error message of such an image if on_bad is not set
  /// Called, from one thread at a time, when an image is finished, unless it ended the run.
  std::function<void(std::size_t image)> on_done = {};
};

/// Decodes, preprocesses and runs every image. errors: the error of the first failing image in
/// order, for any number of threads.
[[nodiscard]] Result<void> run_images(const ModelRunner& runner,
                                      const std::vector<std::string>& paths,
                                      const PartsOf& parts_of, const OnPart& on_part,
                                      const RunImagesOptions& options);

}  // namespace visionpress
