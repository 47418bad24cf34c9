#pragma once

// NumPy's array files (.npy), version 1 to 3: a header of text, then the elements.
// source: NumPy enhancement proposal 1.

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "visionpress/result.h"

namespace visionpress {

struct NpyArray {
  std::vector<std::int64_t> shape = {};  ///< empty: one value
  std::vector<double> values = {};       ///< row-major; int64 beyond 2^53 are rounded
};

/// Reads an array of float32, float64, integers of up to 64 bits or truth values, in little endian
/// and row-major order. errors: Malformed for another file or one that is cut short; Unsupported
/// for other elements or orders.
[[nodiscard]] Result<NpyArray> read_npy(Bytes file);

}  // namespace visionpress
