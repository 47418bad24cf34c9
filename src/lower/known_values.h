#pragma once

// Values that are known before a run: the constants that give axes, sizes and shapes.

#include <cstdint>
#include <optional>
#include <vector>

#include "model/tensor.h"

namespace visionpress {

/// The elements of an int32 or int64 constant; an empty list for a constant without
/// elements. returns: nothing for other types, for computed tensors and for more than `most`
/// elements.
[[nodiscard]] std::optional<std::vector<std::int64_t>> find_integers(const Tensor& tensor,
                                                                     std::size_t most);

}  // namespace visionpress
