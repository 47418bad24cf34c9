#pragma once

// Aligned buffers for a run.

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

/// Allocates at least one cache line, so that the address is valid even for 0 bytes.
[[nodiscard]] inline AlignedBytes allocate_aligned(std::size_t bytes) {
  return AlignedBytes(static_cast<std::byte*>(
      ::operator new[](std::max(bytes, kBufferAlign), std::align_val_t(kBufferAlign))));
}

}  // namespace visionpress
