#pragma once

// Buffers of a run.

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>

#include "run/operator.h"

namespace visionpress {

struct AlignedDelete {
  void operator()(std::byte* p) const { ::operator delete[](p, std::align_val_t(kBufferAlign)); }
};
using AlignedBytes = std::unique_ptr<std::byte[], AlignedDelete>;

/// At least one line, so that the address is one.
[[nodiscard]] inline AlignedBytes allocate_aligned(std::size_t bytes) {
  return AlignedBytes(static_cast<std::byte*>(
      ::operator new[](std::max(bytes, kBufferAlign), std::align_val_t(kBufferAlign))));
}

}  // namespace visionpress
