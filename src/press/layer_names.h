#pragma once

// Finds layers and weights by the names that users type: exact names, globs, or nearly right ones.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "model/graph.h"
#include "visionpress/result.h"

namespace visionpress {

/// Whether `text` matches `pattern`, in which * stands for any characters and ? for one.
[[nodiscard]] bool matches_glob(std::string_view pattern, std::string_view text);

/// The names most similar to `name`, best first, at most `count`; names without similarity are left
/// out.
[[nodiscard]] std::vector<std::string> find_nearest(std::string_view name,
                                                    const std::vector<std::string>& names,
                                                    std::size_t count);

/// Which weights of the graph the names stand for: those of that name, those of a layer of that
/// name, and those that such a layer reads. A layer that a converter fused from several
/// ("a/Relu;a/BiasAdd;a/Conv2D") also has the name of each part.
/// returns: one entry per weight.  errors: Usage when a name matches nothing, with the nearest
/// names.
[[nodiscard]] Result<std::vector<bool>> find_named_weights(const Graph& graph,
                                                           const std::vector<std::string>& names);

}  // namespace visionpress
