#pragma once

#include <span>
#include <string>

#include "model/tensor.h"

namespace visionpress {

/// One result of a run, row-major in the graph's layout. Borrowed until the next run. A size that
/// only a run decides (the number of boxes found) differs from run to run, may be 0, and is -1
/// before the first run.
struct OutputView {
  std::string name = {};
  Shape shape = {};
  std::span<const float> values = {};
};

}  // namespace visionpress
